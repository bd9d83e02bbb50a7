"""What a rule of the standard is, for buckets and queues, and what it says of one that breaks it.

A rule never looks at AWS. Where the way back to the standard would take away protection that
somebody chose, it says so, and `apply` leaves it to a person.
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
    """A rule that a bucket or queue breaks. `loosens` says what mending it takes away: then it is a
    person's choice; empty where `apply` does it."""

    expected: str
    found: str
    action: Action
    loosens: str = ""


# Of a bucket's or a queue's spec and state.
Judge = Callable[[Any, Any, Account], Deviation | None]


@dataclass(frozen=True)
class Rule:
    """`judge` is pure: the deviation of a state from its line of the standard, or None."""

    name: str
    description: str
    judge: Judge
    purposes: Collection[Purpose | QueuePurpose] = frozenset((*Purpose, *QueuePurpose))


def statement_deviation(
    sid: str, policy: Mapping[str, Any], own: Mapping[str, Statement], mend: Action
) -> Deviation | None:
    """Where the policy has not the one of `own` that is called `sid`."""
    there = [s for s in statements(policy) if s.get("Sid") == sid]
    if there == [own[sid]]:
        return None
    found = "another statement of that name" if there else "no such statement"
    return Deviation(f"the policy statement {sid}", found, mend)


def tags_deviation(
    wanted: Mapping[str, str], found: Mapping[str, str], mend: Action
) -> Deviation | None:
    """Where a tag of `wanted` is missing or another."""
    wrong = {key: found.get(key, "") for key, value in wanted.items() if found.get(key) != value}
    return Deviation(_pairs(wanted), _pairs(wrong), mend) if wrong else None


def _pairs(tags: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in tags.items())
