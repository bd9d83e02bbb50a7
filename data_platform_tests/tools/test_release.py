"""What is deployed, and what a rollback returns to, by what Helm says about a release."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from data_platform.databases.migration import HEAD
from tools.docker import revision
from tools.release import (
    BRANCH_VALUES,
    CHART,
    Release,
    files_of,
    image_values,
    main,
    namespace_of,
    values_of,
    values_of_branch,
)
from tools.release_history import ReleaseError, Revision, previous

DIGEST = f"sha256:{64 * 'a'}"
UP = "Upgrade complete"
OLD, NOW = ("superseded", UP), ("deployed", UP)


def revisions(*each: tuple[str, str]) -> list[Revision]:
    return [Revision(number, *said) for number, said in enumerate(each, 1)]


@dataclass
class RecordedHelm:
    """Answers as Helm does for a release with a history; keeps what it is told."""

    history: list[Revision]
    environment: str = "staging"
    tables: dict[int, tuple[str, str]] = field(default_factory=dict)
    broken: str | None = None  # the phase of its hook that migrates, where an upgrade fails
    commit: str = ""
    told: list[tuple[tuple[str, ...], str]] = field(default_factory=list)

    def __call__(self, *arguments: str, given: str = "") -> str:
        self.told.append((arguments, given))
        match arguments[0]:
            case "list":
                return json.dumps([{"name": "data-platform"}] if self.history else [])
            case "history":
                return json.dumps(
                    [
                        {"revision": r.number, "status": r.status, "description": r.description}
                        for r in self.history
                    ]
                )
            case "get":
                return json.dumps({"settings": {"ENV": self.environment}, "commit": self.commit})
            case "status":
                return self._status(int(arguments[3]))
            case "upgrade" if self.broken is not None:
                self.history.append(Revision(len(self.history) + 1, *FAILED))
                self.tables[len(self.history)] = (HEAD, self.broken)
                raise ReleaseError("helm upgrade: timed out")
        return ""

    def _status(self, number: int) -> str:
        """As Helm gives it for a chart with two hooks."""
        version, phase = self.tables.get(number, ("", ""))
        said = f'  annotations: {{helm.sh/hook: a, data-platform/tables: "{version}"}}\n'
        hooks = [("prepare", "", "Succeeded"), ("migrations", said if version else "", phase)]
        return json.dumps(
            {
                "name": "data-platform",
                "version": number,
                "hooks": [
                    {
                        "name": name,
                        "manifest": f"kind: Job\nmetadata:\n  name: {name}\n{said}",
                        "last_run": {"phase": phase},
                    }
                    for name, said, phase in hooks
                ],
            }
        )

    @property
    def commands(self) -> list[str]:
        """What was told to change something."""
        return [told[0] for told, _ in self.told if told[0] in ("upgrade", "rollback")]

    @property
    def upgrade(self) -> tuple[str, ...]:
        """The arguments of the upgrade."""
        [told] = [told for told, _ in self.told if told[0] == "upgrade"]
        return told


@pytest.mark.parametrize(
    ("history", "wanted"),
    [
        (revisions(OLD, NOW), 1),
        (revisions(OLD, ("failed", UP), NOW), 1),
        # An upgrade that was interrupted: what is deployed is what was there before.
        (revisions(OLD, NOW, ("pending-upgrade", UP)), 2),
        (revisions(NOW, ("failed", 'Upgrade "data-platform" failed: timed out')), 1),
        # A rollback from 2 that failed: 2 is still what is deployed, and to be left.
        (revisions(OLD, NOW, ("failed", 'Release "data-platform" failed: timed out')), 1),
        (revisions(OLD, NOW, ("pending-rollback", "Rollback to 1")), 1),
        # 4 is the same as 2, so what was before it is 1.
        (
            revisions(
                OLD,
                OLD,
                OLD,
                ("deployed", "Rollback to 2"),
            ),
            1,
        ),
        # 3 is the same as 1 and is what 4 has replaced.
        (
            revisions(
                OLD,
                OLD,
                ("superseded", "Rollback to 1"),
                NOW,
            ),
            3,
        ),
    ],
)
def test_a_rollback_returns_to_the_last_revision_that_worked_and_is_another(
    history: list[Revision], wanted: int
) -> None:
    assert previous(history) == wanted


@pytest.mark.parametrize(
    ("history", "why"),
    [
        ([], "no revision"),
        (revisions(("failed", UP)), "no revision"),
        (revisions(NOW), "the first that worked"),
        (revisions(OLD, ("failed", UP), ("deployed", "Rollback to 1")), "the first"),
    ],
)
def test_without_one_a_rollback_is_refused(history: list[Revision], why: str) -> None:
    with pytest.raises(ReleaseError, match=why):
        previous(history)


def test_a_rollback_names_the_revision_and_waits() -> None:
    helm = RecordedHelm(revisions(OLD, NOW))

    assert Release(helm).roll_back() == 1

    told, _ = helm.told[-1]
    assert told[:4] == ("rollback", "data-platform", "1", "--wait")


FAILED = ("failed", 'Upgrade "data-platform" failed: timed out')
INTERRUPTED = ("pending-upgrade", "Preparing upgrade")
DONE, FAILS, BEGUN, LOST = "Succeeded", "Failed", "Running", "Unknown"


@pytest.mark.parametrize(
    ("history", "tables", "later"),
    [
        (revisions(OLD, NOW), {1: ("0013", DONE), 2: ("0014", DONE)}, 2),
        # Its pods did not start, but the databases are migrated.
        (revisions(NOW, FAILED), {1: ("0013", DONE), 2: ("0014", DONE)}, 2),
        # What is left knows the tables, what was before it does not.
        (
            revisions(OLD, OLD, ("deployed", "Rollback to 1")),
            {1: ("0013", DONE), 2: ("0014", DONE), 3: ("0013", DONE)},
            None,
        ),
        (
            revisions(OLD, OLD, OLD, ("deployed", "Rollback to 2")),
            {1: ("0012", DONE), 2: ("0013", DONE), 3: ("0013", DONE), 4: ("0013", DONE)},
            4,
        ),
        # Helm was killed: it stores that the job has begun, and later with the rest how it ended.
        (revisions(NOW, INTERRUPTED), {1: ("0013", DONE), 2: ("0014", BEGUN)}, 2),
        (revisions(NOW, FAILED), {1: ("0013", DONE), 2: ("0014", LOST)}, 2),
        (revisions(OLD, NOW), {2: ("0014", DONE)}, 2),  # of a chart that did not say it
    ],
)
def test_a_rollback_behind_a_migration_is_refused_before_anything_is_changed(
    history: list[Revision], tables: dict[int, tuple[str, str]], later: int | None
) -> None:
    helm = RecordedHelm(history, tables=tables)
    why = f"revision {later} migrates the databases" if later else "the first that worked"

    with pytest.raises(ReleaseError, match=why) as refused:
        Release(helm).roll_back()

    assert helm.commands == []
    if later:
        assert "`make deploy`" in str(refused.value)


@pytest.mark.parametrize(
    ("history", "tables"),
    [
        (revisions(OLD, NOW), {1: ("0014", DONE), 2: ("0014", DONE)}),
        # The job that migrates failed, and migrates all or nothing.
        (revisions(NOW, FAILED), {1: ("0013", DONE), 2: ("0014", FAILS)}),
        (revisions(NOW, INTERRUPTED), {1: ("0013", DONE), 2: ("0014", "")}),
        (revisions(NOW, FAILED), {2: ("0014", FAILS)}),  # of a chart that did not say it
        (revisions(OLD, NOW), {}),  # a branch's
    ],
)
def test_a_rollback_where_nothing_newer_was_migrated_is_made(
    history: list[Revision], tables: dict[int, tuple[str, str]]
) -> None:
    helm = RecordedHelm(history, tables=tables)

    assert Release(helm).roll_back() == 1
    assert helm.commands == ["rollback"]


def test_an_upgrade_that_was_interrupted_after_its_migration_is_to_be_completed() -> None:
    tables = {1: ("0013", DONE), 2: ("0014", BEGUN)}
    helm = RecordedHelm(revisions(NOW, INTERRUPTED), tables=tables)

    with pytest.raises(ReleaseError, match="`helm rollback data-platform 2 -n data-platform`"):
        Release(helm).roll_back()


@pytest.mark.parametrize("known", [{1: ("0001", DONE)}, {}])  # or a chart that did not say it
def test_an_upgrade_that_migrates_is_not_rolled_back_where_it_fails(
    known: dict[int, tuple[str, str]],
) -> None:
    helm = RecordedHelm(revisions(NOW), tables=known, broken=DONE)

    with pytest.raises(ReleaseError, match=r"timed out\nIt was not rolled back, since it migrates"):
        Release(helm).deploy([], {})

    assert "--wait" in helm.upgrade and "--atomic" not in helm.upgrade


@pytest.mark.parametrize("phase", ["", FAILS])
def test_an_upgrade_whose_migration_fails_says_that_nothing_was_migrated(phase: str) -> None:
    helm = RecordedHelm(revisions(NOW), tables={1: ("0001", DONE)}, broken=phase)

    with pytest.raises(ReleaseError, match=r"timed out\nThe databases were not migrated"):
        Release(helm).deploy([], {})


@pytest.mark.parametrize(
    ("namespace", "known"),
    [("data-platform", {1: (HEAD, DONE)}), ("data-platform-pr-12", {})],
)
def test_an_upgrade_that_does_not_migrate_is_all_or_nothing(
    namespace: str, known: dict[int, tuple[str, str]]
) -> None:
    helm = RecordedHelm(revisions(NOW), tables=known, broken="")

    with pytest.raises(ReleaseError, match=r"timed out$"):
        Release(helm, namespace).deploy([], {})

    assert "--atomic" in helm.upgrade


def test_a_version_that_is_older_than_the_tables_is_not_deployed() -> None:
    tables = {1: (HEAD, DONE), 2: ("9999", DONE), 3: ("9999", FAILS)}
    helm = RecordedHelm(revisions(OLD, NOW, FAILED), tables=tables)

    with pytest.raises(ReleaseError, match=r"revision 2 of .* migrates the databases to 9999"):
        Release(helm).deploy([], {})

    assert helm.commands == []


def test_a_deployment_is_by_the_digest_and_all_or_nothing() -> None:
    helm = RecordedHelm([])

    Release(helm, "acme").deploy(
        [values_of("prod")], {"image": image_values(f"ghcr.io/a/b@{DIGEST}")}
    )

    told, given = helm.told[-1]
    assert {"--install", "--atomic", str(CHART), f"--values={values_of('prod')}"} <= set(told)
    assert told[-2:] == ("--namespace", "acme")
    assert json.loads(given) == {"image": {"repository": "ghcr.io/a/b", "digest": DIGEST}}


def test_the_cluster_of_another_environment_is_refused() -> None:
    there = revisions(NOW)

    Release(RecordedHelm(there, "staging")).require("staging")
    Release(RecordedHelm([], "")).require("prod")
    with pytest.raises(ReleaseError, match="is staging, not prod"):
        Release(RecordedHelm(there, "staging")).require("prod")


def test_a_cluster_is_known_by_the_setting_env_that_the_values_have(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tools.release.helm", RecordedHelm(revisions(OLD, NOW), "local"))

    assert main(["rollback", "laptop"]) == 0
    assert main(["rollback", "staging"]) == 1
    assert "is local, not staging" in capsys.readouterr().err


def test_a_branch_has_its_own_values_on_top_of_its_environments() -> None:
    assert files_of("staging", "") == [values_of("staging")]
    assert files_of("staging", "pr-12") == [values_of("staging"), BRANCH_VALUES]


def test_an_older_commit_is_deployed_only_if_that_is_meant(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    not_in_this_checkout = 40 * "0"
    helm = RecordedHelm(revisions(NOW), commit=not_in_this_checkout)
    monkeypatch.setattr("tools.release.helm", helm)
    command = ["deploy", "staging", "--image", f"ghcr.io/a/b@{DIGEST}"]

    assert main(command) == 1
    assert "OLDER=1" in capsys.readouterr().err
    assert "upgrade" not in {told[0] for told, _ in helm.told}

    assert main([*command, "--older"]) == 0
    told, given = helm.told[-1]
    assert told[0] == "upgrade"
    assert json.loads(given)["commit"] == revision()
    assert main([*command, "--branch", "pr-1"]) == 0


@pytest.mark.parametrize("image", ["ghcr.io/a/b", "ghcr.io/a/b:1.0", "ghcr.io/a/b@sha256:12", ""])
def test_an_image_that_is_not_named_by_its_digest_is_refused(
    image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["deploy", "staging", "--image", image]) == 1

    assert "name it by its digest" in capsys.readouterr().err


def test_an_environment_without_values_is_refused_with_those_that_have_some(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["rollback", "stagign"]) == 1

    assert "there are: laptop, prod, staging" in capsys.readouterr().err


def test_the_values_of_each_environment_are_a_file() -> None:
    assert values_of("staging") == Path(CHART, "values", "staging.yaml")


def test_a_branch_has_a_namespace_and_an_environment_of_tables_of_its_own() -> None:
    assert namespace_of("") == "data-platform"
    assert namespace_of("pr-12") == "data-platform-pr-12"
    assert values_of_branch("") == {}
    assert values_of_branch("pr-12") == {"environment": "pr_12"}
    for wrong in ("PR-12", "pr_12", "-", "pr-12;true"):
        with pytest.raises(ReleaseError, match="give it a name like pr-12"):
            namespace_of(wrong)


def test_only_the_release_of_a_branch_is_removed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["remove", "prod"]) == 1
    assert "only the release of a branch" in capsys.readouterr().err


def test_a_branchs_release_is_removed_once_nothing_runs_in_it() -> None:
    def told(history: list[Revision]) -> list[tuple[str, ...]]:
        both = RecordedHelm(history)  # and kubectl
        assert Release(both, "data-platform-pr-12").remove(both) == bool(history)
        said = [arguments[:3] for arguments, _ in both.told]
        return [each for each in said if each[0] not in ("list", "history")]

    namespace = ("delete", "namespace", "data-platform-pr-12")
    assert told([]) == [namespace]
    assert told(revisions(NOW)) == [
        ("delete", "deployments", "--all"),
        ("delete", "jobs", "--all"),
        ("uninstall", "data-platform", "--wait"),
        namespace,
    ]
