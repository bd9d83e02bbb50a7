"""A bounded folder of requests that wait to be sent to a collector.

Each request is a file, renamed into place when it is complete, whose name has the time, the signal
and the encoding of its body. Several processes put requests into one spool, and one of them at a
time sends them.
"""

import fcntl
import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MOST_BYTES = 64 * 1024 * 1024
_SUFFIX = ".otlp"


@dataclass(frozen=True)
class Entry:
    """A request that waits: its signal (`traces`, `metrics`, `logs`) and its body's encoding, as
    in HTTP (empty if it has none)."""

    path: Path
    signal: str
    encoding: str

    def body(self) -> bytes:
        """The serialized request. Raises FileNotFoundError if it was removed meanwhile."""
        return self.path.read_bytes()

    def remove(self) -> None:
        """Remove it, unless it is gone."""
        self.path.unlink(missing_ok=True)


class Spool:
    """The spool of a folder, with at most `most_bytes` of requests: the oldest give way."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self.folder = folder
        self._most_bytes = most_bytes
        self._numbers = itertools.count()

    def put(self, signal: str, encoding: str, body: bytes) -> int:
        """Add a request; returns how many older ones were dropped for it. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        stem = f"{time.time_ns():020d}-{os.getpid()}-{next(self._numbers)}"
        unfinished = self.folder / f".{stem}"
        try:
            unfinished.write_bytes(body)
            unfinished.rename(self.folder / f"{stem}.{signal}.{encoding or 'identity'}{_SUFFIX}")
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        return self._shrink()

    def entries(self) -> list[Entry]:
        """The requests that wait, oldest first."""
        return [
            Entry(path, signal, "" if encoding == "identity" else encoding)
            for path in sorted(self.folder.glob(f"*{_SUFFIX}"))
            for _, signal, encoding in [path.name.removesuffix(_SUFFIX).split(".")]
        ]

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether this process may send now; no other does until the end of the block."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "sending.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def _shrink(self) -> int:
        entries = self.entries()
        sizes = [_size(entry.path) for entry in entries]
        dropped, total = 0, sum(sizes)
        while total > self._most_bytes and dropped < len(entries) - 1:
            entries[dropped].remove()
            total -= sizes[dropped]
            dropped += 1
        return dropped


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # sent meanwhile
        return 0
