"""Compute which partitions of an input a partition reads.

A partition may have a span of time, and a value in each of its other partition columns (its
labels). It reads the input partitions that overlap its time window and have the same labels, as far
as both tables have them: an hour reads its day, a day all of its hours. An input that shares
neither time nor labels with the table is a dimension: it is read whole, and does not determine
which partitions exist. Declarations that change this are in `quality.mapping`.
"""

import bisect
import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

from pyspark.sql import types as T

from data_platform.quality.mapping import Dimension, EventTime, Everything, How, Trailing
from data_platform.tables.identity import PartitionColumn, Partitioning, TableId

Span = tuple[dt.datetime, dt.datetime]  # from and until (exclusive), UTC
_TIMES = (T.DateType, T.TimestampType, T.TimestampNTZType)


@dataclass(frozen=True)
class Upstream:
    """An input table's published partitions and their versions.

    `spans` are the times in the `event_time` column by partition; None if no row of it has a time.
    `undated` are the partitions with rows that have no time.
    """

    table: TableId
    partitioning: Partitioning
    versions: Mapping[str, str]
    spans: Mapping[str, Span | None] | None = None
    undated: Collection[str] = ()


@dataclass(frozen=True)
class EventWindow:
    """The times of `event_time` rows that count for a partition: from the end of the previous one
    until its own end (exclusive), UTC.

    For the first partition (`after` is None), earlier rows, rows without a time, and rows at or
    after `beyond` (the end of all partitions) count as well, so that each is read exactly once.
    """

    after: dt.datetime | None
    until: dt.datetime
    beyond: dt.datetime | None = None

    @property
    def is_first(self) -> bool:
        """Whether it is the window of the first partition."""
        return self.after is None


@dataclass(frozen=True)
class Reads:
    """For each partition, what it reads of one input, and the part with its own time and labels.

    A partition is built if one of its inputs has something of its own time and labels.
    """

    window: Mapping[str, tuple[str, ...]]
    own: Mapping[str, tuple[str, ...]]


def reads_of(
    partitioning: Partitioning,
    keys: Collection[str],
    how: How | None,
    upstream: Upstream,
    *,
    end: dt.datetime | None = None,
) -> Reads:
    """What the partitions `keys` of a table read of an input, in the order of its partitions.

    For event time, `keys` must be all partitions so far; `end` is when the table's last partition
    ends (None: there is no last one).
    """
    everything_there = tuple(_in_order(upstream.partitioning, upstream.versions))
    of_all = dict.fromkeys(keys, everything_there)
    if not partitioning.columns:
        return Reads(of_all, dict.fromkeys(keys, ()) if isinstance(how, Dimension) else of_all)
    if isinstance(how, Everything):
        return Reads(of_all, of_all)
    if isinstance(how, EventTime):
        by_time = _by_event_time(partitioning, keys, upstream, end)
        return Reads(by_time, by_time)
    if is_dimension(partitioning, how, upstream.partitioning):
        return Reads(of_all, dict.fromkeys(keys, ()))
    time, labels = shared(partitioning, upstream.partitioning)
    index = _Index(upstream, tuple(theirs for _, theirs in labels), timed=time)
    window, own = {}, {}
    for key in keys:
        values = labels_of(partitioning, key)
        chosen = tuple(values[ours] for ours, _ in labels)
        span = span_of(partitioning, key) if time else None
        own[key] = index.within(chosen, span)
        if span and isinstance(how, Trailing):
            window[key] = index.within(chosen, (reach(partitioning, key, how), span[1]))
        else:
            window[key] = own[key]
    return Reads(window, own)


def is_dimension(own: Partitioning, how: How | None, other: Partitioning) -> bool:
    """Whether an input is read whole and does not determine which partitions exist: it is declared
    so, or the tables share neither time nor labels."""
    if isinstance(how, Everything | EventTime):
        return False
    timed, labels = shared(own, other)
    return isinstance(how, Dimension) or bool(own.columns and not timed and not labels)


def shared(own: Partitioning, other: Partitioning) -> tuple[bool, list[tuple[str, str]]]:
    """Whether both have a time, and which label columns correspond: those with the same name, or
    the only one of each."""
    ours, theirs = label_columns(own), label_columns(other)
    labels = [(name, name) for name in ours if name in theirs]
    if not labels and len(ours) == len(theirs) == 1:
        labels = [(ours[0], theirs[0])]
    return bool(time_column(own) and time_column(other)), labels


def time_column(partitioning: Partitioning) -> PartitionColumn | None:
    """The partition column that is a time; None if there is none."""
    timed = (c for c in partitioning.columns if c.times or isinstance(c.type, _TIMES))
    return next(timed, None)


def label_columns(partitioning: Partitioning) -> list[str]:
    """The names of the partition columns that are not times."""
    timed = time_column(partitioning)
    return [column.name for column in partitioning.columns if column != timed]


def labels_of(partitioning: Partitioning, key: str) -> dict[str, str]:
    """A partition's key in each column, as text."""
    return dict(zip(partitioning.names, partitioning.parts(key), strict=True))


def known_keys(partitioning: Partitioning, keys: Iterable[str]) -> list[str]:
    """The keys that are valid under the table's present declaration."""
    found = []
    for key in keys:
        with suppress(ValueError):
            partitioning.values(key)
            found.append(key)
    return found


def span_of(partitioning: Partitioning, key: str) -> Span | None:
    """When a partition begins and ends; None for a table whose partitions are not times."""
    column = time_column(partitioning)
    return _span(column, labels_of(partitioning, key)[column.name]) if column else None


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


def zone_of(partitioning: Partitioning) -> ZoneInfo:
    """The time zone of a table's dates and of times without a zone."""
    column = time_column(partitioning)
    return ZoneInfo(column.times.timezone if column and column.times else "UTC")


def reach(partitioning: Partitioning, key: str, back: Trailing) -> dt.datetime:
    """When the window of a trailing input begins, by the calendar of the table's time zone."""
    span = span_of(partitioning, key)
    assert span is not None
    zone = zone_of(partitioning)
    local = back.start(span[0].astimezone(zone).replace(tzinfo=None))
    return local.replace(tzinfo=zone).astimezone(dt.UTC)


class _Index:
    """An input's partitions by their labels and, within these, in the order of time."""

    def __init__(self, upstream: Upstream, labels: tuple[str, ...], *, timed: bool) -> None:
        self._keys: dict[tuple[str, ...], list[str]] = {}
        self._starts: dict[tuple[str, ...], list[dt.datetime]] = {}
        self._ends: dict[tuple[str, ...], list[dt.datetime]] = {}
        for key in _in_order(upstream.partitioning, upstream.versions):
            values = labels_of(upstream.partitioning, key)
            group = tuple(values[name] for name in labels)
            self._keys.setdefault(group, []).append(key)
            if timed and (span := span_of(upstream.partitioning, key)):
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


def _in_order(partitioning: Partitioning, keys: Iterable[str]) -> list[str]:
    """The keys by time, then by key."""
    if time_column(partitioning) is None:
        return sorted(keys)
    return sorted(keys, key=lambda key: (span_of(partitioning, key), key))


def event_windows(
    partitioning: Partitioning, keys: Iterable[str], end: dt.datetime | None
) -> dict[str, EventWindow]:
    """The window of each of a table's partitions so far (`keys`); `end` is when its last partition
    ends (None: there is no last one)."""
    keys = list(keys)
    spans = _spans(partitioning, keys)
    after = [None, *(until for _, until in spans[:-1])]
    windows = {
        span: EventWindow(start, span[1], None if start else end)
        for span, start in zip(spans, after, strict=True)
    }
    return {key: windows[span] for key in keys if (span := span_of(partitioning, key))}


def _spans(partitioning: Partitioning, keys: Iterable[str]) -> list[Span]:
    return sorted({span for key in keys if (span := span_of(partitioning, key))})


def _by_event_time(
    partitioning: Partitioning, keys: Collection[str], upstream: Upstream, end: dt.datetime | None
) -> dict[str, tuple[str, ...]]:
    """For each partition, the input partitions with rows that count for it: see `EventWindow`.

    The partition that a row counts for must not change when partitions are added, and an early row
    must wait for its partition.
    """
    ends = [until for _, until in _spans(partitioning, keys)]
    read: list[list[str]] = [[] for _ in ends]
    for key in _in_order(upstream.partitioning, upstream.versions) if ends else ():
        span = (upstream.spans or {}).get(key)
        places: set[int] = set()
        if span:
            low, high = (bisect.bisect_right(ends, moment) for moment in span)
            places.update(range(low, min(high + 1, len(ends))))
        if span is None or key in upstream.undated or (end is not None and span[1] >= end):
            places.add(0)
        for place in places:
            read[place].append(key)
    by_end = dict(zip(ends, map(tuple, read), strict=True))
    of = {key: span[1] for key in keys if (span := span_of(partitioning, key))}
    return {key: by_end[of[key]] if key in of else () for key in keys}
