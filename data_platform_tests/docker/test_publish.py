"""A published image is named by its digest, and whoever pulls it gets the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from data_platform_tests.support.servers import running
from tools.docker import BASE, Docker, DockerError, ensure_base
from tools.image_registry import ImageRegistry
from tools.image_registry import image_registry as started
from tools.publish import publish, write

NAME = "data-platform-published:test"


@pytest.fixture
def image_registry(tmp_path: Path) -> Iterator[ImageRegistry]:
    yield from running(started(tmp_path))


@pytest.fixture
def made(docker: Docker) -> Iterator[str]:
    """A small image of this test's own."""
    ensure_base(docker)
    dockerfile = f"FROM {BASE}\nRUN echo published >/published\n"
    docker.run("build", "--network", "none", "--tag", NAME, "-", input=dockerfile)
    yield NAME
    docker.run("image", "rm", "--force", NAME)


def test_a_published_image_is_pulled_by_its_digest(
    docker: Docker, image_registry: ImageRegistry, made: str, tmp_path: Path
) -> None:
    identity = docker.run("image", "inspect", "--format", "{{.Id}}", made).stdout

    name = publish(docker, made, f"{image_registry.address}/Acme/data-platform", "a-commit")

    assert name.startswith(f"{image_registry.address}/acme/data-platform@sha256:")
    tagged = f"{image_registry.address}/acme/data-platform:a-commit"
    docker.run("image", "rm", "--force", tagged, name, made)
    assert not docker.has(name)
    docker.run("pull", "--quiet", name)
    assert docker.run("image", "inspect", "--format", "{{.Id}}", name).stdout == identity
    docker.run("image", "rm", name)


def test_a_registry_that_refuses_is_an_error(docker: Docker, made: str) -> None:
    with pytest.raises(DockerError, match="docker push"):
        publish(docker, made, "127.0.0.1:9/acme/data-platform", "a-commit")
    docker.run("image", "rm", "127.0.0.1:9/acme/data-platform:a-commit")


def test_the_name_is_written_for_people_and_for_the_jobs_that_follow(tmp_path: Path) -> None:
    output, result = tmp_path / "output", tmp_path / "build" / "image.digest"

    write("acme@sha256:1", {"GITHUB_OUTPUT": str(output)}, result)
    write("acme@sha256:2", {}, result)

    assert output.read_text() == "image=acme@sha256:1\n"
    assert result.read_text() == "acme@sha256:2\n"
