"""Declarations of which partitions of an input a table's partitions read.

`trailing`, `dimension`, `everything` and `event_time` replace the default, which follows from the
kinds of partitions. `quality.windows` computes what each declaration reads.
"""

import calendar
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import dagster as dg

from data_platform.tables.identity import TableId
from data_platform.tables.partition_times import times_of

Changes = Literal["all", "latest", "as_of"]
CHANGES: tuple[Changes, ...] = ("all", "latest", "as_of")


@dataclass(frozen=True)
class Trailing:
    """How far an input reaches back before the partition's own time, and which table it is."""

    days: int = 0
    months: int = 0
    of: str | None = None

    def __post_init__(self) -> None:
        if self.days < 0 or self.months < 0 or not (self.days or self.months):
            raise ValueError(
                f"trailing(days={self.days}, months={self.months}) does not reach back; give one "
                "of them above 0, or for a table of another name its name alone"
            )

    def start(self, of: dt.datetime) -> dt.datetime:
        """`of` minus the months, then the days; a day that the month lacks becomes its last day."""
        year, month = divmod(of.year * 12 + of.month - 1 - self.months, 12)
        last = calendar.monthrange(year, month + 1)[1]
        back = of.replace(year=year, month=month + 1, day=min(of.day, last))
        return back - dt.timedelta(days=self.days)


@dataclass(frozen=True)
class Dimension:
    """An input that every partition reads whole, and that by itself causes none to be built.

    `changes` says which partitions its changes make stale: `all`, the `latest` one, or none
    (`as_of`: each partition keeps reading the version it was first built with).
    """

    of: str | None = None
    changes: Changes = "all"

    def __post_init__(self) -> None:
        if self.changes not in CHANGES:
            raise ValueError(
                f"dimension(changes={self.changes!r}): it is one of {', '.join(CHANGES)}"
            )


@dataclass(frozen=True)
class Everything:
    """An input that every partition reads whole and that causes all of them to be built."""

    of: str | None = None


@dataclass(frozen=True)
class EventTime:
    """An input whose rows count for the partition of the time in `column`, whenever they landed."""

    column: str
    of: str | None = None


How = Trailing | Dimension | Everything | EventTime


def trailing(*, days: int = 0, months: int = 0, of: str | None = None) -> Trailing:
    """An input that reaches back: `trailing(days=90)` gives the partition and 90 days before.

    `of` names the table, `layer/domain/name`, if it is not the silver table of that name in the
    domain. Raises ValueError if it does not reach back.
    """
    return Trailing(days, months, of)


def dimension(*, of: str | None = None, changes: Changes = "all") -> Dimension:
    """An input that every partition reads whole, and that by itself causes none to be built.

    `changes` says what becomes stale when it changes: "all" built partitions; the "latest" one
    (older ones read the new version when they are rebuilt for another reason); or none, "as_of":
    each partition keeps reading the version it was first built with, also when it is rebuilt.
    """
    return Dimension(of, changes)


def everything(*, of: str | None = None) -> Everything:
    """An input that every partition reads whole; all partitions are built from it and rebuilt when
    it changes. Not for tables partitioned by time: see `event_time` and `dimension`."""
    return Everything(of)


def event_time(column: str, *, of: str | None = None) -> EventTime:
    """An input whose rows count for the time in their `column`, whatever partition they landed in:
    a partition reads every input partition that holds rows of its time according to the files'
    statistics. `column` is a date or timestamp."""
    return EventTime(column, of)


def require_time(
    own: TableId, partitions: dg.PartitionsDefinition | None, hows: Mapping[str, How]
) -> None:
    """Raise ValueError if an input is read by time and the table's partitions are not times, or if
    it is read whole and they are."""
    times = times_of(partitions, _names(partitions))
    for name, how in hows.items():
        if isinstance(how, Trailing) and not times:
            raise ValueError(
                f"{own}: {name} reaches back in time, and the table's partitions are "
                "not times; leave trailing(...) out, or partition the table by time"
            )
        if isinstance(how, EventTime) and not times:
            raise ValueError(
                f"{own}: {name} is read by the time in its column {how.column}, and the table's "
                "partitions are not times; leave event_time(...) out, or partition the table "
                "by time"
            )
        if isinstance(how, Everything) and times:
            raise ValueError(
                f"{own}: {name} is read whole, so every partition since the first would be built "
                "from it, and again whenever it changes; read it by a time of its rows, with "
                "event_time(column), or as a dimension(), which has none built"
            )


def _names(partitions: dg.PartitionsDefinition | None) -> list[str]:
    """A name for each dimension."""
    if isinstance(partitions, dg.MultiPartitionsDefinition):
        return sorted(each.name for each in partitions.partitions_defs)
    return ["partition"]
