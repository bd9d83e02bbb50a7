"""What is deployed, and what a rollback returns to, by what Helm says about a release."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tools.release import (
    CHART,
    Release,
    ReleaseError,
    Revision,
    image_values,
    main,
    namespace_of,
    previous,
    values_of,
    values_of_branch,
)

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
                return json.dumps({"settings": {"ENV": self.environment}})
        return ""


@pytest.mark.parametrize(
    ("history", "wanted"),
    [
        (revisions(OLD, NOW), 1),
        (revisions(OLD, ("failed", UP), NOW), 1),
        # An upgrade that was broken off: what is deployed is what was there before.
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

    helm = RecordedHelm(revisions(NOW))
    assert Release(helm, "data-platform-pr-12").remove()
    assert helm.told[-1][0][:2] == ("uninstall", "data-platform")
    assert not Release(RecordedHelm([])).remove()
