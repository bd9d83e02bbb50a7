"""Servers as fixtures, one of each for all tests: those of `make services`, and moto's.

A test that uses one of `make services` is marked `integration`. Where that is not installed the
test is skipped, in CI it fails. `moto_endpoint` is S3, SQS and Glue in a thread of this process.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import pytest

from data_platform_tests.support.company import realm
from tools import collector as collecting
from tools import identity, postgres_server, queue_server, servers
from tools import jaeger as jaeger_server
from tools import prometheus as prometheus_server
from tools.collector import Collector
from tools.environments import AUDITORS, PackagesError
from tools.identity import Client, Keycloak
from tools.jaeger import Jaeger
from tools.postgres_server import Postgres
from tools.prometheus import Prometheus
from tools.prometheus_rules import rule_file
from tools.queue_server import QueueServer
from tools.servers import Key, NotInstalled, S3Server

# What a platform finds in the environment is the key of the stores that tests start, and of nobody
# else's: no test reaches an account by mistake.
KEY = Key.random()
os.environ |= KEY.environment

SERVERS = frozenset(
    {"versitygw", "minio", "postgres", "elasticmq", "keycloak", "auditor", "helm", "validator"}
    | {"actionlint", "collector", "image_registry", "scanner"}
    | {"jaeger", "prometheus"}
)

# Those that `make services` does not build, since their builds take long.
ON_DEMAND = frozenset({"jaeger", "scanner"})

Server = TypeVar("Server")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if SERVERS & {*getattr(item, "fixturenames", ()), *_named(item)}:
            item.add_marker("integration")
        if ON_DEMAND & {*getattr(item, "fixturenames", ())}:
            item.add_marker("soak")


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
    yield from running(postgres_server.postgres(tmp_path_factory.mktemp("postgres")))


@pytest.fixture(scope="session")
def elasticmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueServer]:
    yield from running(queue_server.elasticmq(tmp_path_factory.mktemp("elasticmq")))


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    """A collector of the test's own, since what it got cannot be cleared."""
    yield from running(collecting.collector(tmp_path / "collector"))


@pytest.fixture
def jaeger(tmp_path: Path) -> Iterator[Jaeger]:
    yield from running(jaeger_server.jaeger(tmp_path / "jaeger"))


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Prometheus]:
    """A Prometheus of the test's own, whose alerts fire as soon as their condition is met."""
    rules = rule_file(at_once=True)
    yield from running(prometheus_server.prometheus(tmp_path / "prometheus", rules))


@pytest.fixture(scope="session")
def client_at_keycloak() -> Client:
    """The client of a proxy at the provider."""
    return Client()


@pytest.fixture(scope="session")
def keycloak(
    tmp_path_factory: pytest.TempPathFactory, client_at_keycloak: Client
) -> Iterator[Keycloak]:
    folder = tmp_path_factory.mktemp("keycloak")
    yield from running(identity.keycloak(folder, realm(client_at_keycloak)))


@pytest.fixture(scope="session")
def auditor() -> Callable[[str], Path]:
    """The programs of the auditors' environment, by name."""
    try:
        AUDITORS.program("python")
    except PackagesError as missing:
        not_there(str(missing))
    return AUDITORS.program


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer  # a second, for the tests that need it
    from moto.sqs.models import Queue

    _make_whole(Queue)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # else a line for each request
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def _make_whole(queue: Any) -> None:
    """moto's queues (5.2.5) lose their policy when something else is set, and never give their
    RedriveAllowPolicy back: SQS does neither."""
    if hasattr(queue, "redrive_allow_policy"):
        return
    queue.redrive_allow_policy = None
    set_attributes, attributes = queue._set_attributes, queue.attributes.fget

    def keeping_the_policy(self: Any, given: dict[str, Any], now: float | None = None) -> None:
        new = not hasattr(self, "_policy_json")
        set_attributes(self, given if new else {"Policy": self.policy, **given}, now)

    def with_redrive_allow(self: Any) -> dict[str, Any]:
        allowed = self.redrive_allow_policy
        return {**attributes(self), **({"RedriveAllowPolicy": allowed} if allowed else {})}

    queue._set_attributes = keeping_the_policy
    queue.attributes = property(with_redrive_allow)


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
