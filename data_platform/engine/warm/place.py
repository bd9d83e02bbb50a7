"""Where processes find a home's warm engine, and how they tell each other what they do.

Locks of files say who is there: the system releases them however a process ends. `keeper` is locked
by the process that keeps the engine, `server` by that and by its JVM if it has one, and a file in
`users` by each process that uses the engine. Whoever looks at these and acts on it, to start an
engine or to end it, holds `attach` meanwhile.
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

from data_platform.engine.waiting import wait
from data_platform.storage.locks import try_lock

_USER = "data-platform"  # an engine tells sessions apart by user, too


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What an engine is started with.

    `key` is the same for runs that may share it; `owner` is the process that it ends with, `idle`
    how many seconds it stays without a user. `path` is where it finds Python's modules; a
    `temporary` directory is removed with the engine. `config` is Spark's, for a JVM; `variables`
    are the environment variables that it finds the store by.
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
        """As the engine's process reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Spec":
        """What `to_json` wrote."""
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Found:
    """An engine's process, the key that it was started with, its address once it listens, and the
    machine, or the container, where both mean something."""

    pid: int
    key: str
    address: str | None = None
    machine: str = field(default_factory=lambda: this_machine())


@dataclass(frozen=True)
class User:
    """A process that uses the engine; `session` is the identifier of its session."""

    session: str
    file: IO[str]

    def leave(self) -> None:
        """Stop using the engine. The session is closed already."""
        Path(self.file.name).unlink(missing_ok=True)
        self.file.close()

    def abandon(self) -> None:
        """Stop using the engine, which closes the session if it still runs."""
        self.file.close()


@dataclass(frozen=True)
class Place:
    """A directory in the home."""

    directory: Path

    @property
    def log(self) -> Path:
        """What the engine's process prints."""
        return self.directory / "log.txt"

    @property
    def work(self) -> Path:
        """The engine's temporary files."""
        return self.directory / "work"

    def make(self) -> None:
        """Make the directory, for this user alone: its log and temporary files show rows."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory.chmod(0o700)

    def is_there(self, file: IO[str]) -> bool:
        """Whether an open file of this directory still is the one of its name: somebody may have
        removed the home, and made another."""
        try:
            return os.path.samestat(os.stat(file.name), os.fstat(file.fileno()))
        except FileNotFoundError:
            return False

    def prepare(self) -> None:
        """Make room for a new engine: the address, the log and the files of the last one go."""
        self.clear()
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        if self.log.exists():
            self.log.replace(self.directory / "log.previous.txt")

    def file(self, name: str) -> IO[str]:
        """A file to lock, open. Raises FileNotFoundError if the directory is not there."""
        return (self.directory / f"{name}.lock").open("a")

    @contextmanager
    def locked(self, name: str, seconds: float) -> Iterator[None]:
        """Hold a lock, waiting for it. Raises TimeoutError if it is not released in time."""
        with self.file(name) as file:
            if not wait(lambda: try_lock(file), seconds):
                raise TimeoutError(f"{file.name} is locked by a process that does not release it")
            yield

    def is_locked(self, name: str) -> bool:
        """Whether any process holds a lock."""
        with self.file(name) as file:
            return not try_lock(file)

    def enter(self) -> User:
        """Be a user of the engine, until the process ends or leaves; `attach` must be locked."""
        session = str(uuid.uuid4())
        self._users.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (self._users / session).open("a")
        fcntl.flock(file, fcntl.LOCK_EX)
        return User(session, file)

    def users(self) -> tuple[set[str], set[str]]:
        """The sessions of the processes that use the engine, and of those that ended without
        leaving it; `attach` must be locked."""
        using, gone = set[str](), set[str]()
        for path in self._users.iterdir() if self._users.exists() else ():
            try:
                with path.open() as file:
                    (gone if try_lock(file) else using).add(path.name)
            except FileNotFoundError:
                continue  # it left just now
        return using, gone

    def forget(self, session: str) -> None:
        """Forget the session of a process that has ended."""
        (self._users / session).unlink(missing_ok=True)

    def write(self, found: Found) -> None:
        """Record where the engine is."""
        new = self._address.with_suffix(".new")
        new.unlink(missing_ok=True)
        new.touch(mode=0o600)  # an address has the token of the engine
        new.write_text(json.dumps(asdict(found)))
        os.replace(new, self._address)

    def read(self) -> Found | None:
        """Where the engine is, or was; None if that is not recorded."""
        try:
            return Found(**json.loads(self._address.read_text()))
        except (FileNotFoundError, ValueError, TypeError):  # or damaged, or of another version
            return None

    def clear(self) -> None:
        """Record that there is no engine."""
        self._address.unlink(missing_ok=True)

    @property
    def _address(self) -> Path:
        return self.directory / "address.json"

    @property
    def _users(self) -> Path:
        return self.directory / "users"


@cache
def this_machine() -> str:
    """What this process shares with those to which its process numbers and ports mean the same."""
    found = [socket.gethostname()]
    for kind in ("pid", "net"):
        with suppress(OSError):  # not Linux
            found.append(os.readlink(f"/proc/self/ns/{kind}"))
    with suppress(OSError):
        found.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    return " ".join(found)


def server_address(port: int, token: str | None = None) -> str:
    """The address of an engine on this machine.

    PySpark sends parameters that it does not know as headers. Its own `token` needs the host name
    `localhost`, and another user could listen at that name's IPv6 address, to be sent the token.
    """
    address = f"sc://127.0.0.1:{port}/"
    return f"{address};authorization=Bearer%20{token}" if token else address


def session_address(server: str, session: str) -> str:
    """The address of a session on a server, whose own address is as `server_address` has it."""
    return f"{server};session_id={session};user_id={_USER}"


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port of the loopback address, for a server that cannot choose one and say which.

    On Linux no other process is given it until the block ends. Servers there set SO_REUSEADDR, so
    that they can listen on a port that another socket has and does not listen on.
    """
    with socket.socket() as reserving:
        reserving.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserving.bind(("127.0.0.1", 0))
        port = reserving.getsockname()[1]
        if sys.platform != "linux":
            reserving.close()
        yield port


def is_listening(host: str, port: int) -> bool:
    """Whether something accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0
