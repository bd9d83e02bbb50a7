"""Where the platform runs and where its state lives: the only reader of the environment.

Everything else is given a `Settings` and asks nothing. Places are URIs, not paths, so that a
bucket can take a directory's place without a change in the code that uses it.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Self

PREFIX = "DATA_PLATFORM_"
CHECKOUT = Path(__file__).resolve().parents[1]

# Set by the platforms that run deployments: there, a forgotten DATA_PLATFORM_ENV must not
# silently mean "local".
DEPLOYMENT_MARKS = ("DAGSTER_CLOUD_DEPLOYMENT_NAME", "KUBERNETES_SERVICE_HOST")

# Hadoop reads these as patterns and PyIceberg as parts of a URI.
UNUSABLE_IN_HOME = frozenset("#?%*{}[]\\")

NAMES = ("ENV", "HOME", "SPARK_MASTER", "SPARK_MEMORY", "PROJECT", "AWS_REGION", "AWS_ENDPOINT")

# A bucket's name has at most 63 characters: those of `-raw-landing-staging` are the longest ones
# beside the project.
LONGEST_PROJECT = 43

# What S3 keeps for itself at the beginning of a name.
RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")

# Events that Dagster stores at once: a lock on its database for as long as a second is no harm.
EVENT_BATCH_SIZE = "1000"


class SettingsError(ValueError):
    """A setting is missing, unknown or has an unknown value; the message names the way out."""


class Environment(StrEnum):
    LOCAL = "local"
    TEST = "test"
    STAGING = "staging"
    PROD = "prod"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One environment's places and sizes. Build it with `from_env`, or `at` in tests.

    `home` is an absolute directory that holds all state; deleting it resets everything.
    `spark_memory` is the driver's heap as the JVM writes it (`4g`, `512m`). `project` begins the
    names of the buckets; `aws_region` is empty where there is no cloud, `aws_endpoint` where it is
    AWS's own.
    """

    environment: Environment
    home: Path
    spark_master: str
    spark_memory: str
    project: str = "data-platform"
    aws_region: str = ""
    aws_endpoint: str = ""

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Self:
        """Settings from `DATA_PLATFORM_*`; raises `SettingsError` on anything it does not know."""
        env = os.environ if env is None else env
        _refuse_unknown_names(env)
        environment = _environment(env)
        match environment:
            case Environment.LOCAL:
                home = Path(_value(env, "HOME") or local_home())
            case Environment.TEST | Environment.STAGING | Environment.PROD:
                home = Path(_required(env, "HOME", environment))
        return cls(
            environment=environment,
            home=_usable(home),
            spark_master=_value(env, "SPARK_MASTER") or "local[*]",
            spark_memory=_memory(_value(env, "SPARK_MEMORY") or _memory_for(os.cpu_count() or 1)),
            project=_project(_value(env, "PROJECT") or cls.project),
            aws_region=_region(env),
            aws_endpoint=_endpoint(_value(env, "AWS_ENDPOINT")),
        )

    @classmethod
    def at(cls, home: Path | str) -> Self:
        """Settings of the `test` environment in `home`: two cores, one gigabyte."""
        return cls(
            environment=Environment.TEST,
            home=_usable(Path(home)),
            spark_master="local[2]",
            spark_memory="1g",
        )

    @property
    def landing_uri(self) -> str:
        """The raw-landing bucket: what has arrived, as it arrived."""
        return _uri(self.home / "landing")

    @property
    def warehouse_uri(self) -> str:
        """Every table's files."""
        return _uri(self.home / "warehouse")

    @property
    def catalog_uri(self) -> str:
        return f"sqlite:///{self.home / 'catalog.db'}"

    @property
    def ledger_uri(self) -> str:
        return f"sqlite:///{self.home / 'ledger.db'}"

    @property
    def has_buckets(self) -> bool:
        """Whether there is a cloud with buckets: on a laptop directories are the buckets."""
        deployed = self.environment is not Environment.LOCAL
        return bool(self.aws_region and (deployed or self.aws_endpoint))

    @property
    def dagster_home(self) -> Path:
        return self.home / "dagster"

    @property
    def catalog_name(self) -> str:
        return "data_platform"

    @property
    def catalog_properties(self) -> dict[str, str]:
        """For `pyiceberg.catalog.load_catalog(settings.catalog_name, **properties)`."""
        return {"type": "sql", "uri": self.catalog_uri, "warehouse": self.warehouse_uri}


def local_state() -> Path:
    """The directory of a developer's homes: `.platform` in the checkout, or where one stands."""
    return (CHECKOUT if (CHECKOUT / "pyproject.toml").exists() else Path.cwd()) / ".platform"


def local_home() -> Path:
    """The home that `.platform/last` names (the last demo's), else `.platform/home`."""
    last = local_state() / "last"
    return local_state() / (last.read_text("utf-8").strip() if last.exists() else "home")


def prepare_home(settings: Settings) -> None:
    """Create the directories of a home that lives on disk, with Dagster's own configuration.

    Repeating it changes nothing, except that `dagster.yaml` follows the one shipped here.
    """
    for directory in (settings.home / "landing", settings.home / "warehouse"):
        directory.mkdir(parents=True, exist_ok=True)
    settings.dagster_home.mkdir(exist_ok=True)
    shipped = files("data_platform").joinpath("dagster.yaml").read_text("utf-8")
    instance = settings.dagster_home / "dagster.yaml"
    if not instance.exists() or instance.read_text("utf-8") != shipped:
        instance.write_text(shipped, "utf-8")


def enter_home(settings: Settings) -> None:
    """Tell Dagster, in this process and those it starts, where its state is and to log in batches.

    A ranged run has events for each of its partitions; one by one they would take longer than
    the data (see `platform_defs.event_log`).
    """
    export(DAGSTER_HOME=str(settings.dagster_home), DAGSTER_EVENT_BATCH_SIZE=EVENT_BATCH_SIZE)


def export(**variables: str) -> None:
    """Set what a library can only be told through the environment."""
    os.environ.update(variables)


def _environment(env: Mapping[str, str]) -> Environment:
    given = _value(env, "ENV")
    allowed = ", ".join(Environment)
    if given in list(Environment):
        return Environment(given)
    if given:
        raise SettingsError(f"{PREFIX}ENV is {given!r}; allowed: {allowed}")
    if mark := next((name for name in DEPLOYMENT_MARKS if env.get(name)), None):
        raise SettingsError(
            f"{PREFIX}ENV is not set, but {mark} is, so this is a deployment; "
            f"set {PREFIX}ENV to one of: {allowed}"
        )
    return Environment.LOCAL


def _refuse_unknown_names(env: Mapping[str, str]) -> None:
    known = [PREFIX + name for name in NAMES]
    for name in sorted(env):
        if name.startswith(PREFIX) and name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "unset it;"
            raise SettingsError(f"{name} is no setting; {hint} known: {', '.join(known)}")


def _value(env: Mapping[str, str], name: str) -> str:
    return env.get(PREFIX + name, "").strip()


def _required(env: Mapping[str, str], name: str, environment: Environment) -> str:
    if value := _value(env, name):
        return value
    raise SettingsError(f"{PREFIX}{name} must be set when {PREFIX}ENV is {str(environment)!r}")


def _memory_for(cores: int) -> str:
    # A gigabyte for each task that runs at once: what sorting a partition of 128 MB takes.
    return f"{min(max(cores, 2), 8)}g"


def _memory(text: str) -> str:
    number, unit = text[:-1], text[-1:]
    if number.isascii() and number.isdigit() and int(number) and unit in ("m", "g"):
        return text
    raise SettingsError(f"{PREFIX}SPARK_MEMORY is {text!r}; write it like 4g or 2048m")


def _project(name: str) -> str:
    if re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) is None:
        raise SettingsError(
            f"{PREFIX}PROJECT is {name!r}, and begins the names of buckets; write it in lower case "
            "letters, digits and single hyphens between them"
        )
    if len(name) > LONGEST_PROJECT:
        raise SettingsError(
            f"{PREFIX}PROJECT is {name!r}, {len(name)} characters; with the rest of a bucket's "
            f"name that is over S3's 63: at most {LONGEST_PROJECT}"
        )
    if reserved := next((p for p in RESERVED_PREFIXES if name.startswith(p)), None):
        raise SettingsError(f"{PREFIX}PROJECT is {name!r}; S3 keeps {reserved!r} for itself")
    return name


def _region(env: Mapping[str, str]) -> str:
    """The platform's setting, else what AWS's own tools go by."""
    region = _value(env, "AWS_REGION")
    if region and re.fullmatch(r"[a-z]{2,}(-[a-z]+)+-\d", region) is None:
        raise SettingsError(f"{PREFIX}AWS_REGION is {region!r}; write it like eu-west-1")
    return region or env.get("AWS_REGION", "") or env.get("AWS_DEFAULT_REGION", "")


def _endpoint(url: str) -> str:
    if url and re.fullmatch(r"https?://[^/\s]+/?", url) is None:
        raise SettingsError(f"{PREFIX}AWS_ENDPOINT is {url!r}; write it like http://localhost:9000")
    return url.rstrip("/")


def _usable(home: Path) -> Path:
    home = Path(os.path.expanduser(home)).absolute()
    if bad := sorted(UNUSABLE_IN_HOME.intersection(str(home))):
        raise SettingsError(
            f"{PREFIX}HOME is {str(home)!r}: {' '.join(bad)} cannot stand in a table's location; "
            "choose a directory without"
        )
    return home


def _uri(path: Path) -> str:
    # Not Path.as_uri(): Hadoop and PyIceberg take the rest literally and would keep a "%20".
    return f"file://{path}"
