"""The servers of `make services` as fixtures, one of each for all tests: bring your own bucket.

A test that uses one is marked `integration`. Where a server is not installed the test is skipped,
in CI it fails.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest

from tools import queue_server, servers
from tools.environments import AUDITORS, PackagesError
from tools.queue_server import QueueServer
from tools.servers import Key, NotInstalled, Postgres, S3Server

# What a platform finds in the environment is the key of the stores that tests start, and of nobody
# else's: no test reaches an account by mistake.
KEY = Key.random()
os.environ |= KEY.environment

SERVERS = frozenset({"versitygw", "minio", "postgres", "elasticmq", "auditor"})

Server = TypeVar("Server")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if SERVERS & {*getattr(item, "fixturenames", ()), *_named(item)}:
            item.add_marker("integration")


def _named(item: pytest.Item) -> set[str]:
    """The values of its parameters: `place` and `shop` have the name of a server."""
    call = getattr(item, "callspec", None)
    return {value for value in call.params.values() if isinstance(value, str)} if call else set()


@pytest.fixture(scope="session")
def versitygw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    yield from running(servers.versitygw(tmp_path_factory.mktemp("versitygw"), KEY))


@pytest.fixture(scope="session")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    yield from running(servers.minio(tmp_path_factory.mktemp("minio"), KEY))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    yield from running(servers.postgres(tmp_path_factory.mktemp("postgres")))


@pytest.fixture(scope="session")
def elasticmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueServer]:
    yield from running(queue_server.elasticmq(tmp_path_factory.mktemp("elasticmq")))


@pytest.fixture(scope="session")
def auditor() -> Callable[[str], Path]:
    """The programs of the auditors' environment, by name."""
    try:
        AUDITORS.program("python")
    except PackagesError as missing:
        not_there(str(missing))
    return AUDITORS.program


def running(server: AbstractContextManager[Server]) -> Iterator[Server]:
    with ExitStack() as stack:
        try:
            started = stack.enter_context(server)
        except NotInstalled as missing:
            not_there(str(missing))
        yield started


def not_there(what: str) -> NoReturn:
    """The end of a test for which something is not installed."""
    if os.environ.get("CI"):
        pytest.fail(what, pytrace=False)
    pytest.skip(what)
