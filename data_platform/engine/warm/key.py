"""What runs must have in common to share an engine: settings, environment, packages, code."""

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from data_platform.settings.environment import variables_of
from data_platform.settings.model import Settings

# An engine has the environment of the run that started it: credentials, and where Java, Spark and
# Python are and what they are told.
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
# Set by a session's start in the run that starts the engine, and not yet in the others.
_SET_BY_SESSIONS = {"AWS_ENDPOINT", "AWS_ALLOW_HTTP", "PYSPARK_PYTHON", "SPARK_HOME"}


def key_of(
    settings: Settings, config: Mapping[str, str], variables: Mapping[str, str | None]
) -> str:
    """A digest of what an engine of this process would be."""
    environment = {
        name: value
        for name, value in variables_of(_READ_BY_ENGINES).items()
        if name not in _SET_BY_SESSIONS and not name.startswith("SPARK_CONNECT_")
    }
    parts = [
        [settings.spark.text, settings.spark_memory, config, variables, sys.executable],
        [environment, sys.path, sorted(_packages()), sorted(own_code())],
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def own_code() -> Iterator[tuple[str, int, int]]:
    """Path, time and size of the files of each package or module that this process has imported,
    other than those of its environment. An engine runs Python code that it has imported before."""
    places = tuple({sys.prefix, sys.base_prefix, sys.exec_prefix})
    roots = {name.partition(".")[0] for name in list(sys.modules)} - {"__main__", "__mp_main__"}
    for name in roots:
        file = getattr(sys.modules.get(name), "__file__", None)
        if file is None or any(Path(file).is_relative_to(place) for place in places):
            continue
        is_package = Path(file).name == "__init__.py"
        for path in Path(file).parent.rglob("*.py") if is_package else [Path(file)]:
            with suppress(FileNotFoundError):  # a link to nothing, as some editors make
                found = path.stat()
                yield str(path), found.st_mtime_ns, found.st_size


def _packages() -> Iterator[str]:
    """The installed distributions, as their directories are named: with their versions."""
    for place in sys.path:
        with suppress(OSError):
            yield from (path.name for path in Path(place).glob("*.dist-info"))
