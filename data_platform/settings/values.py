"""Validation of single settings: each function returns the value or raises SettingsError.

Rules about several settings are in `consistency`.
"""

import errno
import getpass
import os
import pwd
import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import urlsplit

from data_platform.settings.engine import Engine
from data_platform.settings.model import NO_PROXY, LogFormat

PREFIX = "DATA_PLATFORM_"

# Hadoop reads these as patterns and PyIceberg as parts of a URI.
UNUSABLE_IN_HOME = frozenset("#?%*{}[]\\")

# A bucket's name has at most 63 characters: those of `-raw-landing-staging` are the longest ones
# beside the project.
LONGEST_PROJECT = 43

SHORTEST_SECRET = 16  # characters

# Prefixes of names that S3 reserves.
RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")

_LIKE = "like postgresql://user@host:5432/database"
_BUCKET = r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._=-]+)*"


class SettingsError(ValueError):
    """A setting is missing, unknown or has an unknown value; the message names the way out."""


def refuse_unknown_names(env: Iterable[str], names: Iterable[str]) -> None:
    """Variables with the settings' prefix that are not among `names`."""
    known = [PREFIX + name for name in names]
    for name in sorted(env):
        if name.startswith(PREFIX) and name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "unset it;"
            raise SettingsError(f"unknown setting {name}; {hint} known: {', '.join(known)}")


def home(directory: Path | str, environment: str) -> Path:
    """An absolute directory. Raises SettingsError if it is not set, or storage would misread it."""
    if not str(directory):
        raise SettingsError(f"{PREFIX}HOME must be set when {PREFIX}ENV is {str(environment)!r}")
    path = Path(os.path.expanduser(directory)).absolute()
    return _usable("HOME", path)


@contextmanager
def home_explained(directory: Path) -> Iterator[None]:
    """Turn errors that keep a directory from being a home (a file in its place, a missing
    permission) into SettingsError. Others, such as a full disk, propagate."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise SettingsError(
            f"{error.filename}: {error.strerror}; {PREFIX}HOME is {directory}: name a directory "
            "that this user may make and write in"
        ) from error


def place(name: str, text: str) -> str:
    """`s3://bucket`, `s3://bucket/prefix`, `file:///directory` or `/directory`, as a URI."""
    if text.startswith("s3://"):
        if re.fullmatch(_BUCKET, text.rstrip("/")):
            return text.rstrip("/")
    elif (path := text.removeprefix("file://")).startswith("/"):
        # Not Path.as_uri(): Hadoop and PyIceberg take the rest literally and would keep a "%20".
        return f"file://{_usable(name, Path(path))}"
    raise SettingsError(
        f"{PREFIX}{name} is {text!r}; write it like s3://bucket, s3://bucket/prefix or /directory"
    )


def is_file(url: str) -> bool:
    """Whether a database is a file on this machine (SQLite)."""
    return url.startswith("sqlite")


def database(name: str, url: str) -> str:
    """A SQLAlchemy URL of SQLite or PostgreSQL without a password."""
    if not url or url.startswith("sqlite:///"):
        return url
    if url.startswith("postgres://"):  # as psql accepts it, and SQLAlchemy does not
        raise SettingsError(f"{PREFIX}{name} begins with postgres://; write it {_LIKE}")
    # A password may contain characters that a parser would misread, so look for it before parsing.
    if "password=" in url or ("@" in url and not re.match(r"postgresql://[^:/?#@]*@[^@]*$", url)):
        raise SettingsError(
            f"{PREFIX}{name} carries a password, or is not {_LIKE}; URLs are shown, so take the "
            f"password out and set {PREFIX}DATABASE_PASSWORD (or secretsmanager:NAME#KEY there)"
        )
    parts = urlsplit(url)
    if parts.scheme != "postgresql" or not parts.netloc or not parts.path.strip("/"):
        raise SettingsError(
            f"{PREFIX}{name} is {url!r}; write it {_LIKE} or sqlite:////directory/file.db"
        )
    return url


def dagster_database(url: str, shared: str) -> str:
    """A PostgreSQL URL; empty for Dagster's own SQLite files, whose place is fixed."""
    if is_file(url):
        raise SettingsError(
            f"{PREFIX}DAGSTER_DATABASE is {url!r}; Dagster's SQLite files are in {PREFIX}HOME: "
            "unset it, or write it like postgresql://user@host:5432/database"
        )
    return database("DAGSTER_DATABASE", url or ("" if is_file(shared) else shared))


def catalog(url: str) -> str:
    """`glue`, or the URL of a database."""
    return url if url == "glue" else database("CATALOG", url)


def queue(url: str) -> str:
    """The URL of a queue, or empty."""
    if url and re.fullmatch(r"https?://[^/\s]+/\S+", url) is None:
        raise SettingsError(
            f"{PREFIX}QUEUE is {url!r}; write it like "
            "https://sqs.eu-west-1.amazonaws.com/123456789012/landing"
        )
    return url


def inventory(uri: str) -> str:
    """`s3://destination/prefix/source-bucket/configuration`, or empty."""
    place = uri.rstrip("/")
    if uri and (re.fullmatch(_BUCKET, place) is None or place.count("/") < 4):
        raise SettingsError(
            f"{PREFIX}INVENTORY is {uri!r}; write it like s3://destination/prefix/bucket/name: "
            "below it are folders like 2024-05-01T01-00Z"
        )
    return place


def engine(text: str) -> Engine:
    """The engine. Raises SettingsError for one that does not exist."""
    try:
        return Engine(text)
    except ValueError as error:
        raise SettingsError(f"{PREFIX}SPARK: {error}") from error


def memory_for_cores(cores: int | None = None) -> str:
    """A gigabyte per concurrent task, which is what sorting a partition of 128 MB takes."""
    return f"{min(max(cores or os.cpu_count() or 1, 2), 8)}g"


def memory(text: str) -> str:
    """A size as the JVM writes it, in megabytes or gigabytes: `512m`, `4g`."""
    number, unit = text[:-1], text[-1:]
    if number.isascii() and number.isdigit() and int(number) and unit in ("m", "g"):
        return text
    raise SettingsError(f"{PREFIX}SPARK_MEMORY is {text!r}; write it like 4g or 2048m")


def minutes(name: str, text: str) -> float:
    """A number of minutes, at least 0."""
    return _number(name, text, 0, "a number of minutes, like 10")


def lease(name: str, text: str) -> float:
    """A number of seconds, at least 1: a process cannot beat much oftener."""
    return _number(name, text, 1, "a number of seconds from 1, like 60")


def log_format(text: str) -> LogFormat:
    """`text` or `json`; `text` if it is empty."""
    match text or "text":
        case "text" | "json" as known:
            return known
    raise SettingsError(f"{PREFIX}LOG_FORMAT is {text!r}; allowed: text, json")


def _number(name: str, text: str, least: float, allowed: str) -> float:
    if re.fullmatch(r"\d+(\.\d+)?", text) and float(text) >= least:
        return float(text)
    raise SettingsError(f"{PREFIX}{name} is {text!r}; write {allowed}")


def packages(text: str, of: str = f"{PREFIX}DOMAINS") -> tuple[str, ...]:
    """Dotted names of Python packages, separated by commas; `of` names their setting in errors."""
    names = tuple(filter(None, (name.strip() for name in text.split(","))))
    for name in names:
        if not all(part.isidentifier() for part in name.split(".")):
            raise SettingsError(
                f"{of} has {name!r}, which is not the name of a Python package; write them like "
                "acme.tables,acme.more_tables"
            )
    return names


def project(name: str) -> str:
    """A project name that bucket names can start with."""
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
        raise SettingsError(f"{PREFIX}PROJECT is {name!r}; S3 reserves the prefix {reserved!r}")
    return name


def environment_of_bucket(uri: str, project: str, environments: Iterable[str]) -> str | None:
    """The environment in the name of one of this project's buckets; None for other places."""
    name = uri.removeprefix("s3://").partition("/")[0]
    if not uri.startswith("s3://") or not name.startswith(project + "-"):
        return None
    last = name.rpartition("-")[2]
    return next((each for each in environments if each == last), None)


def region(name: str) -> str:
    """An AWS region, or empty."""
    if name and re.fullmatch(r"[a-z]{2,}(-[a-z]+)+-\d", name) is None:
        raise SettingsError(f"{PREFIX}AWS_REGION is {name!r}; write it like eu-west-1")
    return name


def endpoint(url: str) -> str:
    """The address of a store without a trailing slash, or empty."""
    if url and re.fullmatch(r"https?://[^/\s]+/?", url) is None:
        raise SettingsError(f"{PREFIX}AWS_ENDPOINT is {url!r}; write it like http://localhost:9000")
    return url.rstrip("/")


def bucket(name: str, text: str) -> str:
    """`s3://bucket` or `s3://bucket/prefix`, or empty."""
    if text and not text.startswith("s3://"):
        raise SettingsError(f"{PREFIX}{name} is {text!r}; write it like s3://bucket/prefix")
    return place(name, text) if text else ""


def role(name: str, text: str) -> str:
    """The ARN of a role, or empty."""
    if text and re.fullmatch(r"arn:[\w-]+:iam::\d{12}:role/\S+", text) is None:
        raise SettingsError(
            f"{PREFIX}{name} is {text!r}; write it like arn:aws:iam::123456789012:role/transform"
        )
    return text


def actor(text: str) -> str:
    """Whom this process works for; the system's user and the host if nobody is named."""
    if not text.isprintable():
        raise SettingsError(f"{PREFIX}ACTOR is {text!r}; write it like nightly-build")
    if text:
        return text
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container whose user has no name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def account() -> str:
    """The user that this process is for the system, whatever variables say, and the host."""
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # in a container
        user = str(os.geteuid())
    return f"{user}@{socket.gethostname()}"


def groups(name: str, text: str) -> frozenset[str]:
    """Names of groups, separated by commas; `*` is everyone who logs in, among viewers only."""
    found = frozenset(filter(None, (each.strip() for each in text.split(","))))
    if "*" in found and name != "VIEWERS":
        raise SettingsError(f"{PREFIX}{name} is {text!r}; name the groups, like data-operators")
    return found


def hosts(name: str, text: str) -> frozenset[str]:
    """Names or addresses of hosts, without ports, separated by commas."""
    found = frozenset(filter(None, (each.strip().lower() for each in text.split(","))))
    if wrong := [each for each in sorted(found) if not re.fullmatch(r"[\w.-]+|[\da-f:]+", each)]:
        raise SettingsError(f"{PREFIX}{name} has {wrong[0]!r}; write it like localhost,127.0.0.1")
    return found


def proxy_secret(setting: str, text: str) -> str:
    """A secret that nobody guesses, `none`, or empty. The value is never part of a message."""
    if text != NO_PROXY and 0 < len(text) < SHORTEST_SECRET:
        raise SettingsError(
            f"{setting} has {len(text)} characters; use at least {SHORTEST_SECRET}, made at random"
        )
    return text


def price(text: str) -> float | None:
    """US dollars per GB and month; None if empty."""
    try:
        value = float(text) if text else None
    except ValueError:
        value = -1
    if value is not None and not 0 <= value < 1000:  # not for nan either
        raise SettingsError(
            f"{PREFIX}STORAGE_PRICE is {text!r}; write US dollars for a GB and month, like 0.023"
        )
    return value


def _usable(name: str, path: Path) -> Path:
    if bad := sorted(UNUSABLE_IN_HOME.intersection(str(path))):
        raise SettingsError(
            f"{PREFIX}{name} is {str(path)!r}: {' '.join(bad)} cannot be part of a table's "
            "location; choose a directory without"
        )
    return path
