"""Look up what the partitions of a table read, once for a plan and its build, so that they agree.

This module has what depends on the lake: which partitions an input has, which of them each
partition reads, and what it waits for. Declarations of what to read are in `quality.mapping`.
"""

import datetime as dt
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from data_platform.assets import Table
from data_platform.build.platform import Platform
from data_platform.lake.bounds import PartitionFiles, has_nulls, time_bounds
from data_platform.lake.catalog import LakeTable
from data_platform.lake.files import Files, partitioning_of, versions
from data_platform.lake.look import Look
from data_platform.lake.snapshots import current_snapshot_id, has_snapshot
from data_platform.quality.freshness import digest
from data_platform.quality.held import named
from data_platform.quality.mapping import Changes, Dimension, EventTime, How, Trailing
from data_platform.quality.windows import (
    Reads,
    Span,
    Upstream,
    is_dimension,
    reach,
    reads_of,
    span_of,
    time_column,
    zone_of,
)
from data_platform.storage.errors import LakeError
from data_platform.tables.calendars import Calendar
from data_platform.tables.identity import WHOLE_TABLE, Partitioning, TableId

_MOST_CANDIDATES = 5000  # for more partitions, planning the whole table is no slower


@dataclass(frozen=True)
class Input:
    """The present state of an input table: its live files by partition, its partitions, and their
    snapshot (None if it was never written)."""

    upstream: Upstream
    files: Files
    snapshot: int | None = None

    @property
    def digest(self) -> str:
        """A digest of the versions of all its partitions."""
        return digest((self.upstream.table, k, v) for k, v in self.upstream.versions.items())


@dataclass(frozen=True)
class Inputs:
    """What the requested partitions of a table read, by input and partition.

    `digests` has the partitions that have something of their own in an input; those in `waiting`
    cannot be built before the named tables are published. `dimensions` is the state of its
    dimensions that each reads, for the register of builds; those in `expired` would read a version
    that has expired, with the reason.
    """

    found: Mapping[str, Input] = field(default_factory=dict)
    reads: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    waiting: Mapping[str, tuple[TableId, ...]] = field(default_factory=dict)
    dimensions: Mapping[str, str] = field(default_factory=dict)
    expired: Mapping[str, str] = field(default_factory=dict)
    requested: frozenset[str] = frozenset()


def inputs_of(
    table: Table,
    platform: Platform,
    requested: Collection[str],
    published: Mapping[str, str],
    look: Look,
) -> Inputs:
    """Look up the inputs; `published` are the versions of the requested partitions that have one.

    A published partition is also due if its rows were corrected to another time, so that an input
    read by event time no longer has rows for it.

    Raises LakeError if an input's partitions have no mapping to the table's.
    """
    found = {name: _input(table, look, name, requested) for name in table.inputs}
    reads = {name: _reads(table, name, each.upstream, requested) for name, each in found.items()}
    by_event_time = any(
        isinstance(table.how(n), EventTime) and f.snapshot for n, f in found.items()
    )
    due = [
        key
        for key in requested
        if any(each.own.get(key) for each in reads.values()) or (by_event_time and key in published)
    ]
    missing = tuple(table.inputs[name] for name, each in found.items() if each.snapshot is None)
    counted = [name for name in found if _counts(table.how(name))]
    digests = {
        key: digest(
            (found[name].upstream.table, read, found[name].upstream.versions[read])
            for name in counted
            for read in reads[name].window.get(key, ())
        )
        for key in due
    }
    windows = {name: dict(each.window) for name, each in reads.items()}
    states, expired = _dimensions(table, platform, look, found, windows, due, published)
    waiting = dict.fromkeys(due, missing) if missing else {}
    return Inputs(found, windows, digests, waiting, states, expired, frozenset(requested))


def newest_due(table: Table, platform: Platform, known: Inputs, look: Look) -> str | None:
    """The latest partition that has something of its own in an input; `known` are the inputs of the
    planned partitions."""
    keys = table.partitions.get_partition_keys() if table.partitions else [WHOLE_TABLE]
    due = known.digests
    if not known.requested.issuperset(keys):
        due = inputs_of(table, platform, keys, {}, look).digests
    return next((key for key in reversed(keys) if key in due), None)


def changed_dimensions(
    table: Table, found: Mapping[str, Input], recorded: str, changes: Iterable[str]
) -> list[str]:
    """The dimensions with one of these `changes` whose state differs from the recorded one."""
    known = json.loads(recorded or "{}")
    return [
        name
        for name, each in found.items()
        if name in known
        and _changes(table.how(name)) in changes
        and known[name]["versions"] != each.digest
    ]


def _changes(how: How | None) -> Changes:
    return how.changes if isinstance(how, Dimension) else "all"


def _counts(how: How | None) -> bool:
    """Whether a change of the input makes every partition that reads it stale."""
    return _changes(how) == "all"


def _input(table: Table, look: Look, name: str, requested: Collection[str]) -> Input:
    upstream, how = table.inputs[name], table.how(name)
    loaded = look.find(upstream)
    snapshot = current_snapshot_id(loaded) if loaded else None
    if loaded is None or snapshot is None:
        return Input(Upstream(upstream, table.partitioning, {}), {})
    partitioning = partitioning_of(loaded)
    files = look.files(upstream, _candidates(table, how, partitioning, requested))
    spans, undated = None, frozenset()
    if isinstance(how, EventTime):
        spans = {key: _span_of(loaded, how.column, group, table) for key, group in files.items()}
        undated = frozenset(k for k, group in files.items() if has_nulls(loaded, how.column, group))
    found = Upstream(upstream, partitioning, versions(files), spans, undated)
    return Input(found, files, snapshot)


def _reads(table: Table, name: str, upstream: Upstream, requested: Collection[str]) -> Reads:
    how = table.how(name)
    if isinstance(how, EventTime) and table.partitions:
        keys, calendar = table.partitions.get_partition_keys(), Calendar.of(table.partitions)
        end = calendar.end if calendar else None
        return reads_of(table.partitioning, keys, how, upstream, end=end)
    unmapped = how is None and is_dimension(table.partitioning, how, upstream.partitioning)
    if unmapped and time_column(upstream.partitioning) and not time_column(table.partitioning):
        raise LakeError(
            f"{table.id}: its partitions have nothing in common with those of its input "
            f"{upstream.table} ({', '.join(upstream.partitioning.names)}); say in "
            f"ins={{{name!r}: ...}} that it reads everything() of it, or that it is a dimension()"
        )
    return reads_of(table.partitioning, requested, how, upstream)


def _candidates(
    table: Table, how: How | None, partitioning: Partitioning, requested: Collection[str]
) -> list[str] | None:
    """The keys of an input that may be read, so that planning reads only their metadata; None:
    all."""
    if not partitioning.columns:
        return [WHOLE_TABLE]
    column, timed = partitioning.columns[0], time_column(table.partitioning)
    if (
        len(partitioning.columns) > 1
        or column != time_column(partitioning)
        or not (timed and requested)
    ):
        return None
    if column.times is None or not isinstance(how, Trailing | None):
        return None
    spans = [span for key in requested if (span := span_of(table.partitioning, key))]
    start, end = min(start for start, _ in spans), max(end for _, end in spans)
    if isinstance(how, Trailing):
        start = min(reach(table.partitioning, key, how) for key in requested)
    keys: list[str] = []
    while start < end:
        if len(keys) == _MOST_CANDIDATES:
            return None
        keys.append(column.times.key(start))
        _, start = column.times.span(keys[-1])
    return keys


def _span_of(loaded: LakeTable, name: str, files: PartitionFiles, table: Table) -> Span | None:
    """The span of times in a column; values without a time zone are in the table's."""
    if (bounds := time_bounds(loaded, name, files)) is None:
        return None
    zone = zone_of(table.partitioning)
    low, high = (m if m.tzinfo else m.replace(tzinfo=zone) for m in bounds)
    return low.astimezone(dt.UTC), high.astimezone(dt.UTC)


def _dimensions(
    table: Table,
    platform: Platform,
    look: Look,
    found: Mapping[str, Input],
    windows: dict[str, dict[str, tuple[str, ...]]],
    due: list[str],
    published: Mapping[str, str],
) -> tuple[dict[str, str], dict[str, str]]:
    """The state of the dimensions that each due partition reads, as text; partitions that read them
    as of their first build get the files of that version. Also those whose version has expired."""
    names = [
        name
        for name, each in found.items()
        if each.snapshot
        and is_dimension(table.partitioning, table.how(name), each.upstream.partitioning)
    ]
    if not names:
        return {}, {}
    expired: dict[str, str] = {}
    now = {n: {"snapshot": str(found[n].snapshot), "versions": found[n].digest} for n in names}
    states = {key: dict(now) for key in due}
    for name in names:
        if _changes(table.how(name)) == "as_of":
            builds = platform.builds.of(table.id, {k: published[k] for k in due if k in published})
            recorded = {key: build.dimensions for key, build in builds.items()}
            expired |= _as_of(table, look, name, found[name], windows[name], states, recorded)
    return {key: json.dumps(state, sort_keys=True) for key, state in states.items()}, expired


def _as_of(
    table: Table,
    look: Look,
    name: str,
    source: Input,
    window: dict[str, tuple[str, ...]],
    states: dict[str, dict[str, dict[str, str]]],
    recorded: Mapping[str, str],
) -> dict[str, str]:
    """Make published partitions read the dimension as at their first build; returns those that
    cannot, and why."""
    loaded, expired = look.find(source.upstream.table), {}
    for key, text in recorded.items():
        then = json.loads(text or "{}").get(name)
        if not then or then == states[key][name] or loaded is None:
            continue
        states[key][name] = then
        snapshot = int(then["snapshot"])
        if not has_snapshot(loaded, snapshot):
            expired[key] = (
                f"{table.id} {key} reads {source.upstream.table} as of its snapshot {snapshot}, "
                "which has expired; declare dimension(changes='latest'), or build it anew from the "
                f"present one: `data-platform drop {named(table.id, key)}`, then "
                "`data-platform run`. A longer retention in the contract of the dimension keeps "
                "the versions that are read yet"
            )
            continue
        window[key] = tuple(_files_of_then(look, source, snapshot))
    return expired


def _files_of_then(look: Look, source: Input, snapshot: int) -> Iterator[str]:
    """Names for the partitions of another snapshot; their files are added to the input."""
    marked = f"\0{snapshot}"  # no partition key has such a character
    if not any(name.endswith(marked) for name in source.files):
        for key, files in look.files(source.upstream.table, None, snapshot).items():
            source.files[key + marked] = files
    yield from (name for name in source.files if name.endswith(marked))
