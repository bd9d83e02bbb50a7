"""How fresh a table must be, as its declaration says it."""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from data_platform.contracts.errors import ContractError
from data_platform.tables.expected_days import ExpectedDays
from data_platform.tables.nearest import nearest

CHECK = "freshness"
"""The name of the check."""
Basis = Literal["partitions", "publication", "landing"]
_LATEST = dt.timedelta(days=3650)


@dataclass(frozen=True, kw_only=True)
class FreshWithin:
    """How long a table may be without newer data: a warning after `warn`, an error after `error`,
    one of them at least. Time counts on the expected `days` only.

    It is measured by the newest value of the column `event_time`, or by:

    - "partitions", the default for a table with partitions of time: each that ended is published
      within that time of its end;
    - "publication", the default for other tables: since the table was last published;
    - "landing", of bronze tables only: since an object last landed.
    """

    warn: dt.timedelta | None = None
    error: dt.timedelta | None = None
    event_time: str = ""
    by: Basis | None = None
    days: ExpectedDays = field(default_factory=ExpectedDays)

    @property
    def first(self) -> dt.timedelta:
        """The shorter duration."""
        return min(each for each in (self.warn, self.error) if each is not None)

    @property
    def problem(self) -> str | None:
        """Why it cannot be followed, apart from its days, or None."""
        given = {
            name: each for name in ("warn", "error") if (each := getattr(self, name)) is not None
        }
        if not given:
            return "freshness has neither warn nor error; give a datetime.timedelta for one of them"
        for name, each in given.items():
            if not isinstance(each, dt.timedelta):
                said = f"{name} is a datetime.timedelta, as in timedelta(hours=6), not {each!r}"
                return f"freshness: {said}"
            if not dt.timedelta() < each <= _LATEST:
                return f"freshness: {name} is more than nothing and at most ten years, not {each}"
        if len(given) == 2 and given["warn"] >= given["error"]:
            return (
                f"freshness warns after {self.warn} and fails after {self.error} already; let warn "
                "be the shorter one, or leave it out"
            )
        if self.by not in (None, *get_args(Basis)):
            return f"freshness: by is {', '.join(get_args(Basis))}, not {self.by!r}"
        if self.by and self.event_time:
            return f"freshness is by {self.by} and by the column {self.event_time}; leave one out"
        if not isinstance(self.days, ExpectedDays):
            return f"freshness: days is an ExpectedDays, not {self.days!r}"
        return None


def refuse_wrong_freshness(
    rule: FreshWithin | None, table: str, columns: Mapping[str, str] | Collection[str]
) -> None:
    """Raises ContractError, naming the table, for a rule that cannot be followed; `columns` are the
    names of those with a time."""
    if rule is None:
        return
    if not isinstance(rule, FreshWithin):
        raise ContractError(f"freshness is a FreshWithin, not {rule!r}", table=table)
    if problem := rule.problem:
        raise ContractError(problem, table=table)
    if rule.event_time and rule.event_time not in columns:
        near = nearest(rule.event_time, columns) or list(columns)
        raise ContractError(
            "freshness: event_time names no column of dates or timestamps; there is "
            f"{', '.join(near) or 'none'}",
            table=table,
            column=rule.event_time,
        )
    if rule.by == "landing" and not table.startswith("bronze/"):
        raise ContractError(
            "freshness: nothing lands in this table; declare it for the bronze table that its rows "
            'come from, or by="publication"',
            table=table,
        )


def refuse_unmeasurable(rule: FreshWithin | None, table: str, *, has_time: bool) -> None:
    """Raises ContractError for a rule by partitions in a table without partitions of time, and for
    days that are not known: these are looked up in files, which no import reads."""
    if rule and (problem := rule.days.problem):
        raise ContractError(f"freshness: {problem}", table=table)
    if rule and rule.by == "partitions" and not has_time:
        raise ContractError(
            "freshness: the table has no partitions of time, so none is ever due; measure it "
            'by="publication", or by a column, as in event_time="sold_at"',
            table=table,
        )
