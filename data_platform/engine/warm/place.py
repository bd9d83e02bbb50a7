"""The directory of a home's warm engine: its address, and the locks that coordinate processes.

File locks record which processes are alive, since the system releases them however a process ends.
The engine's process holds `keeper`; it and its JVM, if it has one, hold `server`; each process that
uses the engine holds a file in `users`. A process that reads these to start or end an engine holds
`attach` meanwhile.
"""

import fcntl
import json
import os
import shutil
import socket
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import IO

from data_platform.storage.locks import try_lock
from data_platform.storage.waiting import wait

_USER = "data-platform"  # a session is identified by its user, too


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What an engine is started with.

    Runs with the same `key` may share it. It ends with the process `owner`, or after `idle` seconds
    without a user. `path` is Python's module search path. A `temporary` directory is removed when
    the engine ends. `config` is the configuration of a JVM; `variables` are the environment
    variables with which it finds the object store.
    """

    kind: str
    key: str
    owner: int
    idle: float
    memory: str
    path: Sequence[str]
    temporary: bool = False
    config: Mapping[str, str]
    variables: Mapping[str, str | None]

    def to_json(self) -> str:
        """Serialize it for the engine's process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Spec":
        """Read what `to_json` returned."""
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Found:
    """A recorded engine: its process, its key, its address (None until it listens), and the machine
    or container on which the process id and the address are valid."""

    pid: int
    key: str
    address: str | None = None
    machine: str = field(default_factory=lambda: this_machine())


@dataclass(frozen=True)
class User:
    """A process that uses the engine, and the id of its session."""

    session: str
    file: IO[str]

    def leave(self) -> None:
        """Stop using the engine, after the session was closed."""
        Path(self.file.name).unlink(missing_ok=True)
        self.file.close()

    def abandon(self) -> None:
        """Stop using the engine, and leave it to the engine to close the session."""
        self.file.close()


@dataclass(frozen=True)
class Place:
    """The directory, in a home or a temporary one."""

    directory: Path

    @property
    def log(self) -> Path:
        """The output of the engine's process."""
        return self.directory / "log.txt"

    @property
    def work(self) -> Path:
        """The engine's temporary files."""
        return self.directory / "work"

    def make(self) -> None:
        """Create the directory with access for this user only: its log and temporary files may
        contain rows."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory.chmod(0o700)

    def is_there(self, file: IO[str]) -> bool:
        """Whether an open file of this directory still exists: the home may have been removed, and
        created again."""
        try:
            return os.path.samestat(os.stat(file.name), os.fstat(file.fileno()))
        except FileNotFoundError:
            return False

    def prepare(self) -> None:
        """Prepare for a new engine: remove the address and the temporary files of the previous one,
        and keep its log as `log.previous.txt`."""
        self.clear()
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        if self.log.exists():
            self.log.replace(self.directory / "log.previous.txt")

    def file(self, name: str) -> IO[str]:
        """Open a lock file. Raises FileNotFoundError if the directory does not exist."""
        return (self.directory / f"{name}.lock").open("a")

    @contextmanager
    def locked(self, name: str, seconds: float) -> Iterator[None]:
        """Hold a lock in a block. Raises TimeoutError if it cannot be had in this time."""
        with self.file(name) as file:
            if not wait(lambda: try_lock(file), seconds):
                raise TimeoutError(f"another process has locked {file.name} for {seconds:g} s")
            yield

    def is_locked(self, name: str) -> bool:
        """Whether any process holds a lock."""
        with self.file(name) as file:
            return not try_lock(file)

    def enter(self) -> User:
        """Register this process as a user of the engine, until it leaves or ends. The caller holds
        `attach`."""
        session = str(uuid.uuid4())
        self._users.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (self._users / session).open("a")
        fcntl.flock(file, fcntl.LOCK_EX)
        return User(session, file)

    def users(self) -> tuple[set[str], set[str]]:
        """The sessions of the processes that use the engine, and of those that ended without
        leaving it. The caller holds `attach`."""
        using, gone = set[str](), set[str]()
        for path in self._users.iterdir() if self._users.exists() else ():
            try:
                with path.open() as file:
                    (gone if try_lock(file) else using).add(path.name)
            except FileNotFoundError:
                continue  # it left just now
        return using, gone

    def forget(self, session: str) -> None:
        """Remove the record of a session whose process has ended."""
        (self._users / session).unlink(missing_ok=True)

    def write(self, found: Found) -> None:
        """Record the engine."""
        new = self._address.with_suffix(".new")
        new.unlink(missing_ok=True)
        new.touch(mode=0o600)  # an address has the token of the engine
        new.write_text(json.dumps(asdict(found)))
        os.replace(new, self._address)

    def read(self) -> Found | None:
        """The recorded engine, which may have ended; None if there is no valid record."""
        try:
            return Found(**json.loads(self._address.read_text()))
        except (FileNotFoundError, ValueError, TypeError):  # damaged, or written by another version
            return None

    def clear(self) -> None:
        """Remove the record of the engine."""
        self._address.unlink(missing_ok=True)

    @property
    def _address(self) -> Path:
        return self.directory / "address.json"

    @property
    def _users(self) -> Path:
        return self.directory / "users"


@cache
def this_machine() -> str:
    """Identifies this machine or container: processes with the same value see the same process ids
    and ports."""
    found = [socket.gethostname()]
    for kind in ("pid", "net"):
        with suppress(OSError):  # not Linux
            found.append(os.readlink(f"/proc/self/ns/{kind}"))
    with suppress(OSError):
        found.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    return " ".join(found)


def server_address(port: int, token: str | None = None) -> str:
    """The address of an engine on this machine.

    PySpark sends unknown parameters as headers. Its own parameter `token` requires the host name
    `localhost`, which is tried as an IPv6 address first: another user could listen there and be
    sent the token.
    """
    address = f"sc://127.0.0.1:{port}/"
    return f"{address};authorization=Bearer%20{token}" if token else address


def session_address(server: str, session: str) -> str:
    """The address of a session on a server; the server's is of `server_address`."""
    return f"{server};session_id={session};user_id={_USER}"


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port of the loopback address for a server that cannot choose a port and report it.

    On Linux it is not given to another process before the block ends. A server that sets
    SO_REUSEADDR, as most do, can listen on it nevertheless, because this socket does not listen.
    """
    with socket.socket() as reserving:
        reserving.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserving.bind(("127.0.0.1", 0))
        port = reserving.getsockname()[1]
        if sys.platform != "linux":
            reserving.close()
        yield port
