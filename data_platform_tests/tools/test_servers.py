import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from data_platform.settings.model import CHECKOUT
from data_platform_tests.support.servers import running
from tools import postgres_server, servers
from tools.postgres_server import Postgres
from tools.servers import NotInstalled, NotStarted, S3Server

STARTERS = pytest.mark.parametrize(
    "start",
    [servers.versitygw, servers.minio, postgres_server.postgres],
    ids=lambda each: each.__name__,
)
Start = Callable[..., AbstractContextManager[Any]]

# Says where the server is, and ends it or waits for its own end.
STARTED = """
import sys
from importlib import import_module
from pathlib import Path

with getattr(import_module(sys.argv[1]), sys.argv[2])(Path(sys.argv[3])) as server:
    print(server.process.pid, flush=True)
    sys.stdin.read()
print(server.process.returncode)
"""


def elsewhere(start: Start, directory: Path, **options: Any) -> "subprocess.Popen[str]":
    """Another process that starts a server, and ends it with the end of its input."""
    return subprocess.Popen(
        [sys.executable, "-c", STARTED, start.__module__, start.__name__, str(directory)],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


def is_running(pid: int) -> bool:
    """Zombies are not: who reaps an orphan is the machine's business."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(condition: Callable[[], bool]) -> bool:
    """False if it does not hold after as long as only something that hangs takes."""
    for _ in range(600):
        if condition():
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("name", ["versitygw", "minio"])
def test_a_store_keeps_what_it_is_given_and_answers_to_its_own_key_alone(
    name: str, request: pytest.FixtureRequest
) -> None:
    store: S3Server = request.getfixturevalue(name)
    client = store.client()
    client.create_bucket(Bucket="kept-here")

    client.put_object(Bucket="kept-here", Key="a/b c", Body=b"some")

    assert client.get_object(Bucket="kept-here", Key="a/b c")["Body"].read() == b"some"
    stranger = store.client(aws_secret_access_key="guessed")
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        stranger.list_objects_v2(Bucket="kept-here")


def test_versitygw_keeps_versions_and_logs_requests(versitygw: S3Server) -> None:
    client = versitygw.client()
    client.create_bucket(Bucket="versions")
    client.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    for body in (b"first", b"second"):
        client.put_object(Bucket="versions", Key="logged", Body=body)

    assert len(client.list_object_versions(Bucket="versions")["Versions"]) == 2
    log = versitygw.access_log
    assert log is not None
    assert wait_until(lambda: log.read_text().count("s3_PutObject logged") == 2)


def test_minio_encrypts(minio: S3Server) -> None:
    client = minio.client()
    client.create_bucket(Bucket="encrypted")

    client.put_object(Bucket="encrypted", Key="a", Body=b"x", ServerSideEncryption="AES256")

    assert client.head_object(Bucket="encrypted", Key="a")["ServerSideEncryption"] == "AES256"


def test_postgres_asks_for_the_password(postgres: Postgres) -> None:
    """What a client says first, and PostgreSQL's answer to it: the protocol's own numbers."""
    options = f"user\0{postgres.user}\0database\0postgres\0\0".encode()
    hello = (8 + len(options)).to_bytes(4, "big") + (3 << 16).to_bytes(4, "big") + options
    with socket.create_connection((postgres.host, postgres.port)) as connection:
        connection.sendall(hello)
        answer = connection.recv(1024)

    assert answer[:1] == b"R"
    assert b"SCRAM-SHA-256" in answer
    assert postgres.password not in postgres.url + repr(postgres)


@STARTERS
def test_a_server_ends_in_order_with_its_block_also_behind_an_ampersand(
    start: Start, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Behind `&` a shell has SIGINT ignored, and so have the processes that it starts."""
    request.getfixturevalue(start.__name__)  # skips where it is not installed
    ignoring = elsewhere(
        start, tmp_path, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)
    )
    assert ignoring.stdout is not None
    pid = int(ignoring.stdout.readline())
    assert is_running(pid)

    said, _ = ignoring.communicate()

    assert said.strip() == "0"
    assert not is_running(pid)


@pytest.fixture
def left_behind() -> Iterator[str]:
    """Where a killed process leaves what it would have removed; others than root may enter."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        yield directory


@STARTERS
def test_a_server_ends_when_the_process_that_started_it_is_killed(
    start: Start, tmp_path: Path, left_behind: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(start.__name__)
    with elsewhere(start, tmp_path, env={**os.environ, "TMPDIR": left_behind}) as other:
        assert other.stdout is not None
        pid = int(other.stdout.readline())
        assert is_running(pid)

        other.kill()

        assert wait_until(lambda: not is_running(pid))


@STARTERS
def test_a_server_that_is_not_installed_names_the_command(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("services", "go_programs"):
        monkeypatch.setattr(f"tools.{module}.CACHE", tmp_path / "empty")

    with pytest.raises(NotInstalled, match="make services"), start(tmp_path):
        pass
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="make services"):
        next(running(start(tmp_path)))
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match="make services"):
        next(running(start(tmp_path)))


@STARTERS
def test_a_port_that_someone_else_took_is_left_to_them(
    start: Start,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    versitygw: S3Server,
) -> None:
    """The other one is a store that takes the same key."""
    request.getfixturevalue(start.__name__)
    taken = versitygw.port
    ports = iter([taken, servers.free_port()])
    monkeypatch.setattr(servers, "free_port", lambda: next(ports))

    key = [] if start is postgres_server.postgres else [versitygw.key]
    with start(tmp_path, *key) as server:
        assert server.answers()
        assert server.process.poll() is None

    assert next(ports, None) is None
    assert versitygw.answers()


def test_a_server_that_does_not_start_says_what_it_said(tmp_path: Path, minio: S3Server) -> None:
    broken = servers.minio(tmp_path, MINIO_KMS_SECRET_KEY="no-key")

    with pytest.raises(NotStarted, match="invalid secret key format"), broken:
        pass


def test_a_test_with_a_server_is_marked(
    request: pytest.FixtureRequest, versitygw: S3Server
) -> None:
    assert request.node.get_closest_marker("integration") is not None
