"""Send code to the workers of a remote engine: this package and the user's, as a zip.

Functions are pickled by reference to their modules, so a worker must be able to import these. It is
sent the code that this process runs; only the libraries have to be installed there.
"""

import hashlib
import importlib.metadata
import logging
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

from pyspark.errors import UnsupportedOperationException
from pyspark.sql import SparkSession

_log = logging.getLogger(__name__)

_OURS = "data_platform"
_DECLARING = "data_platform.domains"  # the entry point of packages with domains
_EPOCH = (1980, 1, 1, 0, 0, 0)  # of zip files: with fixed times, the same code is the same file
_NEVER = {"__pycache__", "__main__", "__mp_main__"}


def shipped() -> Path:
    """A zip of the code, made once in this process for the packages and modules that it had
    imported by then; a digest of its content is in its name."""
    return _zipped(_own(_imported()))


def send(session: SparkSession) -> None:
    """Send the code to the server of a Spark Connect session."""
    try:
        session.addArtifacts(str(shipped()), pyfile=True)
    except UnsupportedOperationException:
        _log.warning(
            "the server does not accept code (Sail's does not): it runs %s and the packages with "
            "your tables as they are installed there",
            _OURS,
        )


def own_code() -> Iterator[tuple[str, Path]]:
    """The files of this package, of installed packages that declare tables, and of each other
    package or module that this process has imported from outside its environment: the name in the
    zip, and the path."""
    for name, place in _own(_imported()):
        yield from _files(name, place)


def _imported() -> frozenset[str]:
    """The packages, and modules outside of packages, that this process has imported."""
    return frozenset(name.partition(".")[0] for name in list(sys.modules)) - _NEVER


@cache
def _own(imported: frozenset[str]) -> tuple[tuple[str, Path], ...]:
    """The packages and modules whose code is sent, with the folder or file of each. Cached, since
    each step asks for them."""
    declaring = {each.value for each in importlib.metadata.entry_points(group=_DECLARING)}
    always = {_OURS, *(name.partition(".")[0] for name in declaring)}
    found: list[tuple[str, Path]] = []
    for name in sorted(imported):
        module = sys.modules.get(name)
        places = [Path(place) for place in getattr(module, "__path__", ())]
        file = getattr(module, "__file__", None)
        for place in places or ([Path(file)] if file else []):
            if name in always or not _of_the_environment(place):
                found.append((name, place))
    return tuple(found)


def _of_the_environment(place: Path) -> bool:
    """Whether a path belongs to Python or an installed library. A checkout may be below Python's
    prefix, too, as /usr/src is."""
    standard = (sysconfig.get_path(each) for each in ("stdlib", "platstdlib"))
    installed = {"site-packages", "dist-packages"} & {*place.parts}
    return bool(installed) or any(place.is_relative_to(each) for each in standard)


def _files(name: str, place: Path) -> Iterator[tuple[str, Path]]:
    if not place.is_dir():
        if place.suffix == ".py":
            yield place.name, place
        return
    for path in place.rglob("*"):
        parts = path.relative_to(place).parts
        hidden = any(part in _NEVER or part.startswith(".") for part in parts)
        if not hidden and path.suffix != ".pyc" and path.is_file():
            yield "/".join((name, *parts)), path


def _folders(name: str) -> list[PurePosixPath]:
    return list(PurePosixPath(name).parents)[:-1]


@cache
def _directory() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="data-platform-code-")  # removed with the process


@cache
def _zipped(own: tuple[tuple[str, Path], ...]) -> Path:
    files = sorted(found for name, place in own for found in _files(name, place))
    directory = Path(_directory().name)
    made = directory / "code.zip"
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as code:
        # A folder without `__init__.py` is a package only if it has an entry of its own.
        for folder in sorted({str(parent) for name, _ in files for parent in _folders(name)}):
            code.writestr(zipfile.ZipInfo(f"{folder}/", _EPOCH), b"")
        for name, path in files:
            code.writestr(zipfile.ZipInfo(name, _EPOCH), path.read_bytes(), code.compression)
    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    return made.rename(directory / f"data-platform-{digest[:12]}.zip")
