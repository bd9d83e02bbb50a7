"""Landed objects and the buckets they land in, regardless of what the objects contain."""

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from data_platform.storage.object_store import why_ambiguous

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOT_UTF8 = "its name is not UTF-8; rename it"
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
UNFINISHED = (".tmp", ".part")  # suffixes that copying tools give to unfinished files


@dataclass(frozen=True)
class LandedObject:
    """One object in a bucket's listing. `size` in bytes; `etag` is None if the bucket has none.

    `unusable` says why the key cannot be opened; such an object is listed but has no source.
    """

    key: str
    size: int
    modified: datetime  # UTC, to the microsecond
    etag: str | None = None
    unusable: str | None = None


class Bucket(Protocol):
    """What intake needs of a bucket. Keys are ordered by their UTF-8 bytes, as on S3."""

    @property
    def name(self) -> str:
        """The bucket's name in the ledger."""
        ...

    @property
    def starts_after(self) -> bool:
        """Whether `start_after` saves listing the keys before it."""
        ...

    def list(self, prefix: str = "", start_after: str | None = None) -> Iterator[LandedObject]:
        """The objects whose key begins with `prefix` and sorts after `start_after`."""
        ...

    def uri(self, key: str) -> str:
        """A location that any machine of the cluster can open, see `storage.files`."""
        ...

    def content_hash(self, key: str) -> str:
        """A digest of the object's bytes. FileNotFoundError if it is gone."""
        ...

    def head(self, key: str) -> LandedObject | None:
        """The object as it is now; None if there is none."""
        ...


class DirectoryBucket:
    """A directory as a bucket; keys are posix paths relative to `root`.

    Dotfiles, dot directories and files that end in `.tmp` or `.part` are not listed, and a file
    that vanishes during the listing is skipped. Anything that is not a readable file (a broken
    link, a link to a directory, a pipe, a folder without permission) is listed as unusable; a
    folder's key ends in a slash.
    """

    starts_after = False

    def __init__(self, root: Path | str, *, name: str = "raw-landing") -> None:
        self.root = Path(root).absolute()
        self.name = name

    def list(self, prefix: str = "", start_after: str | None = None) -> Iterator[LandedObject]:
        """Lists everything below `root` before it yields, to sort it.

        A missing root raises FileNotFoundError; taken for an empty bucket, a wrong path or an
        unmounted disk would mean that every object vanished.
        """
        found = [
            landed
            for landed in _walk(os.fspath(self.root))
            if landed.key.startswith(prefix) and (start_after is None or landed.key > start_after)
        ]
        yield from sorted(found, key=lambda landed: landed.key)

    def uri(self, key: str) -> str:
        return f"file://{self.root / key}"

    def content_hash(self, key: str) -> str:
        with (self.root / key).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def head(self, key: str) -> LandedObject | None:
        if key.endswith("/"):  # how the listing names a folder that it could not list
            return next((each for each in self.list() if each.key == key), None)
        if why_ambiguous(key):  # no listing names it
            return None
        path = os.path.join(self.root, key)
        return None if os.path.isdir(path) and not os.path.islink(path) else _look(path, key)

    def put(self, key: str, source: Path) -> None:
        """Land a file atomically, since a sensor may be listing. The same bytes: no change."""
        target = self.root / key
        if target.exists() and target.read_bytes() == source.read_bytes():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f"{target.name}{UNFINISHED[1]}")
        shutil.copyfile(source, unfinished)
        unfinished.replace(target)


def from_nanoseconds(since_epoch: int) -> datetime:
    """The time in UTC, exact to the microsecond, which a float of seconds is not."""
    return EPOCH + timedelta(microseconds=since_epoch // 1000)


def _walk(root: str) -> Iterator[LandedObject]:
    """Everything below the root; errors of the root itself propagate."""
    folders = [""]
    while folders:
        folder = folders.pop()
        path = os.path.join(root, folder)
        try:
            with os.scandir(path) as found:
                entries = list(found)
        except OSError as error:
            if not folder:
                raise
            if not isinstance(error, FileNotFoundError | NotADirectoryError):
                yield _unusable(folder, path, f"a folder that cannot be listed: {error.strerror}")
            continue
        for entry in entries:
            if entry.name.startswith(".") or entry.name.endswith(UNFINISHED):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(f"{folder}{entry.name}/")
            elif landed := _look(entry.path, folder + entry.name):
                yield landed


def _look(path: str, key: str) -> LandedObject | None:
    """The object at a path that is not a directory; None if it is gone."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISLNK(status.st_mode):
        try:
            status = os.stat(path)
        except OSError as error:
            why = f"a link that cannot be followed: {error.strerror}"
            return _unusable(key, path, why) if os.path.islink(path) else None
        if stat.S_ISDIR(status.st_mode):
            why = "a link to a directory, which is not followed: move the directory here"
            return _unusable(key, path, why)
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        return _unusable(key, path, f"{kind} and no file: remove it")
    return _landed(os.fsencode(key), status)


def _unusable(key: str, path: str, why: str) -> LandedObject:
    try:
        modified = from_nanoseconds(os.lstat(path).st_mtime_ns)
    except OSError:
        modified = EPOCH
    return LandedObject(
        os.fsencode(key).decode("utf-8", "backslashreplace"), 0, modified, None, why
    )


def _landed(path: bytes, status: os.stat_result) -> LandedObject:
    """The object of a file; a name that is not UTF-8 is escaped, so its key names no file."""
    key = path.decode("utf-8", "backslashreplace")
    modified = from_nanoseconds(status.st_mtime_ns)
    unusable = None if key.encode() == path else _NOT_UTF8
    return LandedObject(key, status.st_size, modified, unusable=unusable)
