"""A late approval does not bring an older commit back; git itself says which is older."""

import subprocess
from pathlib import Path

import pytest

from tools.release_order import OlderCommit, require_not_older

UNKNOWN = 40 * "0"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    return tmp_path


def git(checkout: Path, *arguments: str) -> str:
    who = ("-c", "user.name=someone", "-c", "user.email=someone@example.com")
    done = subprocess.run(
        ["git", *who, *arguments], cwd=checkout, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def commit(checkout: Path, message: str = "a change") -> str:
    git(checkout, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(checkout, "rev-parse", "HEAD")


def test_the_same_commit_and_a_newer_one_are_deployed(checkout: Path) -> None:
    first, second = commit(checkout), commit(checkout)

    require_not_older(second, first, checkout)
    require_not_older(first, f"{first}-dirty", checkout)


def test_one_that_is_in_the_deployed_ones_history_is_refused(checkout: Path) -> None:
    first, second = commit(checkout), commit(checkout)

    with pytest.raises(OlderCommit, match=f"{second} is deployed.*OLDER=1"):
        require_not_older(first, second, checkout)
    with pytest.raises(OlderCommit):
        require_not_older(f"{first}-dirty", second, checkout)


def test_one_of_another_branch_is_not_older(checkout: Path) -> None:
    commit(checkout)
    here = commit(checkout)
    git(checkout, "checkout", "--quiet", "-b", "other", "HEAD~1")
    there = commit(checkout, "another change")

    require_not_older(here, there, checkout)
    require_not_older(there, here, checkout)


def test_where_the_checkout_cannot_tell_it_is_refused(checkout: Path) -> None:
    with pytest.raises(OlderCommit, match=r"does not have.*git fetch"):
        require_not_older(commit(checkout), UNKNOWN, checkout)


def test_a_first_deployment_and_a_checkout_without_git_are_not_compared(checkout: Path) -> None:
    require_not_older(commit(checkout), "", checkout)
    require_not_older("", UNKNOWN, checkout)
