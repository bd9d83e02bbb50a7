"""Push an image to a registry, and say by which digest a deployment names it: `make publish`.

`python -m tools.publish TARGET REPOSITORY` needs a Docker that is logged in there. The name with
the digest, `repository@sha256:…`, is printed, written to build/image.digest, and in a job of GitHub
Actions the output `image`. The tag is the commit: for people, since another push may move it.

Beside it, as `repository:sha256-….sbom`, is its bill of materials, which `make image` has written:
an image of one file, `/sbom.cdx.json`, so that every registry takes it and Docker fetches it.
"""

import argparse
import json
import os
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tools.docker import IMAGES, Docker, DockerError, client, revision
from tools.jars import ROOT
from tools.reporting import reported

RESULT = ROOT / "build" / "image.digest"


def publish(docker: Docker, image: str, repository: str, tag: str) -> str:
    """Push the image; returns `repository@sha256:…`. Raises DockerError.

    A repository's name is made lower case, as registries require.
    """
    repository = repository.lower()
    docker.run("tag", image, f"{repository}:{tag}")
    docker.run("push", "--quiet", f"{repository}:{tag}")
    every = "{{range .RepoDigests}}{{println .}}{{end}}"
    names = docker.run("image", "inspect", "--format", every, f"{repository}:{tag}").stdout.split()
    for name in names:
        if name.startswith(f"{repository}@sha256:"):
            return name
    raise DockerError(
        f"{repository}:{tag} was pushed, but Docker does not know its digest: {names}"
    )


def publish_bill(docker: Docker, image: str, name: str, bill: Path) -> str:
    """Push the bill of materials of an image that was published as `name`; returns its own name.

    Raises DockerError, before anything is pushed if the bill is not there or of another image.
    """
    _require_bill_of(docker, image, bill)
    repository, digest = name.split("@")
    tag = f"{repository}:{digest.replace(':', '-')}.sbom"
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "sbom.tar")
        with tarfile.open(archive, "w") as files:
            files.add(bill, "sbom.cdx.json")
        docker.run("import", str(archive), tag)
    docker.run("push", "--quiet", tag)
    return tag


def _require_bill_of(docker: Docker, image: str, bill: Path) -> None:
    identity = docker.run("image", "inspect", "--format", "{{.Id}}", image).stdout.strip()
    told = json.loads(bill.read_text("utf-8")) if bill.exists() else {}
    if told.get("metadata", {}).get("component", {}).get("version") != identity:
        raise DockerError(f"{bill} is not the bill of materials of {image}: run `make image` first")


def write(name: str, environment: "os._Environ[str] | dict[str, str]", file: Path = RESULT) -> None:
    """Write the image's name for people, and for the later jobs of a workflow."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"{name}\n", "utf-8")
    if output := environment.get("GITHUB_OUTPUT"):
        with open(output, "a", encoding="utf-8") as stream:
            stream.write(f"image={name}\n")
    print(name)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Push an image of this project to a registry.")
    parser.add_argument("target", choices=list(IMAGES))
    parser.add_argument("repository", help="like ghcr.io/acme/data-platform")
    given = parser.parse_args(arguments)

    def push() -> None:
        docker, image = client(), IMAGES[given.target].name
        bill = ROOT / "build" / f"{given.target}.cdx.json"
        _require_bill_of(docker, image, bill)
        name = publish(docker, image, given.repository, revision() or "local")
        print(publish_bill(docker, image, name, bill))
        write(name, os.environ)

    return reported(push, DockerError)


if __name__ == "__main__":
    sys.exit(main())
