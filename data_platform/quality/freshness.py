"""What a partition stands on, and whether that still holds.

An input of a partition is the set of upstream partitions whose values lie in its window: its own
time (the day, the month), and `trailing` time before it. The digest of their versions is kept
with each build; where the present one differs, or the contract's, the partition is stale.
"""

import bisect
import calendar
import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from data_platform.lake.builds import Build
from data_platform.lake.table import WHOLE_TABLE, Partitioning, TableId


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
        """So many months before, then so many days; a day that the month lacks is its last."""
        year, month = divmod(of.year * 12 + of.month - 1 - self.months, 12)
        last = calendar.monthrange(year, month + 1)[1]
        back = of.replace(year=year, month=month + 1, day=min(of.day, last))
        return back - dt.timedelta(days=self.days)


def trailing(*, days: int = 0, months: int = 0, of: str | None = None) -> Trailing:
    """An input that reaches back: `trailing(days=90)` gives the partition and 90 days before.

    `of` names the table, `layer/domain/name`, where it is not the silver one of the domain.
    ValueError where it does not reach back.
    """
    return Trailing(days, months, of)


@dataclass(frozen=True)
class Window:
    """A partition's own time, and where its input begins; in partition time, without a zone."""

    reaches_back_to: dt.datetime
    start: dt.datetime
    end: dt.datetime


@dataclass(frozen=True)
class Upstream:
    """An input table's published partitions in time order, and their versions.

    `starts` is empty for a table whose partitions are not times.
    """

    table: TableId
    keys: tuple[str, ...]
    starts: tuple[dt.datetime, ...]
    versions: Mapping[str, str]

    @staticmethod
    def of(table: TableId, scheme: Partitioning, versions: Mapping[str, str]) -> "Upstream":
        starts = {key: start_of(scheme, key) for key in versions}
        if not all(starts.values()):
            return Upstream(table, tuple(sorted(versions)), (), versions)
        keys = sorted(versions, key=lambda key: starts[key] or dt.datetime.min)
        return Upstream(table, tuple(keys), tuple(filter(None, map(starts.get, keys))), versions)

    def inputs(self, key: str, window: Window | None) -> tuple[str, ...]:
        """The partitions that a build of `key` reads.

        By time where both sides have it, and none where the partition's own time has none: a
        day that did not land is not built from the days before it. Otherwise the partition of
        the same key; all of them for a table without partitions.
        """
        if window and self.starts:
            own = self._within(window.start, window.end)
            return self._within(window.reaches_back_to, window.end) if own else ()
        if key == WHOLE_TABLE or WHOLE_TABLE in self.versions:
            return self.keys
        return (key,) if key in self.versions else ()

    def within_reach(self, key: str, window: Window | None) -> tuple[str, ...]:
        """The partitions of `inputs`, whether or not the partition's own time has one."""
        if window and self.starts:
            return self._within(window.reaches_back_to, window.end)
        return self.inputs(key, window)

    def _within(self, start: dt.datetime, end: dt.datetime) -> tuple[str, ...]:
        first, last = bisect.bisect_left(self.starts, start), bisect.bisect_left(self.starts, end)
        return self.keys[first:last]


def start_of(scheme: Partitioning, key: str) -> dt.datetime | None:
    """When a partition begins, for a table partitioned by one date or time column."""
    if len(scheme.columns) != 1:
        return None
    match scheme.values(key)[0]:
        case dt.datetime() as moment:
            return moment.replace(tzinfo=None)
        case dt.date() as day:
            return dt.datetime(day.year, day.month, day.day)
    return None


def digest(read: Iterable[tuple[TableId, str, str]]) -> str:
    """Of the (table, partition, version) that a build reads, in any order."""
    lines = sorted(f"{table} {key} {version}" for table, key, version in read)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def is_stale(*, published: Build | None, latest: Build | None, inputs: str, contract: str) -> bool:
    """Whether a partition should be built again: its newest attempt is not of what there is now.

    `published` is the build behind its version, `latest` the newest attempt: what was held back
    with the same inputs and contract would be held back again. After an attempt that was held back
    with other ones it is built even where the published version is of the present ones: nothing
    else says that it passes its checks again. An attempt that was to be published and is not was
    killed on its way, or lost a race: it may have displaced rejected rows.
    """
    if latest is None or (latest.inputs, latest.contract) != (inputs, contract):
        return True
    return latest.state == "published" and (
        published is None or published.attempt != latest.attempt
    )
