"""Deploy an image to a Kubernetes, and return to what was there before: `make deploy`, `rollback`.

The cluster is that of kubectl's current context. What a release says about itself, in its values
and its history, decides: a cluster with another environment is refused, and a rollback returns to
the last revision that worked. It is refused behind a migration of the databases, whose tables the
images of before refuse.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

from tools.docker import revision
from tools.go_programs import HELM
from tools.installing import say
from tools.jars import ROOT
from tools.release_history import NAME, ReleaseError, Revision, previous
from tools.release_order import OlderCommit, require_not_older
from tools.release_tables import Tables, tables_in, tables_of_chart
from tools.reporting import reported

CHART = ROOT / "docker" / "helm"
BRANCH_VALUES = CHART / "values" / "branch.yaml"
TIMEOUT = "35m"  # migrations alone have thirty
_IMAGE = re.compile(r"(?P<repository>[^@\s]+)@(?P<digest>sha256:[0-9a-f]{64})")
_BRANCH = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class Program(Protocol):
    """Runs with arguments and, if any, an input; returns its output, or raises an error."""

    def __call__(self, *arguments: str, given: str = "") -> str: ...


@dataclass(frozen=True)
class Release:
    """The release in a namespace, which has no other; that of a branch is made with it."""

    helm: Program
    namespace: str = NAME
    timeout: str = TIMEOUT

    def deploy(self, values: Sequence[Path], more: Mapping[str, Any]) -> None:
        """Install or upgrade, and wait until everything is ready; a failure is rolled back, unless
        the upgrade migrates the databases. Raises ReleaseError."""
        history = self.history()
        if history and history[-1].status.startswith("pending-"):
            raise ReleaseError(self._way_out(history[-1]))
        self._require_newest_tables(history)
        migrates = self._migrates(history)
        command = (
            *("upgrade", "--install", NAME, str(CHART), "--timeout", self.timeout),
            "--wait" if migrates else "--atomic",
            *(["--create-namespace"] if self._is_branch else []),
            *(f"--values={file}" for file in values),
            "--values=-",
        )
        try:
            self._do(*command, given=json.dumps(more))
        except ReleaseError as error:
            if not migrates:
                raise
            raise ReleaseError(f"{error}\n{self._left(history)}") from error

    def remove(self, kubectl: Program) -> bool:
        """Remove everything that was deployed, if anything was, and the namespace; returns whether.

        What starts runs ends before they do: tables in which something is at work are not dropped.
        """
        if there := bool(self.history()):
            for kind in ("deployments", "jobs"):
                delete = ("delete", kind, "--all", "--cascade=foreground")
                kubectl(*delete, "--namespace", self.namespace)
            self._do("uninstall", NAME, "--wait", "--timeout", self.timeout)
        kubectl("delete", "namespace", self.namespace, "--ignore-not-found")
        return there

    def roll_back(self) -> int:
        """Return to what was deployed before; its revision. Raises ReleaseError."""
        history = self.history()
        wanted = previous(history)
        self._require_readable(wanted, history)
        self._do("rollback", NAME, str(wanted), "--wait", "--timeout", self.timeout)
        return wanted

    def history(self) -> list[Revision]:
        """All revisions that Helm has kept, the oldest first; none if nothing is installed."""
        if not json.loads(self._do("list", "--all", "--filter", f"^{NAME}$", "--output", "json")):
            return []
        found = json.loads(self._do("history", NAME, "--output", "json"))
        return [Revision(each["revision"], each["status"], each["description"]) for each in found]

    def require(self, env: str) -> None:
        """Raises ReleaseError if the release that is there has another ENV."""
        if not (values := self.values()):
            return
        if (found := values["settings"]["ENV"]) != env:
            raise ReleaseError(
                f"the release {NAME} in namespace {self.namespace} is {found}, not {env}: "
                "kubectl's context names another cluster than you mean"
            )

    @property
    def _is_branch(self) -> bool:
        return self.namespace != NAME

    def _migrates(self, history: Sequence[Revision]) -> bool:
        """Whether this chart may have another version of the tables than what is deployed: charts
        did not always say which they have."""
        deployed = [each.number for each in history if each.status == "deployed"]
        if not deployed or self._is_branch:
            return False
        known = self.tables(deployed[-1])
        return known is None or known.version != tables_of_chart(CHART)

    def _left(self, before: Sequence[Revision]) -> str:
        """What an upgrade that migrates and failed has left; `before` is the history until then."""
        with suppress(ReleaseError):  # then it is not known
            last = self.history()[-1]
            found = self.tables(last.number) if last.number > before[-1].number else None
            if not (found and found.migrated):
                return "The databases were not migrated, no pod was replaced: fix it, deploy again"
        return (
            "It was not rolled back, since it migrates the databases, which the version before "
            "would refuse: fix it and deploy again"
        )

    def _require_newest_tables(self, history: Sequence[Revision]) -> None:
        """Raises ReleaseError if the tables are newer than what this chart's image knows."""
        ours = tables_of_chart(CHART)
        if found := self._migrating_beyond(ours, history):
            raise ReleaseError(
                f"this version knows tables up to version {ours}, and revision {found[0].number} "
                f"of {NAME} migrates the databases to {found[1].version}, which it would refuse. "
                f"Nothing was changed. {self._forward(found[0])}"
            )

    def _require_readable(self, wanted: int, history: Sequence[Revision]) -> None:
        """Raises ReleaseError if the tables are, or may be, newer than what a revision knows."""
        known = self.tables(wanted)
        later = [each for each in history if each.number > wanted]
        if not (found := self._migrating_beyond(known.version if known else "", later)):
            return
        knows = f"knows tables up to version {known.version}" if known else "names no version"
        raise ReleaseError(
            f"revision {wanted} of {NAME} {knows}, and revision {found[0].number} migrates the "
            f"databases to {found[1].version}, which it would refuse. Nothing was changed. "
            f"{self._forward(found[0])}"
        )

    def _migrating_beyond(
        self, version: str, history: Sequence[Revision]
    ) -> tuple[Revision, Tables] | None:
        """The last revision that has migrated, or may have, the tables to a later version."""
        for each in reversed(history):
            found = self.tables(each.number)
            if found and found.migrated and found.version > version:
                return each, found
        return None

    def _forward(self, migrated: Revision) -> str:
        """How to go on where there is no way back."""
        way_out = (
            "Deploy a version that has these migrations, with what is wrong fixed or reverted "
            "(`make deploy`), or restore the databases of before (docs/how-to/backup.md)"
        )
        if not migrated.status.startswith("pending-"):
            return way_out
        number = migrated.number
        return (
            f"Complete revision {number} first, which was interrupted: `helm rollback {NAME} "
            f"{number} -n {self.namespace}`. {way_out}"
        )

    def tables(self, number: int) -> Tables | None:
        """What a revision says of the tables; None if it says nothing."""
        told = self._do("status", NAME, "--revision", str(number), "--output", "json")
        return tables_in(json.loads(told))

    def values(self) -> dict[str, Any]:
        """Those of the last revision; none if nothing is installed."""
        if not self.history():
            return {}
        return json.loads(self._do("get", "values", NAME, "--all", "--output", "json"))

    def _way_out(self, interrupted: Revision) -> str:
        if interrupted.status == "pending-install":
            way_out = f"`helm uninstall {NAME} -n {self.namespace}`"
        else:
            way_out = "`make rollback`, unless it is under way"
        return f"revision {interrupted.number} of {NAME} was interrupted; first: {way_out}"

    def _do(self, *arguments: str, given: str = "") -> str:
        return self.helm(*arguments, "--namespace", self.namespace, given=given)


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
    known = sorted(each.stem for each in folder.glob("*.yaml") if each != BRANCH_VALUES)
    if environment not in known:
        raise ReleaseError(
            f"ENVIRONMENT={environment}: no such environment; there are: {', '.join(known)}"
        )
    return folder / f"{environment}.yaml"


def files_of(environment: str, branch: str) -> list[Path]:
    """The files with the values of a release. Raises ReleaseError for an unknown environment."""
    return [values_of(environment), *([BRANCH_VALUES] if branch else [])]


def namespace_of(branch: str) -> str:
    """The namespace of the release of a branch, which has no other; that of the environment's own
    release without one. Raises ReleaseError."""
    if not branch:
        return NAME
    if not _BRANCH.fullmatch(branch):
        raise ReleaseError(f"BRANCH={branch}: give it a name like pr-12: letters, digits, hyphens")
    return f"{NAME}-{branch}"


def values_of_branch(branch: str) -> dict[str, str]:
    """The chart's values of a branch: the virtual environment of its tables, none without one."""
    return {"environment": branch.replace("-", "_")} if branch else {}


def helm(*arguments: str, given: str = "") -> str:
    """Helm, on the cluster of the current context. Raises ReleaseError with what it says."""
    return _run(str(HELM.binary), *arguments, given=given)


def kubectl(*arguments: str, given: str = "") -> str:
    """kubectl, on the same cluster. Raises ReleaseError with what it says."""
    return _run("kubectl", *arguments, given=given)


def _run(program: str, *arguments: str, given: str = "") -> str:
    try:
        done = subprocess.run(
            [program, *arguments], input=given, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as missing:
        raise ReleaseError(f"{program} is not installed") from missing
    if done.returncode:
        called = " ".join([Path(program).name, *arguments[:2]])
        raise ReleaseError(f"{called}: {done.stderr.strip()}")
    return done.stdout


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    deploying = commands.add_parser("deploy")
    deploying.add_argument("--image", required=True)
    deploying.add_argument("--older", action="store_true", help="than the commit that is deployed")
    commands.add_parser("rollback")
    commands.add_parser("remove")
    for command in commands.choices.values():
        command.add_argument("environment")
        command.add_argument("--branch", default="", help="the release of a branch, like pr-12")
    given = parser.parse_args(arguments)

    def deploy() -> None:
        files, image = files_of(given.environment, given.branch), image_values(given.image)
        release = _release(given.branch, given.environment)
        say(f"{given.environment} {given.branch}: {given.image}")
        commit = revision()
        if not given.older and not given.branch:  # a branch is rebased as its author likes
            require_not_older(commit, release.values().get("commit", ""))
        more = {"image": image, "commit": commit, **values_of_branch(given.branch)}
        release.deploy(files, more)

    def roll_back() -> None:
        release = _release(given.branch, given.environment)
        say(f"{given.environment}: back to revision {release.roll_back()}")

    def remove() -> None:
        if not given.branch:
            raise ReleaseError("only the release of a branch is removed: name it, BRANCH=pr-12")
        release = _release(given.branch, given.environment)
        removed = release.remove(kubectl)
        say(f"{given.branch} {'is removed' if removed else 'was not deployed'}")

    work = {"deploy": deploy, "rollback": roll_back, "remove": remove}
    return reported(work[given.command], ReleaseError, OlderCommit)


def _release(branch: str, environment: str) -> Release:
    """The release of an environment or a branch of it. Raises ReleaseError for another cluster."""
    values = yaml.safe_load(values_of(environment).read_text("utf-8"))
    release = Release(helm, namespace_of(branch))
    release.require(values["settings"]["ENV"])
    return release


if __name__ == "__main__":
    sys.exit(main())
