"""Which commit is deployed, and whether another may take its place.

Approvals come in any order: a late one must not bring an older commit back over a newer one, whose
migrations it does not have. A commit of another branch is not older.
"""

import subprocess
from pathlib import Path

from tools.jars import ROOT


class OlderCommit(Exception):
    """A commit would take the place of one that has it already; the message says what to do."""


def require_not_older(wanted: str, deployed: str, checkout: Path = ROOT) -> None:
    """Both as `tools.docker.revision` says them; empty where that is not known.

    Raises OlderCommit if `deployed` has `wanted` in its history, or the checkout does not have
    `deployed`.
    """
    wanted, deployed = (each.removesuffix("-dirty") for each in (wanted, deployed))
    if not wanted or not deployed or wanted == deployed:
        return
    asked = ("git", "merge-base", "--is-ancestor", wanted, deployed)
    done = subprocess.run(asked, cwd=checkout, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        raise OlderCommit(
            f"commit {deployed} is deployed, which is newer than {wanted}: deploy that one, or say "
            "that the older one is meant: OLDER=1"
        )
    if done.returncode > 1:
        raise OlderCommit(
            f"commit {deployed} is deployed, which this checkout does not have, so it may be newer "
            f"({done.stderr.strip()}): run `git fetch`, or say that yours is meant: OLDER=1"
        )
