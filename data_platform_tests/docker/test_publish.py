"""A published image is named by its digest, and whoever pulls it gets the same."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_platform_tests.support.servers import running
from tools.docker import BASE, Docker, DockerError, ensure_base
from tools.image_registry import ImageRegistry
from tools.image_registry import image_registry as started
from tools.publish import publish, publish_bill, write
from tools.sbom import sbom

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


def test_its_bill_of_materials_is_found_by_its_digest(
    docker: Docker, image_registry: ImageRegistry, made: str, tmp_path: Path
) -> None:
    bill = tmp_path / "bill.json"
    bill.write_text(json.dumps(sbom(docker, made)), "utf-8")
    name = publish(docker, made, f"{image_registry.address}/acme/data-platform", "a-commit")

    tag = publish_bill(docker, made, name, bill)

    digest = name.partition("@sha256:")[2]
    assert tag == f"{image_registry.address}/acme/data-platform:sha256-{digest}.sbom"
    docker.run("image", "rm", tag)
    docker.run("pull", "--quiet", tag)
    container = docker.run("create", tag, "none").stdout.strip()
    docker.run("cp", f"{container}:/sbom.cdx.json", str(tmp_path))
    docker.run("rm", container)
    docker.run("image", "rm", "--force", tag, name)
    assert (tmp_path / "sbom.cdx.json").read_text() == bill.read_text()
    assert "pkg:deb/debian/dpkg@" in bill.read_text()


def test_the_bill_of_another_image_is_refused(docker: Docker, made: str, tmp_path: Path) -> None:
    bill = tmp_path / "bill.json"
    for text in (None, json.dumps(sbom(docker, BASE))):
        if text:
            bill.write_text(text, "utf-8")
        with pytest.raises(DockerError, match=r"is not the bill of materials of .* `make image`"):
            publish_bill(docker, made, f"127.0.0.1:9/acme@sha256:{64 * '0'}", bill)


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
