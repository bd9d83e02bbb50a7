"""Decide whether a table is as fresh as it must be, as pure functions of moments."""

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from data_platform.contracts.freshness import FreshWithin

Window = tuple[str, dt.datetime, dt.datetime]
"""A partition's key, and when it begins and ends."""


class State(StrEnum):
    """Fresh, late enough for a warning or an error, or not known, where nothing is there yet."""

    FRESH = "fresh"
    WARNING = "warning"
    ERROR = "error"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Freshness:
    """A table's state `since` when, and the `deadline` until which newer data is, or was, expected;
    None if none is.

    `newest` is the newest time that it was measured by: for one by partitions, the end of the
    newest one. `missing` are the partitions that are due and not there.
    """

    state: State
    newest: dt.datetime | None = None
    since: dt.datetime | None = None
    deadline: dt.datetime | None = None
    missing: tuple[str, ...] = ()

    @property
    def is_late(self) -> bool:
        """Whether it warns or fails."""
        return self.state in (State.WARNING, State.ERROR)


def judged(rule: FreshWithin, newest: dt.datetime, now: dt.datetime) -> Freshness:
    """The freshness of a table whose newest data is of the moment `newest`."""
    passed = {
        state: rule.days.after(newest, within)
        for state, within in ((State.WARNING, rule.warn), (State.ERROR, rule.error))
        if within is not None
    }
    deadline = min(passed.values())
    state, since = State.FRESH, newest
    for later, moment in passed.items():  # the error's last
        if moment <= now:
            state, since = later, moment
    return Freshness(state, newest, since, deadline)


def judged_by_partitions(
    rule: FreshWithin,
    windows: Iterable[Window],
    there: Collection[str],
    newest: dt.datetime,
    now: dt.datetime,
) -> Freshness:
    """The freshness by partitions, of which those with the keys `there` are published, and the last
    ended at `newest`. `windows` are those to look at, in order, which may go on after now.

    The oldest one that is missing decides; a partition without an expected day is never missing.
    """
    oldest: Freshness | None = None
    missing: list[str] = []
    for key, start, end in windows:
        if key in there or not rule.days.any_of(start, end):
            continue
        found = judged(rule, end, now)
        oldest = oldest or found
        if not found.is_late:
            break
        missing.append(key)
    if oldest is None:
        return Freshness(State.FRESH, newest, newest)
    since = oldest.since if oldest.is_late else newest
    return replace(oldest, newest=newest, since=since, missing=tuple(missing))
