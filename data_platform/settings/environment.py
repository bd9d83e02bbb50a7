"""Read settings from the environment, and set the variables that libraries need; no other module
reads or sets them."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from data_platform.settings import values
from data_platform.settings.consistency import refuse_impossible
from data_platform.settings.engine import without_token
from data_platform.settings.model import CHECKOUT, Environment, Settings
from data_platform.settings.secrets import secret, secret_name
from data_platform.settings.values import PREFIX, SettingsError
from data_platform.settings.variables import NAMES, VARIABLES, Variable
from data_platform.settings.virtual import inside

# Set by the platforms that run deployments: there, a forgotten DATA_PLATFORM_ENV must not
# silently mean "local".
DEPLOYMENT_MARKS = ("DAGSTER_CLOUD_DEPLOYMENT_NAME", "KUBERNETES_SERVICE_HOST")

_DIRECTORIES = {
    "LANDING": "file://{home}/landing",
    "WAREHOUSE": "file://{home}/warehouse",
    "CATALOG": "sqlite:///{home}/catalog.db",
    "LEDGER": "sqlite:///{home}/ledger.db",
}
_CLOUD = {
    "LANDING": "s3://{project}-raw-landing-{env}",
    "WAREHOUSE": "s3://{project}-warehouse-{env}",
    "CATALOG": "glue",
    "LEDGER": "",
}
_MESSAGES = "s3://{project}-temp-{env}/pipes"
# Of this machine or Dagster's process only: a remote job has its own values, or none.
_NOT_PASSED_ON = (
    *("HOME", "DAGSTER_CONFIG", "DAGSTER_DATABASE", "SPARK_JARS", "SPARK_IDLE"),
    *("ACTOR", "PROXY_SECRET", "OPERATORS", "VIEWERS", "UNPROTECTED_HOSTS", "ALERTS"),
)

# Settings whose default is `DATABASE`, except a Glue catalog; Dagster's storage only on a server.
IN_DATABASE = ("CATALOG", "LEDGER")
PASSWORD, PROXY_SECRET = f"{PREFIX}DATABASE_PASSWORD", f"{PREFIX}PROXY_SECRET"

# Defaults that differ by environment; each setting's own variable takes precedence. Empty ones must
# be set, or are derived from the machine.
DIFFERENCES: Mapping[Environment, Mapping[str, str]] = {
    Environment.LOCAL: {**_DIRECTORIES, "SPARK": "sail", "SPARK_IDLE": "10"},
    Environment.TEST: {**_DIRECTORIES, "SPARK": "sail", "SPARK_MEMORY": "1g"},
    Environment.STAGING: {**_CLOUD, "SPARK": "local[*]", "SPARK_IDLE": "10"},
    Environment.PROD: {**_CLOUD, "SPARK": "local[*]", "SPARK_IDLE": "10"},
}

# Events that Dagster stores at once: a lock on its database for a second does no harm.
EVENT_BATCH_SIZE = "1000"


def settings_from_env(env: Mapping[str, str] | None = None, *, secrets: bool = True) -> Settings:
    """Settings from `DATA_PLATFORM_*`; raises `SettingsError` on anything it does not know.

    Changes nothing: libpq has the password once something is opened, see `give_password`. Without
    `secrets` none is fetched: the password is empty, for callers without a database.
    """
    env = os.environ if env is None else env
    values.refuse_unknown_names(env, NAMES)
    environment = environment_from_env(env)
    project = values.project(_value(env, "PROJECT") or Settings.project)
    local = environment is Environment.LOCAL
    home = values.home(_value(env, "HOME") or (local_home() if local else ""), environment)
    places = {"home": str(home), "project": project, "env": str(environment)}

    database = values.database("DATABASE", _value(env, "DATABASE"))
    password = _value(env, "DATABASE_PASSWORD")
    of_proxy = secret(PROXY_SECRET, _value(env, "PROXY_SECRET"), _region(env)) if secrets else ""

    def value(name: str) -> str:
        return _value(env, name) or _default(name, environment, database, places)

    settings = Settings(
        environment=environment,
        home=home,
        spark=values.engine(value("SPARK")),
        spark_memory=values.memory(value("SPARK_MEMORY") or values.memory_for_cores()),
        spark_idle=values.minutes("SPARK_IDLE", value("SPARK_IDLE") or "0"),
        run_lease=values.lease("RUN_LEASE", _value(env, "RUN_LEASE") or "60"),
        spark_jars=Path(value("SPARK_JARS") or Settings.spark_jars),
        landing_uri=values.place("LANDING", value("LANDING")),
        warehouse_uri=values.place("WAREHOUSE", value("WAREHOUSE")),
        catalog_uri=values.catalog(value("CATALOG")),
        ledger_uri=values.database("LEDGER", value("LEDGER")),
        dagster_database=values.dagster_database(_value(env, "DAGSTER_DATABASE"), database),
        dagster_config=Path(given) if (given := _value(env, "DAGSTER_CONFIG")) else None,
        database_password=secret(PASSWORD, password, _region(env)) if secrets else "",
        database_secret=secret_name(password),
        alerts=Path(given) if (given := _value(env, "ALERTS")) else None,
        queue_url=values.queue(value("QUEUE")),
        inventory_uri=values.inventory(value("INVENTORY")),
        log_format=values.log_format(_value(env, "LOG_FORMAT")),
        project=project,
        aws_region=_region(env),
        aws_endpoint=values.endpoint(_value(env, "AWS_ENDPOINT")),
        actor=values.actor(_value(env, "ACTOR")),
        proxy_secret=values.proxy_secret(PROXY_SECRET, of_proxy),
        operators=values.groups("OPERATORS", _value(env, "OPERATORS")),
        viewers=values.groups("VIEWERS", _value(env, "VIEWERS")),
        unprotected_hosts=values.hosts("UNPROTECTED_HOSTS", _value(env, "UNPROTECTED_HOSTS")),
        storage_price=values.price(_value(env, "STORAGE_PRICE")),
        remote_package=values.bucket("REMOTE_PACKAGE", _value(env, "REMOTE_PACKAGE")),
        remote_messages=values.bucket(
            "REMOTE_MESSAGES", _value(env, "REMOTE_MESSAGES") or _MESSAGES.format(**places)
        ),
        remote_role=values.role("REMOTE_ROLE", _value(env, "REMOTE_ROLE")),
        remote_release=_value(env, "REMOTE_RELEASE"),
    )
    refuse_impossible(settings)
    return inside(settings, _value(env, "VIRTUAL_ENVIRONMENT"))


def passed_on(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables from which a remote job makes the same settings.

    No secret is among them: a password is passed on as its place in Secrets Manager, or not.
    """
    env = os.environ if env is None else env
    names = {each.variable for each in VARIABLES if each.name not in _NOT_PASSED_ON}
    if not secret_name(env.get(PASSWORD, "")):
        names.discard(PASSWORD)
    found = {name: env[name] for name in sorted(names) if env.get(name)}
    region = _region(env)
    return {**found, PREFIX + "AWS_REGION": region} if region else found


_IN_URL = re.compile(r"(//[^/@\s:]*:).*@")  # a password, which other commands refuse there


def listed(env: Mapping[str, str] | None = None) -> list[dict[str, str]]:
    """Every setting as it is set, with its default in this environment and its meaning.

    Checks nothing, so that it helps where a value is wrong; where the environment is, the defaults
    that depend on it are not known. A password is not shown.
    """
    env = os.environ if env is None else env
    try:
        environment = environment_from_env(env)
    except SettingsError:
        environment = None
    local = environment is Environment.LOCAL
    places = {
        "home": _value(env, "HOME") or (str(local_home()) if local else f"({PREFIX}HOME)"),
        "project": _value(env, "PROJECT") or Settings.project,
        "env": str(environment),
    }
    database = _value(env, "DATABASE")

    def without_password(value: str) -> str:
        return _IN_URL.sub(r"\1(not shown)@", value)

    def default(variable: Variable) -> str:
        if variable.default:
            return variable.default.replace("`", "")
        if environment is None:
            return f"depends on {PREFIX}ENV"
        found = _default(variable.name, environment, database, places)
        if variable.name in IN_DATABASE and found == database:
            return f"{without_password(found)}, from {PREFIX}DATABASE" if found else ""
        return found

    def shown(variable: Variable) -> dict[str, str]:
        value = _value(env, variable.name)
        if variable.variable in (PASSWORD, PROXY_SECRET) and value and not secret_name(value):
            value = "(not shown)"
        return {
            "setting": variable.variable,
            "value": without_token(without_password(value)),
            "default": default(variable),
            "meaning": variable.meaning.replace("`", ""),
        }

    return [shown(variable) for variable in VARIABLES]


def settings_at(home: Path | str, **other: Any) -> Settings:
    """Settings of the `test` environment in `home`: two cores, one gigabyte; `other` fields."""
    home = values.home(home, Environment.TEST)
    default = {k: v.format(home=home) for k, v in DIFFERENCES[Environment.TEST].items()}
    fields = {
        "environment": Environment.TEST,
        "home": home,
        "spark": values.engine(default["SPARK"]),
        "spark_memory": default["SPARK_MEMORY"],
        "landing_uri": default["LANDING"],
        "warehouse_uri": default["WAREHOUSE"],
        "catalog_uri": default["CATALOG"],
        "ledger_uri": default["LEDGER"],
        "actor": values.actor(""),
    }
    settings = Settings(**{**fields, **other})
    refuse_impossible(settings)
    return settings


def named_domains(env: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The packages with tables that `DATA_PLATFORM_DOMAINS` names, separated by commas. Raises
    SettingsError for what is not the name of a package."""
    text = _value(os.environ if env is None else env, "DOMAINS")
    return values.packages(text)


def local_state() -> Path:
    """The directory of a developer's homes: `.platform` in the checkout or working directory."""
    return (CHECKOUT if (CHECKOUT / "pyproject.toml").exists() else Path.cwd()) / ".platform"


def local_home() -> Path:
    """The home that `.platform/last` names (the last demo's), else `.platform/home`."""
    last = local_state() / "last"
    return local_state() / (last.read_text("utf-8").strip() if last.exists() else "home")


def enter_home(settings: Settings) -> None:
    """Tell Dagster, in this process and those it starts, where its state is and to log in batches.

    A ranged run has events for each of its partitions; one by one they would take longer than
    the data (see `platform_defs.event_log`).
    """
    export(DAGSTER_HOME=str(settings.dagster_home), DAGSTER_EVENT_BATCH_SIZE=EVENT_BATCH_SIZE)
    give_password(settings)


def log_in_batches() -> None:
    """Have Dagster log in batches in this process and those it starts, unless it was told how many
    events a batch has."""
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", EVENT_BATCH_SIZE)


def given_dagster_home() -> str:
    """DAGSTER_HOME as a deployment has set it; empty if it is not set."""
    return os.environ.get("DAGSTER_HOME", "")


def give_password(settings: Settings) -> None:
    """Give libpq the password, in this process and those it starts, so that no URL contains it.
    Call it where databases are opened; PyIceberg and Dagster, which open their own, need it too."""
    if settings.database_password:
        export(PGPASSWORD=settings.database_password)


def export(**variables: str | None) -> None:
    """Set what a library reads only from the environment; None removes a variable."""
    for name, value in variables.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


def java_home() -> str:
    """The shell's JAVA_HOME; empty if it is not set."""
    return os.environ.get("JAVA_HOME", "")


def variables_of(prefixes: tuple[str, ...]) -> dict[str, str]:
    """The environment variables whose names begin with one of these."""
    return {name: value for name, value in os.environ.items() if name.startswith(prefixes)}


def credential_files() -> list[Path]:
    """Where AWS's tools look for credentials and their configuration."""
    named = {"AWS_SHARED_CREDENTIALS_FILE": "credentials", "AWS_CONFIG_FILE": "config"}
    default = Path.home() / ".aws"
    return [Path(os.environ.get(name) or default / file) for name, file in named.items()]


def spark_conf() -> Path | None:
    """The user's `spark-defaults.conf`, where Spark looks for it; None if nothing says where."""
    if directory := os.environ.get("SPARK_CONF_DIR", ""):
        return Path(directory, "spark-defaults.conf")
    home = os.environ.get("SPARK_HOME", "")
    return Path(home, "conf", "spark-defaults.conf") if home else None


@contextmanager
def environment_kept() -> Iterator[None]:
    """Restore the variables that `enter_home` sets when the context ends."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in {*os.environ, *before}:
            if name.startswith("DAGSTER_") and os.environ.get(name) != before.get(name):
                os.environ.pop(name, None)
                os.environ.update({name: before[name]} if name in before else {})


def environment_from_env(env: Mapping[str, str] | None = None) -> Environment:
    """The environment that is set, else `local`. Raises SettingsError for an unknown one, and in a
    deployment where none is set."""
    env = os.environ if env is None else env
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


def _default(name: str, environment: Environment, database: str, places: Mapping[str, str]) -> str:
    """What holds where a setting is not set: `DATABASE`, if it is the default, or what the
    environment has; empty for neither."""
    default = DIFFERENCES[environment].get(name, "").format(**places)
    return database if database and name in IN_DATABASE and default != "glue" else default


def _value(env: Mapping[str, str], name: str) -> str:
    return env.get(PREFIX + name, "").strip()


def _region(env: Mapping[str, str]) -> str:
    """The region of the platform's setting, or else of AWS's own variables."""
    given = values.region(_value(env, "AWS_REGION"))
    return given or env.get("AWS_REGION", "") or env.get("AWS_DEFAULT_REGION", "")
