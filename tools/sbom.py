"""The software bill of materials of an image, as CycloneDX: what is installed in it.

`python -m tools.sbom TARGET` prints it. Packages of Debian come from dpkg, those of Python from
their own metadata, and jars from the names of their files.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from tools.docker import IMAGES, Docker, DockerError, client
from tools.jars import read_lock
from tools.reporting import reported

DEBIAN = (
    "dpkg-query --show --showformat "
    r"'${Package} ${Version} ${Architecture} ${source:Package} ${source:Version}\n'"
)
PYTHON = """\
from importlib.metadata import distributions
for each in distributions():
    print(each.metadata["Name"], each.version)
"""
WHERE_PYTHON = 'if command -v python >/dev/null; then python -c "$0"; fi'  # the services have none
JARS = "find / -xdev -name '*.jar' -type f -printf '%f\\n'"

Component = dict[str, Any]


def debian(listed: str) -> list[Component]:
    """Components of lines `name version architecture source version-of-the-source`.

    Advisories are about sources, which the qualifier `upstream` names.
    """
    return [
        _library(
            name,
            version,
            f"deb/debian/{quote(name)}@{quote(version)}?arch={arch}&distro=debian-12"
            f"&upstream={quote(f'{source}@{of_source}', safe='')}",
        )
        for name, version, arch, source, of_source in map(str.split, listed.splitlines())
    ]


def python(listed: str) -> list[Component]:
    """Components of lines `name version`; names as PyPI writes them in URLs."""
    found = (line.split() for line in listed.splitlines())
    return [
        _library(
            name, version, f"pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{quote(version, safe='')}"
        )
        for name, version in found
    ]


def jars(listed: str) -> list[Component]:
    """Components of names of jar files; those of jars.lock with their Maven coordinates."""
    known = {jar.name: jar for section in read_lock().values() for jar in section}
    made = []
    for name in sorted(set(listed.split())):
        if jar := known.get(name):
            purl = f"maven/{jar.group}/{jar.artifact}@{jar.version}"
            made.append(
                _library(jar.artifact, jar.version, purl)
                | {"group": jar.group, "hashes": [{"alg": "SHA-256", "content": jar.sha256}]}
            )
            continue
        parts = re.fullmatch(r"(.+?)-(\d[^-]*(?:-.*)?)\.jar", name)
        artifact, version = parts.groups() if parts else (name.removesuffix(".jar"), "unknown")
        made.append(_library(artifact, version, f"generic/{quote(artifact)}@{quote(version)}"))
    return made


def _library(name: str, version: str, purl: str) -> Component:
    return {
        "type": "library",
        "bom-ref": f"pkg:{purl}",
        "name": name,
        "version": version,
        "purl": f"pkg:{purl}",
    }


def document(image: str, digest: str, components: Iterable[Component]) -> dict[str, Any]:
    """The CycloneDX document of an image; the same for the same image."""
    ordered = sorted(components, key=lambda each: each["purl"])
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": image, "version": digest}},
        "components": ordered,
    }


def sbom(docker: Docker, image: str) -> dict[str, Any]:
    """The document of an image that is there. Raises DockerError."""
    run = ("run", "--rm", "--network", "none", "--read-only", "--entrypoint")
    digest = docker.run("image", "inspect", "--format", "{{.Id}}", image).stdout.strip()
    packages, distributions, archives = (
        docker.run(*run, "sh", image, "-c", *code).stdout
        for code in ((DEBIAN,), (WHERE_PYTHON, PYTHON), (f"{JARS} 2>/dev/null; :",))
    )
    found = [*debian(packages), *python(distributions), *jars(archives)]
    return document(image, digest, found)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=list(IMAGES))
    image = IMAGES[parser.parse_args(arguments).target].name
    return reported(lambda: print(json.dumps(sbom(client(), image), indent=1)), DockerError)


if __name__ == "__main__":
    sys.exit(main())
