"""Push an image to a registry, and say by which digest a deployment names it: `make publish`.

`python -m tools.publish TARGET REPOSITORY` needs a Docker that is logged in there. The name with
the digest, `repository@sha256:…`, is printed, written to build/image.digest, and in a job of GitHub
Actions the output `image`. The tag is the commit: for people, since another push may move it.
"""

import argparse
import os
import sys
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
        image = IMAGES[given.target].name
        write(publish(client(), image, given.repository, revision() or "local"), os.environ)

    return reported(push, DockerError)


if __name__ == "__main__":
    sys.exit(main())
