"""Images, built once for all tests, on the Docker that runs or one that the tests start."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from data_platform_tests.support.servers import not_there
from tools.docker import IMAGES, Docker, DockerError, build, daemon


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "docker" in getattr(item, "fixturenames", ()):
            item.add_marker("docker")
            item.add_marker("integration")
            item.add_marker(pytest.mark.timeout(1200))  # the first ones build images


@pytest.fixture(scope="session")
def docker() -> Iterator[Docker]:
    with ExitStack() as stack:
        try:
            yield stack.enter_context(daemon())
        except DockerError as missing:
            not_there(str(missing))


@pytest.fixture(scope="session", params=["platform", "spark"])
def image(docker: Docker, request: pytest.FixtureRequest) -> str:
    """The image of the platform that compose runs, and the one that is published, from the
    checkout."""
    build(docker, IMAGES[request.param])
    return IMAGES[request.param].name
