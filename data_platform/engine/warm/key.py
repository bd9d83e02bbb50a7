"""The key of an engine: runs share one if their settings, environment, packages and code agree."""

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from data_platform.settings.environment import variables_of
from data_platform.settings.model import Settings

# An engine inherits the environment of the run that started it: credentials, and the locations and
# options of Java, Spark and Python.
_READ_BY_ENGINES = (
    "AWS_",
    "HADOOP_",
    "JAVA_",
    "JDK_JAVA_",
    "PYSPARK_",
    "PYTHON",
    "SAIL_",
    "SPARK_",
)
# Set when a session starts: in the run that started the engine, but not yet in others.
_SET_BY_SESSIONS = {"AWS_ENDPOINT", "AWS_ALLOW_HTTP", "PYSPARK_PYTHON", "SPARK_HOME"}


def key_of(
    settings: Settings,
    config: Mapping[str, str],
    variables: Mapping[str, str | None],
    code: Iterable[Path],
) -> str:
    """A digest of all that an engine started by this process depends on. `code` are the files of
    the process's own packages: an engine does not import a changed module again."""
    environment = {
        name: value
        for name, value in variables_of(_READ_BY_ENGINES).items()
        if name not in _SET_BY_SESSIONS and not name.startswith("SPARK_CONNECT_")
    }
    parts = [
        [settings.spark.text, settings.spark_memory, config, variables, sys.executable],
        [environment, sys.path, sorted(_packages()), sorted(_states(code))],
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _states(code: Iterable[Path]) -> Iterator[tuple[str, int, int]]:
    """Path, modification time (ns) and size (bytes) of files."""
    for path in code:
        with suppress(FileNotFoundError):  # a dangling link, as some editors make
            found = path.stat()
            yield str(path), found.st_mtime_ns, found.st_size


def _packages() -> Iterator[str]:
    """The installed distributions: the names of their directories, which have the versions."""
    for place in sys.path:
        with suppress(OSError):
            yield from (path.name for path in Path(place).glob("*.dist-info"))
