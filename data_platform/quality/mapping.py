"""Which partitions of an input a partition reads: its own declared window, and nothing else.

A partition lies somewhere in time, and has a value in each of its other partition columns (its
labels). It reads the partitions of an input that overlap its window of time and have its labels,
as far as both tables have them: an hour reads the day it is in, a day all hours of it. An input
that shares neither time nor label with the table is a dimension: all of it is read, and it says
nothing of which partitions there are.

`trailing`, `dimension`, `everything` and `event_time` declare something else of one input.
"""

import bisect
import calendar
import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from pyspark.sql import types as T

from data_platform.lake.table import PartitionColumn, Partitioning, TableId

Changes = Literal["all", "latest", "as_of"]
CHANGES: tuple[Changes, ...] = ("all", "latest", "as_of")

Span = tuple[dt.datetime, dt.datetime]  # from and until (exclusive), UTC
_TIMES = (T.DateType, T.TimestampType, T.TimestampNTZType)


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


@dataclass(frozen=True)
class Dimension:
    """An input that is read whole by every partition, and makes none of them be built.

    `changes` says what a change of it makes stale: `all` partitions, the `latest` one, or none:
    `as_of`, where each partition keeps to the version it was first built with.
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
    """An input that is read whole by every partition, and makes all of them be built."""

    of: str | None = None


@dataclass(frozen=True)
class EventTime:
    """An input whose rows count for the partition that its `column` names, whenever they landed."""

    column: str
    of: str | None = None


How = Trailing | Dimension | Everything | EventTime


def trailing(*, days: int = 0, months: int = 0, of: str | None = None) -> Trailing:
    """An input that reaches back: `trailing(days=90)` gives the partition and 90 days before.

    `of` names the table, `layer/domain/name`, where it is not the silver one of the domain.
    ValueError where it does not reach back.
    """
    return Trailing(days, months, of)


def dimension(*, of: str | None = None, changes: Changes = "all") -> Dimension:
    """An input that every partition reads whole, and for which none is built.

    A change of it makes stale what `changes` says: "all" that was built, the "latest" partition
    (older ones read it as it is when something else has them built again), or nothing, "as_of":
    each partition reads the version it was first built with, also when it is built again.
    """
    return Dimension(of, changes)


def everything(*, of: str | None = None) -> Everything:
    """An input that every partition reads whole; all partitions are built from it, and again
    whenever it changes. Not for tables partitioned by time: see `event_time` and `dimension`."""
    return Everything(of)


def event_time(column: str, *, of: str | None = None) -> EventTime:
    """An input whose rows count for the time in their `column`, in whichever partition they
    landed: a partition reads every partition of the input that holds rows of its time, by the
    files' statistics. `column` is a date or timestamp."""
    return EventTime(column, of)


@dataclass(frozen=True)
class Upstream:
    """An input table's published partitions and their versions.

    `spans` are the times that the rows of a partition have in the column of an `event_time`;
    None for a partition none of whose rows has one.
    """

    table: TableId
    scheme: Partitioning
    versions: Mapping[str, str]
    spans: Mapping[str, Span | None] | None = None


@dataclass(frozen=True)
class Reads:
    """By partition, what it reads of one input, and what of that is of its own time and labels.

    A partition is built where it has something of its own in one of its inputs.
    """

    window: Mapping[str, tuple[str, ...]]
    own: Mapping[str, tuple[str, ...]]


def reads_of(
    scheme: Partitioning,
    keys: Collection[str],
    how: How | None,
    upstream: Upstream,
    *,
    end: dt.datetime | None = None,
) -> Reads:
    """What the partitions `keys` of a table read of an input, in the order of its partitions.

    By event time, `keys` are all that there are yet; `end` is when the last one ends that there
    will ever be (None: they go on).
    """
    everything_there = tuple(_in_order(upstream.scheme, upstream.versions))
    of_all = dict.fromkeys(keys, everything_there)
    if not scheme.columns:
        return Reads(of_all, dict.fromkeys(keys, ()) if isinstance(how, Dimension) else of_all)
    if isinstance(how, Everything):
        return Reads(of_all, of_all)
    if isinstance(how, EventTime):
        by_time = _by_event_time(scheme, keys, upstream, end)
        return Reads(by_time, by_time)
    if is_dimension(scheme, how, upstream.scheme):
        return Reads(of_all, dict.fromkeys(keys, ()))
    time, labels = shared(scheme, upstream.scheme)
    index = _Index(upstream, tuple(theirs for _, theirs in labels), timed=time)
    window, own = {}, {}
    for key in keys:
        values = labels_of(scheme, key)
        chosen = tuple(values[ours] for ours, _ in labels)
        span = span_of(scheme, key) if time else None
        own[key] = index.within(chosen, span)
        if span and isinstance(how, Trailing):
            window[key] = index.within(chosen, (reach(scheme, key, how), span[1]))
        else:
            window[key] = own[key]
    return Reads(window, own)


def is_dimension(own: Partitioning, how: How | None, other: Partitioning) -> bool:
    """Whether an input is read whole and says nothing of which partitions there are: declared so,
    or for want of a time and of labels that both tables have."""
    if isinstance(how, Everything | EventTime):
        return False
    timed, labels = shared(own, other)
    return isinstance(how, Dimension) or bool(own.columns and not timed and not labels)


def shared(own: Partitioning, other: Partitioning) -> tuple[bool, list[tuple[str, str]]]:
    """Whether both have a time, and which columns of labels are the same: those of one name, or
    the only ones of either."""
    ours, theirs = label_columns(own), label_columns(other)
    labels = [(name, name) for name in ours if name in theirs]
    if not labels and len(ours) == len(theirs) == 1:
        labels = [(ours[0], theirs[0])]
    return bool(time_column(own) and time_column(other)), labels


def time_column(scheme: Partitioning) -> PartitionColumn | None:
    """The column that says where in time a partition lies; None where there is none."""
    timed = (c for c in scheme.columns if c.times or isinstance(c.type, _TIMES))
    return next(timed, None)


def label_columns(scheme: Partitioning) -> list[str]:
    timed = time_column(scheme)
    return [column.name for column in scheme.columns if column != timed]


def labels_of(scheme: Partitioning, key: str) -> dict[str, str]:
    """A partition's key in each column, as text."""
    return dict(zip(scheme.names, scheme.parts(key), strict=True))


def known_keys(scheme: Partitioning, keys: Iterable[str]) -> list[str]:
    """Those that are keys of the table as it is now: it may have been declared otherwise."""
    found = []
    for key in keys:
        with suppress(ValueError):
            scheme.values(key)
            found.append(key)
    return found


def span_of(scheme: Partitioning, key: str) -> Span | None:
    """When a partition begins and ends; None for a table whose partitions are not times."""
    column = time_column(scheme)
    return _span(column, labels_of(scheme, key)[column.name]) if column else None


@lru_cache(maxsize=200_000)
def _span(column: PartitionColumn, text: str) -> Span:
    if column.times:
        start, end = column.times.span(text)
        return start.astimezone(dt.UTC), end.astimezone(dt.UTC)
    value = column.value(text)
    if isinstance(value, dt.datetime):
        start = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
        return start, start + dt.timedelta(hours=1)
    assert isinstance(value, dt.date)
    start = dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
    return start, start + dt.timedelta(days=1)


def zone_of(scheme: Partitioning) -> ZoneInfo:
    """In which a table's dates and times without a zone are."""
    column = time_column(scheme)
    return ZoneInfo(column.times.timezone if column and column.times else "UTC")


def reach(scheme: Partitioning, key: str, back: Trailing) -> dt.datetime:
    """Where the window of a trailing input begins: by the calendar of the table's zone."""
    span = span_of(scheme, key)
    assert span is not None
    zone = zone_of(scheme)
    local = back.start(span[0].astimezone(zone).replace(tzinfo=None))
    return local.replace(tzinfo=zone).astimezone(dt.UTC)


class _Index:
    """An input's partitions by their labels and, within these, in the order of time."""

    def __init__(self, upstream: Upstream, labels: tuple[str, ...], *, timed: bool) -> None:
        self._keys: dict[tuple[str, ...], list[str]] = {}
        self._starts: dict[tuple[str, ...], list[dt.datetime]] = {}
        self._ends: dict[tuple[str, ...], list[dt.datetime]] = {}
        for key in _in_order(upstream.scheme, upstream.versions):
            values = labels_of(upstream.scheme, key)
            group = tuple(values[name] for name in labels)
            self._keys.setdefault(group, []).append(key)
            if timed and (span := span_of(upstream.scheme, key)):
                self._starts.setdefault(group, []).append(span[0])
                self._ends.setdefault(group, []).append(span[1])

    def within(self, group: tuple[str, ...], span: Span | None) -> tuple[str, ...]:
        """The partitions with these labels that overlap the span, all of them without one."""
        keys = self._keys.get(group, [])
        if span is None or not keys:
            return tuple(keys)
        start, end = span
        first = bisect.bisect_right(self._ends[group], start)
        last = bisect.bisect_left(self._starts[group], end)
        return tuple(keys[first:last])


def _in_order(scheme: Partitioning, keys: Iterable[str]) -> list[str]:
    """By time, then by key."""
    if time_column(scheme) is None:
        return sorted(keys)
    return sorted(keys, key=lambda key: (span_of(scheme, key), key))


def _by_event_time(
    scheme: Partitioning, keys: Collection[str], upstream: Upstream, end: dt.datetime | None
) -> dict[str, tuple[str, ...]]:
    """The input's partitions that hold rows of a partition's time.

    Rows of no partition that there will ever be count for the first one (between two: for the
    next), so that they are met and said to be of none. Which one that is must not change as
    partitions come, nor may a row that is early be read in place of the partition it waits for.
    """
    found: dict[str, list[str]] = {key: [] for key in keys}
    spans = {key: span for key in keys if (span := span_of(scheme, key))}
    by_span: dict[Span, list[str]] = {}
    for key in sorted(spans):
        by_span.setdefault(spans[key], []).append(key)
    ordered = sorted(by_span)
    if not ordered:
        return dict.fromkeys(keys, ())
    starts, ends = [start for start, _ in ordered], [end for _, end in ordered]
    for key in _in_order(upstream.scheme, upstream.versions):
        span = (upstream.spans or {}).get(key)
        if span is None or (end is not None and span[0] >= end):
            span = starts[0], starts[0]
        low, high = span
        first = bisect.bisect_right(ends, low)
        last = max(bisect.bisect_right(starts, high), 1)
        for each in ordered[first : max(last, first + 1)]:
            for own in by_span[each]:
                found[own].append(key)
    return {key: tuple(read) for key, read in found.items()}
