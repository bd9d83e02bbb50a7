"""A Spark cluster of hosts with addresses of their own, a store that they reach, and drivers."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from data_platform_tests.support.cluster import Driven, Drivers
from data_platform_tests.support.databases import Databases
from data_platform_tests.support.places import Place
from data_platform_tests.support.servers import KEY, not_there
from tools.cluster import Cluster, cluster
from tools.hosts import NotPossible, network
from tools.servers import NotInstalled, S3Server, versitygw

# Spark's own configuration, as a team has it; silence is noticed sooner than by default.
DEFAULTS = """
spark.executor.memory         768m
spark.executor.cores          1
spark.cores.max               2
spark.network.timeout         16s
spark.network.timeoutInterval 4s
spark.executor.heartbeatInterval 3s
spark.executor.extraJavaOptions -XX:TieredStopAtLevel=1 -XX:+UseSerialGC
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("cluster")
            item.add_marker("integration")


@pytest.fixture(scope="session")
def number() -> Iterator[int]:
    with ExitStack() as stack:
        try:
            yield stack.enter_context(network())
        except NotInstalled as missing:
            not_there(str(missing))
        except NotPossible as impossible:
            pytest.skip(f"no network namespaces here: {impossible}")


@pytest.fixture(scope="session")
def store(number: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with ExitStack() as stack:
        directory = tmp_path_factory.mktemp("store")
        try:
            yield stack.enter_context(versitygw(directory, KEY, host=f"10.{number}.0.1"))
        except NotInstalled as missing:
            not_there(str(missing))


@pytest.fixture(scope="session")
def running_hosts(number: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Workers know the store's key, and have neither the checkout nor any directory of tests."""
    tests = tmp_path_factory.getbasetemp()
    with ExitStack() as stack:
        try:
            made = cluster(number, environment=KEY.environment, hidden=[tests])
            yield stack.enter_context(made)
        except NotInstalled as missing:
            not_there(str(missing))


@pytest.fixture
def hosts(running_hosts: Cluster) -> Iterator[Cluster]:
    """The cluster, whole and idle again after the test."""
    yield running_hosts
    running_hosts.repair()


@pytest.fixture
def drivers(hosts: Cluster, tmp_path: Path) -> Drivers:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/spark-defaults.conf").write_text(DEFAULTS)
    environment = {"SPARK_CONF_DIR": str(tmp_path / "conf"), "TMPDIR": str(tmp_path)}
    inherited = {k: v for k, v in os.environ.items() if k != "SPARK_CONNECT_MODE_ENABLED"}
    return Drivers(inherited | hosts.environment | environment)


@pytest.fixture
def driven(
    hosts: Cluster, store: S3Server, drivers: Drivers, databases: Databases, tmp_path: Path
) -> Callable[..., Driven]:
    """Gives a new home whose runs execute on the cluster, with its files in a new bucket and its
    metadata in PostgreSQL, which no worker reaches."""

    def made(name: str = "home") -> Driven:
        return Driven(tmp_path / name, Place.bucket(store), databases.migrated(), hosts, drivers)

    return made
