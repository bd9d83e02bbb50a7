"""Where processes find a home's warm engine, and how they tell each other what they do.

Locks of files say who is there: the system releases them however a process ends. `users` is locked
by each process that uses the engine, `starting` by the one that looks for it or starts it,
`keeper` by the process that keeps it, and `server` by that and by its JVM if it has one.
"""

import fcntl
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What an engine is started with.

    `key` is the same for runs that may share it; `owner` is the process that it ends with, `idle`
    how many seconds it stays without a user. `config` is Spark's, for a JVM; `variables` are the
    environment variables that it finds the object store by.
    """

    kind: str
    key: str
    owner: int
    idle: float
    memory: str
    config: Mapping[str, str]
    variables: Mapping[str, str | None]

    def to_json(self) -> str:
        """As the engine's process reads it."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Found:
    """An engine's address, its process, and the key that it was started with."""

    address: str
    pid: int
    key: str


@dataclass(frozen=True)
class Place:
    """A directory in the home."""

    directory: Path

    @property
    def log(self) -> Path:
        """What the engine's process prints."""
        return self.directory / "log.txt"

    def file(self, name: str) -> IO[str]:
        """A file to lock, open."""
        self.directory.mkdir(parents=True, exist_ok=True)
        return (self.directory / f"{name}.lock").open("a")

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold a lock, waiting for it."""
        with self.file(name) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def is_locked(self, name: str) -> bool:
        """Whether any process holds a lock."""
        with self.file(name) as file:
            return not try_lock(file)

    def write(self, found: Found) -> None:
        """Tell where the engine is."""
        new = self._address.with_suffix(".new")
        new.write_text(json.dumps(asdict(found)))
        os.replace(new, self._address)

    def read(self) -> Found | None:
        """Where the engine is, or was; None if nobody told."""
        try:
            return Found(**json.loads(self._address.read_text()))
        except (FileNotFoundError, ValueError, TypeError):  # or damaged, or of another version
            return None

    def clear(self) -> None:
        """Tell that there is no engine."""
        self._address.unlink(missing_ok=True)

    @property
    def _address(self) -> Path:
        return self.directory / "address.json"


def try_lock(file: IO[str]) -> bool:
    """Lock an open file unless another process has it locked."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def free_port() -> int:
    """A port of the loopback address that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_listening(host: str, port: int) -> bool:
    """Whether something accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0
