"""The pipeline of .github/workflows: valid, pinned, and nothing in it that `make` does not do."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from data_platform_tests.support.servers import not_there
from tools.go_programs import ACTIONLINT
from tools.jars import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONS = sorted((ROOT / ".github" / "actions").glob("*/action.yml"))
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TARGETS = frozenset(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
VARIABLES = frozenset(re.findall(r"^([A-Z]+) \?=", MAKEFILE, re.MULTILINE))


def read(file: Path) -> dict[str, Any]:
    return yaml.safe_load(file.read_text("utf-8"))


def jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    """The jobs of all workflows, with a name that tells where they are."""
    for file in WORKFLOWS:
        for name, job in read(file)["jobs"].items():
            yield f"{file.name}: {name}", job


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    """The steps of all jobs, and of the actions that they share."""
    for name, job in jobs():
        for step in job.get("steps", ()):
            yield name, step
    for file in ACTIONS:
        for step in read(file)["runs"]["steps"]:
            yield file.parent.name, step


def wrong_command(command: str) -> str:
    """Why a command is not one of `make`; nothing if it is."""
    program, *arguments = command.split()
    names = [each for each in arguments if "=" not in each]
    given = {each.partition("=")[0] for each in arguments if "=" in each}
    if program != "make" or len(names) != 1:
        return f"{command}: not a target of make"
    if names[0] not in TARGETS:
        return f"{command}: make has no target {names[0]}"
    return "".join(f"{command}: make has no variable {each}" for each in given - VARIABLES)


@pytest.fixture
def actionlint() -> Path:
    if not ACTIONLINT.binary.exists():
        not_there("actionlint is not installed: run `make services`")
    return ACTIONLINT.binary


def linted(program: Path, *files: Path) -> "subprocess.CompletedProcess[str]":
    """What actionlint says, with shellcheck where the machine has it."""
    options = ["-no-color", "-oneline", "-pyflakes="]
    return subprocess.run(
        [program, *options, *files], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_actionlint_finds_nothing(actionlint: Path) -> None:
    found = linted(actionlint, *WORKFLOWS)

    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_actionlint_finds_what_is_wrong(actionlint: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    text = (ROOT / ".github/workflows/deploy.yml").read_text("utf-8")
    wrong.write_text(text.replace("needs: checks", "needs: chekcs"))

    assert "chekcs" in linted(actionlint, wrong).stdout


def test_every_command_of_a_job_is_a_target_of_make() -> None:
    commands = [step["run"] for _, step in steps() if "run" in step]

    assert [why for why in map(wrong_command, commands) if why] == []
    used = {command.split()[1] for command in commands}
    assert used >= {"check", "contracts", "docs", "test", "image", "scan", "publish"}
    assert used >= {"deploy", "smoke", "rollback"}


@pytest.mark.parametrize(
    "command",
    ["pytest", "make chekc", "make check && true", "make scan FRSH=1", "make check docs"],
)
def test_another_command_is_seen(command: str) -> None:
    assert wrong_command(command)


def test_ci_on_another_machine_gives_targets_of_make_too() -> None:
    lines = (line.strip() for line in (ROOT / ".ci" / "run").read_text("utf-8").splitlines())
    commands = [line for line in lines if line.startswith("make ")]

    assert {"make check", "make test"} <= set(commands)
    assert [why for why in map(wrong_command, commands) if why] == []


def test_variables_of_make_are_what_a_job_sets_in_its_environment() -> None:
    set_by_jobs = {name for _, job in jobs() for name in job.get("env", {})}

    assert set_by_jobs and set_by_jobs <= VARIABLES


def test_actions_of_others_are_pinned_by_their_commit() -> None:
    used = [step["uses"] for _, step in steps() if "uses" in step]
    others = [each for each in used if not each.startswith("./")]

    assert len(others) > 5
    assert [each for each in others if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", each)] == []


INSTALLS = {"make services", "make docker-tools", "make scan-tools", "make helm"}


def kept_after(job: Mapping[str, Any]) -> list[str] | None:
    """The commands of a job before what it has installed is kept; None if it is not."""
    before = list[str]()
    for step in job["steps"]:
        if step.get("uses") == "./.github/actions/keep":
            return before
        before += [step["run"]] if "run" in step else []
    return None


def test_what_a_job_installs_is_kept_before_a_test_or_a_deployment_can_fail() -> None:
    found = {
        name: kept_after(job)
        for name, job in jobs()
        if any(step.get("uses") == "./.github/actions/setup" for step in job.get("steps", ()))
    }
    checks = found.pop("checks.yml: check")

    assert found and all(before and INSTALLS.issuperset(before) for before in found.values()), found
    assert checks and checks[-1] == "make docs"  # which installs what it needs, at once
    assert {command for before in found.values() for command in before or ()} == INSTALLS
    [restored] = [step for name, step in steps() if name == "setup" and "id" in step]
    [saved] = [step for name, step in steps() if name == "keep"]
    assert "/restore@" in restored["uses"] and "/save@" in saved["uses"]
    assert restored["with"]["path"] == saved["with"]["path"]


def test_a_job_may_only_read_unless_it_says_what_it_writes() -> None:
    for file in WORKFLOWS:
        assert read(file)["permissions"] == {"contents": "read"}, file.name
    writing = {
        name: {scope for scope, what in job["permissions"].items() if what == "write"}
        for name, job in jobs()
        if "permissions" in job
    }
    assert set().union(*writing.values()) == {"packages", "id-token"}
    assert not [name for name, scopes in writing.items() if len(scopes) > 1]


def test_no_workflow_has_a_secret_of_its_own() -> None:
    for file in (*WORKFLOWS, *ACTIONS):
        assert "secrets." not in file.read_text("utf-8"), file.name


def test_a_checkout_leaves_no_token_behind() -> None:
    checkouts = [step for _, step in steps() if step.get("uses", "").startswith("actions/checkout")]

    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_prod_gets_the_image_that_was_tried_in_staging() -> None:
    deploy = read(ROOT / ".github/workflows/deploy.yml")["jobs"]

    assert deploy["prod"]["with"]["image"] == deploy["staging"]["with"]["image"]
    assert "staging" in deploy["prod"]["needs"]
    assert deploy["publish"]["needs"] == "checks"
