"""Object stores for tests and benchmarks, and how each server is run, for one caller.

`make services` installs them. Each is a context manager over its own directory. It listens on a
free port of the loopback address (unless it is given another), with random credentials, and is
yielded once our own process responds there. It ends with the block, or with this process, even if
that is killed.
"""

import base64
import os
import pwd
import secrets
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self, TypedDict, TypeVar

import boto3
import psutil
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from data_platform.storage.waiting import wait
from tools.go_programs import MINIO, VERSITYGW, GoServer

REGION = "us-east-1"
PATIENCE = 60  # seconds for a server to start, on a busy machine
STARTS = 3  # another process may take the port between finding and using it

# The server replaces the shell. A background reader waits for the end of a pipe that only our
# process holds open; then the server is interrupted and, ten seconds later, killed. (All of them,
# PostgreSQL too, shut down cleanly on SIGINT; the reader itself ignores it.)
_LAUNCH = """
exec 3<&0 </dev/null
{ read -r _ <&3; kill -INT 0; sleep 10; kill -KILL 0; } &
exec "$@" 3<&-
"""


class NotInstalled(Exception):
    """The server is not installed; the message names the command that installs it."""


class NotStarted(Exception):
    """The server ended or did not respond; the message has the end of its log."""


class Server(Protocol):
    """A started server, as `running` needs it."""

    @property
    def process(self) -> "subprocess.Popen[bytes]": ...

    def answers(self) -> bool:
        """Whether it responds, and is our process."""
        ...


AnyServer = TypeVar("AnyServer", bound=Server)


@dataclass(frozen=True, kw_only=True)
class Key:
    """The name and the secret of a store's root user."""

    id: str
    secret: str = field(repr=False)

    @classmethod
    def random(cls) -> Self:
        """A new key."""
        return cls(id=f"root{secrets.token_hex(8)}", secret=secrets.token_hex(20))

    @property
    def environment(self) -> dict[str, str]:
        """AWS's environment variables for the key."""
        return {"AWS_ACCESS_KEY_ID": self.id, "AWS_SECRET_ACCESS_KEY": self.secret}


@dataclass(frozen=True, kw_only=True)
class S3Server:
    """An S3 API at `endpoint`, with the key of its root user and path-style addressing.

    `access_log` has a line for each request, if the server writes one (versitygw).
    """

    port: int
    key: Key
    host: str = "127.0.0.1"
    region: str = REGION
    access_log: Path | None = None
    process: "subprocess.Popen[bytes]" = field(repr=False)

    @property
    def endpoint(self) -> str:
        """The URL of the API."""
        return f"http://{self.host}:{self.port}"

    def client(self, service: str = "s3", **overrides: Any) -> Any:
        """A boto3 client, as root; `overrides` are its arguments."""
        config = Config(proxies={})  # the environment's proxy cannot reach this machine
        arguments: dict[str, Any] = {
            "endpoint_url": self.endpoint,
            "region_name": self.region,
            "aws_access_key_id": self.key.id,
            "aws_secret_access_key": self.key.secret,
        }
        if own := overrides.pop("config", None):
            config = config.merge(own)
        return boto3.client(service, config=config, **arguments | overrides)  # type: ignore[call-overload]

    def answers(self) -> bool:
        if not listens(self.process, self.port):
            return False
        once = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1})
        try:
            self.client(config=once).list_buckets()
        except (BotoCoreError, ClientError):  # not yet
            return False
        return True


@contextmanager
def versitygw(
    directory: Path, key: Key | None = None, *, host: str = "127.0.0.1"
) -> Iterator[S3Server]:
    """versitygw over `directory/data`, with versions, users and an access log; `host` is the
    address of this machine where it listens."""
    key = key or Key.random()
    root = directory.absolute()
    places = {name: root / name for name in ("iam", "versions", "data")}
    for place in places.values():
        place.mkdir(parents=True, exist_ok=True)
    log = root / "access.log"

    def start(port: int) -> S3Server:
        process = launch(
            [
                *(_installed(VERSITYGW), "--port", f"{host}:{port}", "--region", REGION),
                *("--iam-dir", str(places["iam"]), "--access-log", str(log)),
                *("posix", "--versioning-dir", str(places["versions"]), str(places["data"])),
            ],
            log=root / "server.log",
            env={"ROOT_ACCESS_KEY": key.id, "ROOT_SECRET_KEY": key.secret},
        )
        return S3Server(
            port=port,
            key=key,
            host=host,
            access_log=log,
            process=process,
        )

    with running(start, root / "server.log") as server:
        yield server


@contextmanager
def minio(directory: Path, key: Key | None = None, **environment: str) -> Iterator[S3Server]:
    """MinIO over `directory/data`, with an encryption key; `environment` is added to its own."""
    key = key or Key.random()
    root = directory.absolute()
    (root / "data").mkdir(parents=True, exist_ok=True)
    variables = {
        "MINIO_ROOT_USER": key.id,
        "MINIO_ROOT_PASSWORD": key.secret,
        "MINIO_KMS_SECRET_KEY": f"tests:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "MINIO_SITE_REGION": REGION,
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
    }

    def start(port: int) -> S3Server:
        process = launch(
            [
                *(_installed(MINIO), "server", "--address", f"127.0.0.1:{port}"),
                *("--config-dir", str(root / "config"), str(root / "data")),
            ],
            log=root / "server.log",
            env=variables | environment,
        )
        return S3Server(
            port=port,
            key=key,
            process=process,
        )

    with running(start, root / "server.log") as server:
        yield server


# --- processes ----------------------------------------------------------------------------


def _installed(server: GoServer) -> str:
    if not server.binary.exists():
        raise NotInstalled(f"{server.name} is not installed: run `make services`")
    return str(server.binary)


class Identity(TypedDict):
    """As whom a process runs."""

    user: int | None
    group: int | None
    extra_groups: list[int] | None


def identity(owner: str | None) -> Identity:
    """The arguments of a process that runs as this user; as ours for None."""
    if owner is None:
        return {"user": None, "group": None, "extra_groups": None}
    entry = pwd.getpwnam(owner)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def launch(
    command: Sequence[str], *, log: Path, env: Mapping[str, str], owner: str | None = None
) -> "subprocess.Popen[bytes]":
    """Start a process that ends when ours does, or when its input is closed."""
    with log.open("ab") as output:
        return subprocess.Popen(
            ["/bin/sh", "-c", _LAUNCH, command[0], *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"PATH": os.defpath, "HOME": str(log.parent), **env},
            cwd="/",
            start_new_session=True,
            **identity(owner),
        )


@contextmanager
def running(
    start: Callable[[int], AnyServer], log: Path, patience: float = PATIENCE
) -> Iterator[AnyServer]:
    """The server that `start` launches on a given port, once it responds; ends with the block."""
    server = _started(start, log, patience)
    try:
        yield server
    finally:
        _stop(server.process)


def _started(start: Callable[[int], AnyServer], log: Path, patience: float) -> AnyServer:
    for _ in range(STARTS):
        server = start(free_port())
        try:
            if _comes_up(server, patience):
                return server
        except BaseException:
            _stop(server.process)
            raise
        _stop(server.process)
    raise NotStarted(f"did not start, {STARTS} times; {log} ends:\n{_end_of(log)}")


def _comes_up(server: Server, patience: float) -> bool:
    """Wait until it responds; False if it ended before."""

    def has_ended() -> bool:
        return server.process.poll() is not None

    return wait(lambda: has_ended() or server.answers(), patience) and not has_ended()


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Shut the server down cleanly, then kill the rest of its process group."""
    assert process.stdin is not None
    process.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def free_port() -> int:
    """A port of the loopback address that nothing listens on now. Another process may take it, so
    whoever starts a server there tries again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(process: "subprocess.Popen[bytes]", port: int) -> bool:
    """Whether this process listens on the port."""
    try:
        sockets = psutil.Process(process.pid).net_connections(kind="tcp4")
    except psutil.Error:
        return False
    return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in sockets)


def _end_of(log: Path) -> str:
    return log.read_text("utf-8", "replace")[-2000:]
