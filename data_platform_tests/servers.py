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

from tools import auditors, servers
from tools.auditors import AuditorsError
from tools.servers import NotInstalled, ObjectStore, Postgres

SERVERS = frozenset({"versitygw", "minio", "postgres", "auditor"})

Server = TypeVar("Server")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if SERVERS.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("integration")


@pytest.fixture(scope="session")
def versitygw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    yield from running(servers.versitygw(tmp_path_factory.mktemp("versitygw")))


@pytest.fixture(scope="session")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    yield from running(servers.minio(tmp_path_factory.mktemp("minio")))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    yield from running(servers.postgres(tmp_path_factory.mktemp("postgres")))


@pytest.fixture(scope="session")
def auditor() -> Callable[[str], Path]:
    """The programs of the auditors' environment, by name."""
    try:
        auditors.program("python")
    except AuditorsError as missing:
        _without(str(missing))
    return auditors.program


def running(server: AbstractContextManager[Server]) -> Iterator[Server]:
    with ExitStack() as stack:
        try:
            started = stack.enter_context(server)
        except NotInstalled as missing:
            _without(str(missing))
        yield started


def _without(missing: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)
