"""A bounded folder of requests of one signal that wait to be sent to a collector.

Each request is a file, renamed into place when it is complete, whose name has its time and the
encoding of its body. Several processes add requests, and one of them at a time sends them.
"""

import errno
import fcntl
import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

MOST_BYTES, MOST_FILES = 64 * 1024 * 1024, 2000
_SUFFIX = ".otlp"
_PLAIN = "identity"  # the encoding of a body that is not compressed
_LEFT_AFTER = 3600  # seconds, after which an incomplete file is of a process that was killed


@dataclass(frozen=True)
class Entry:
    """A request that waits; `encoding` as in HTTP, empty if its body has none."""

    path: Path
    encoding: str

    def body(self) -> bytes:
        """The serialized request. Raises OSError."""
        return self.path.read_bytes()

    def remove(self) -> None:
        """Remove it, unless it is gone."""
        self.path.unlink(missing_ok=True)


@dataclass(frozen=True)
class _File:
    """A file of the spool as a listing has it; incomplete while it is being written."""

    path: Path
    bytes: int
    modified: float
    complete: bool


class Spool:
    """The spool in a folder. Of more requests than it may hold, the oldest are dropped."""

    def __init__(
        self, folder: Path, most_bytes: int = MOST_BYTES, most_files: int = MOST_FILES
    ) -> None:
        self.folder = folder
        self._most_bytes = most_bytes
        self._most_files = most_files
        self._numbers = itertools.count()

    def put(self, encoding: str, body: bytes) -> int:
        """Add a request; returns how many older ones were dropped for it. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        stem = f"{time.time_ns():020d}-{os.getpid()}-{next(self._numbers)}"
        unfinished = self.folder / f".{stem}"
        dropped = 0
        try:
            try:
                unfinished.write_bytes(body)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                dropped = self._shrink(self._most_bytes // 2)
                unfinished.write_bytes(body)
            unfinished.rename(self.folder / f"{stem}.{encoding or _PLAIN}{_SUFFIX}")
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        return dropped + self._shrink(self._most_bytes)

    def entries(self) -> list[Entry]:
        """The requests that wait, oldest first."""
        return [_entry(file.path) for file in self._files() if file.complete]

    @contextmanager
    def exclusive(self) -> Iterator[bool]:
        """Whether this process may send until the end of the block; no other does meanwhile."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "sending.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def _files(self) -> list[_File]:
        if not self.folder.exists():
            return []
        found = []
        with os.scandir(self.folder) as listed:
            for each in listed:
                complete = each.name.endswith(_SUFFIX)
                if not complete and not each.name.startswith("."):
                    continue
                with suppress(FileNotFoundError):  # sent meanwhile
                    stat = each.stat()
                    found.append(_File(Path(each.path), stat.st_size, stat.st_mtime, complete))
        return sorted(found, key=lambda file: file.path.name)

    def _shrink(self, most_bytes: int) -> int:
        """Drop the oldest requests but the newest one; returns how many were dropped."""
        files = self._files()
        for file in files:
            if not file.complete and time.time() - file.modified > _LEFT_AFTER:
                file.path.unlink(missing_ok=True)
        waiting = [file for file in files if file.complete]
        total, dropped = sum(file.bytes for file in waiting), 0
        for file in waiting[:-1]:
            if total <= most_bytes and len(waiting) - dropped <= self._most_files:
                break
            file.path.unlink(missing_ok=True)
            total -= file.bytes
            dropped += 1
        return dropped


def _entry(path: Path) -> Entry:
    encoding = path.name.removesuffix(_SUFFIX).rpartition(".")[2]
    return Entry(path, "" if encoding == _PLAIN else encoding)
