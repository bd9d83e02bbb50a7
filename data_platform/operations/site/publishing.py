"""Put a site into a directory: the whole new one takes the place of the old one."""

import ctypes
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from data_platform.storage.errors import LakeError

LIST = "site-files.txt"
"""Lists the files of a site, itself included: so that nothing else is ever deleted."""


_HERE, _EXCHANGE = -100, 2  # AT_FDCWD, RENAME_EXCHANGE


class NotASite(LakeError):
    """A directory has files that no site put there; the message says what to do."""


def put(files: Mapping[str, str], directory: Path) -> None:
    """Replace what is in a directory by these files, by their paths in it. Whatever happens, it has
    all of the old site or all of the new one; where a system cannot exchange two directories at
    once, there is none for a moment.

    Raises NotASite for a directory with other files than those of a site, which is left as it is.
    """
    target = directory.resolve()
    require_site(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as folder:
        made, old = Path(folder, "new"), Path(folder, "old")
        named = "\n".join(sorted({*files, LIST})) + "\n"
        for path, text in {**files, LIST: named}.items():
            file = made / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")
        if not target.exists():
            os.rename(made, target)
            return
        require_site(target)  # once more: making it has taken a while
        if _exchanged(made, target):
            return
        os.rename(target, old)
        try:
            os.rename(made, target)
        except OSError:
            os.rename(old, target)
            raise


def _exchanged(first: Path, second: Path) -> bool:
    """Exchange two directories at once; False where the system or its file system cannot."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)  # of Linux
    if rename is None:
        return False
    return rename(_HERE, os.fsencode(first), _HERE, os.fsencode(second), _EXCHANGE) == 0


def require_site(directory: Path) -> None:
    """Raises NotASite unless the directory is missing, empty, or has nothing but a site."""
    if not directory.exists():
        return
    if not directory.is_dir():
        raise NotASite(f"{directory} is a file; name a directory for the site")
    there = {
        path.relative_to(directory).as_posix()
        for path in directory.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    listed = directory / LIST
    own = set(listed.read_text(encoding="utf-8").split("\n")) if listed.is_file() else set()
    if foreign := sorted(there - own):
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise NotASite(
            f"{directory} has files that are not of a site: {foreign[0]}{more}; name an empty or "
            "new directory, or move them away"
        )
