"""A rule of the standard, for buckets and queues, and a deviation from it.

A rule never calls AWS. If going back to the standard would take away something that somebody
chose, the deviation says so, and `apply` leaves the decision to a person.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from data_platform.buckets.account import Account
from data_platform.buckets.actions import Action
from data_platform.buckets.standard import Purpose, QueuePurpose
from data_platform.buckets.statements import Statement, statements


@dataclass(frozen=True)
class Deviation:
    """How a bucket or queue breaks a rule, and the action that fixes it.

    `loosens` says what the action takes away: it then needs a human decision. Empty if `apply` may
    run it.
    """

    expected: str
    found: str
    action: Action
    loosens: str = ""


# Takes the spec and the state of a bucket or queue.
Judge = Callable[[Any, Any, Account], Deviation | None]


@dataclass(frozen=True)
class Rule:
    """A rule. `judge` is pure and returns the state's deviation from its spec, or None."""

    name: str
    description: str
    judge: Judge
    purposes: Collection[Purpose | QueuePurpose] = frozenset((*Purpose, *QueuePurpose))


def statement_deviation(
    sid: str, policy: Mapping[str, Any], own: Mapping[str, Statement], fix: Action
) -> Deviation | None:
    """The deviation if the policy lacks the statement `sid` of `own`, or has a different one."""
    there = [s for s in statements(policy) if s.get("Sid") == sid]
    if there == [own[sid]]:
        return None
    found = "another statement of that name" if there else "no such statement"
    return Deviation(f"the policy statement {sid}", found, fix)


def tags_deviation(
    wanted: Mapping[str, str], found: Mapping[str, str], fix: Action
) -> Deviation | None:
    """The deviation if a tag of `wanted` is missing or has another value."""
    wrong = {key: found.get(key, "") for key, value in wanted.items() if found.get(key) != value}
    return Deviation(_pairs(wanted), _pairs(wrong), fix) if wrong else None


def _pairs(tags: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in tags.items())
