"""One Kubernetes with the chart installed, for all tests of this folder."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from data_platform_tests.support.deployment import Deployment
from data_platform_tests.support.landed_month import LandedMonth
from data_platform_tests.support.servers import KEY, not_there
from tools.docker import IMAGES, DockerError, build, daemon
from tools.hosts import NotPossible, network
from tools.kubernetes import Kubernetes, kubernetes
from tools.kubernetes_images import saved
from tools.postgres_server import postgres
from tools.servers import NotInstalled, versitygw

_IMAGES = (IMAGES["platform"], IMAGES["spark"])


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
            _load(cluster, directory)
        except (DockerError, NotInstalled) as missing:
            not_there(str(missing))
        except NotPossible as impossible:
            pytest.skip(f"no network namespaces here: {impossible}")
        images = (f"docker.io/library/{image.name}" for image in _IMAGES)
        made = Deployment(cluster, store, database, directory / "home", *images)
        made.prepare()
        made.install()
        yield made


def _load(cluster: Kubernetes, directory: Path) -> None:
    """Build the images of this checkout, and give them to the node."""
    with daemon() as docker:
        for image in _IMAGES:
            build(docker, image)
            with saved(docker, image.name, directory) as archive:
                cluster.load(archive)


@pytest.fixture(scope="session")
def landed(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> LandedMonth:
    return LandedMonth.land(deployment, tmp_path_factory.mktemp("files"))
