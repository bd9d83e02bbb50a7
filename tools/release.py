"""Deploy an image to a Kubernetes, and return to what was there before: `make deploy`, `rollback`.

The cluster is that of kubectl's current context. What a release says about itself, in its values
and its history, decides: a cluster with another environment is refused, and a rollback returns to
the last revision that worked.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tools.jars import ROOT
from tools.reporting import reported
from tools.services import HELM, say

CHART = ROOT / "docker" / "helm"
NAME = "data-platform"
TIMEOUT = "35m"  # migrations alone have thirty
_IMAGE = re.compile(r"(?P<repository>[^@\s]+)@(?P<digest>sha256:[0-9a-f]{64})")
_ROLLED_BACK = re.compile(r"Rollback to (\d+)")


class ReleaseError(Exception):
    """A deployment is refused or failed; the message says what to do."""


class Helm(Protocol):
    """Runs Helm with arguments and, if any, an input; returns its output, or raises an error."""

    def __call__(self, *arguments: str, given: str = "") -> str: ...


@dataclass(frozen=True)
class Revision:
    """A revision of a release, as `helm history` tells it."""

    number: int
    status: str
    description: str


@dataclass(frozen=True)
class Release:
    """The release in a namespace, which has no other."""

    helm: Helm
    namespace: str = NAME
    timeout: str = TIMEOUT

    def deploy(self, values: Path, more: Mapping[str, Any]) -> None:
        """Install or upgrade, and wait until everything is ready; a failure is rolled back."""
        self._do(
            *("upgrade", "--install", NAME, str(CHART), "--create-namespace", "--atomic"),
            *("--timeout", self.timeout, "--values", str(values), "--values", "-"),
            given=json.dumps(more),
        )

    def roll_back(self) -> int:
        """Return to what was deployed before; its revision. Raises ReleaseError."""
        wanted = previous(self.history())
        self._do("rollback", NAME, str(wanted), "--wait", "--timeout", self.timeout)
        return wanted

    def history(self) -> list[Revision]:
        """All revisions that Helm has kept, the oldest first; none if nothing is installed."""
        if not json.loads(self._do("list", "--all", "--filter", f"^{NAME}$", "--output", "json")):
            return []
        found = json.loads(self._do("history", NAME, "--output", "json"))
        return [Revision(each["revision"], each["status"], each["description"]) for each in found]

    def require(self, environment: str) -> None:
        """Raises ReleaseError if the release that is there is of another environment."""
        if not self.history():
            return
        values = json.loads(self._do("get", "values", NAME, "--all", "--output", "json"))
        if (found := values["settings"]["ENV"]) != environment:
            raise ReleaseError(
                f"the release {NAME} in namespace {self.namespace} is {found}, not {environment}: "
                "kubectl's context names another cluster than you mean"
            )

    def _do(self, *arguments: str, given: str = "") -> str:
        return self.helm(*arguments, "--namespace", self.namespace, given=given)


def previous(history: Sequence[Revision]) -> int:
    """The last revision that worked and is not what is deployed now. Raises ReleaseError.

    After an upgrade that failed or was broken off, that is the one before it. A rollback makes a
    revision of its own, which is the same as the one that it returned to.
    """
    by_number = {each.number: each for each in history}
    deployed = [each for each in history if each.status == "deployed"]
    if not deployed:
        raise ReleaseError(f"no revision of {NAME} is deployed: run `make deploy`")
    now = deployed[-1]
    if history[-1] != now:
        return now.number
    while returned := _ROLLED_BACK.match(now.description):
        if (number := int(returned[1])) not in by_number:
            break
        now = by_number[number]
    worked = [each.number for each in history if each.status == "superseded"]
    if earlier := [number for number in worked if number < now.number]:
        return max(earlier)
    raise ReleaseError(f"revision {now.number} of {NAME} is the first that worked: none is before")


def image_values(image: str) -> dict[str, str]:
    """The chart's values of an image. Raises ReleaseError for one without a digest."""
    found = _IMAGE.fullmatch(image)
    if not found:
        raise ReleaseError(
            f"IMAGE={image}: name it by its digest, as `make publish` does: repository@sha256:…"
        )
    return found.groupdict()


def values_of(environment: str) -> Path:
    """The file with the values of an environment. Raises ReleaseError if there is none."""
    folder = CHART / "values"
    if not (file := folder / f"{environment}.yaml").exists():
        known = ", ".join(sorted(each.stem for each in folder.glob("*.yaml")))
        raise ReleaseError(f"ENVIRONMENT={environment}: no such environment; there are: {known}")
    return file


def helm(*arguments: str, given: str = "") -> str:
    """Helm, on the cluster of the current context. Raises ReleaseError with what it says."""
    command = [str(HELM.binary), *arguments]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ReleaseError(f"helm {' '.join(arguments[:2])}: {done.stderr.strip()}")
    return done.stdout


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("deploy").add_argument("--image", required=True)
    commands.add_parser("rollback")
    for command in commands.choices.values():
        command.add_argument("environment")
        command.add_argument("--namespace", default=NAME)
    given = parser.parse_args(arguments)
    release = Release(helm, given.namespace)

    def deploy() -> None:
        values, image = values_of(given.environment), image_values(given.image)
        release.require(given.environment)
        say(f"{given.environment}: {given.image}")
        release.deploy(values, {"image": image})

    def roll_back() -> None:
        values_of(given.environment)
        release.require(given.environment)
        say(f"{given.environment}: back to revision {release.roll_back()}")

    return reported(deploy if given.command == "deploy" else roll_back, ReleaseError)


if __name__ == "__main__":
    sys.exit(main())
