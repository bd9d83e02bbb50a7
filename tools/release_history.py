"""The history of a release, and which of its revisions a rollback returns to."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

NAME = "data-platform"
_ROLLED_BACK = re.compile(r"Rollback to (\d+)")


class ReleaseError(Exception):
    """A deployment is refused or failed; the message says what to do."""


@dataclass(frozen=True)
class Revision:
    """A revision of a release, as `helm history` tells it."""

    number: int
    status: str
    description: str


def previous(history: Sequence[Revision]) -> int:
    """The last revision that worked and is not what is deployed now. Raises ReleaseError.

    After an upgrade that failed or was interrupted, that is the one before it. A rollback makes a
    revision of its own, which is the same as the one that it returned to.
    """
    by_number = {each.number: each for each in history}
    deployed = [each for each in history if each.status == "deployed"]
    if not deployed:
        raise ReleaseError(f"no revision of {NAME} is deployed: run `make deploy`")
    now, last = deployed[-1], history[-1]
    upgraded = last.status == "pending-upgrade" or last.description.startswith("Upgrade ")
    if upgraded and last != now:  # it failed, or was interrupted
        return now.number
    while returned := _ROLLED_BACK.match(now.description):
        if (number := int(returned[1])) not in by_number:
            break
        now = by_number[number]
    worked = [each.number for each in history if each.status == "superseded"]
    if earlier := [number for number in worked if number < now.number]:
        return max(earlier)
    raise ReleaseError(f"revision {now.number} of {NAME} is the first that worked: none is before")
