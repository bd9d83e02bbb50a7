"""What all installations of programs below .cache/ have in common."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.jars import CACHE


class InstallError(Exception):
    """A service cannot be installed; the message says what to do."""


def say(what: str) -> None:
    """Print a progress message."""
    print(f"==> {what}", flush=True)


def remove_others(kept: Path, pattern: str) -> None:
    """Remove other versions of what is installed now."""
    for other in kept.parent.glob(pattern):
        if other == kept:
            continue
        if other.is_dir():
            shutil.rmtree(other)
        else:
            other.unlink()


@contextmanager
def unfinished() -> Iterator[Path]:
    """A temporary directory in .cache/, from which results are renamed into place."""
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="unfinished-") as directory:
        yield Path(directory)
