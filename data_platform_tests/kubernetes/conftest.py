"""One Kubernetes with the chart installed, for all tests of this folder."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from data_platform_tests.support.deployment import Deployment
from data_platform_tests.support.servers import KEY, not_there
from tools.hosts import NotPossible, network
from tools.kubernetes import kubernetes
from tools.kubernetes_images import saved
from tools.servers import NotInstalled, postgres, versitygw

IMAGE = os.environ.get("IMAGE") or "data-platform:local"  # of `make image`


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("kubernetes")
            item.add_marker("integration")
            item.add_marker(pytest.mark.timeout(3600))


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    directory = tmp_path_factory.mktemp("deployment")
    with ExitStack() as stack:
        try:
            number = stack.enter_context(network())
            cluster = stack.enter_context(kubernetes(number))
            host = cluster.gateway
            store = stack.enter_context(versitygw(directory / "store", KEY, host=host))
            database = stack.enter_context(postgres(directory / "database", host=host))
            with saved(IMAGE, directory) as archive:
                cluster.load(archive)
        except NotInstalled as missing:
            not_there(str(missing))
        except NotPossible as impossible:
            pytest.skip(f"no network namespaces here: {impossible}")
        image = f"docker.io/library/{IMAGE}"
        made = Deployment(cluster, store, database, directory / "home", image)
        made.prepare()
        made.install()
        yield made
