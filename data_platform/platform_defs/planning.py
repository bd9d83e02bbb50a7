"""What a step has to build: which partitions, from which versions of which inputs.

Plan, then apply: a plan holds everything that a build reads and replaces, looked up once, so
that the commit can tell whether somebody else was there in between.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain

import dagster as dg

from data_platform.assets import Table
from data_platform.lake.files import Files, files_by_partition, partitioning, versions
from data_platform.lake.reads import ReadPlan
from data_platform.lake.table import WHOLE_TABLE, TableId
from data_platform.platform_defs.platform import Platform
from data_platform.quality.freshness import Trailing, Upstream, Window, digest, is_stale

_MOST_CANDIDATES = 5000  # beyond so many partitions, planning all of a table is no slower
_COMPARED = 60  # partitions before a range, so that volume finds its 28 though some have no rows


@dataclass(frozen=True)
class Input:
    """An input table as the plan found it: its live files by partition, its partitions, and the
    snapshot that lists them (None: it was never written)."""

    upstream: Upstream
    files: Files
    snapshot: int | None = None


@dataclass(frozen=True)
class Plan:
    """`keys` to build; the partitions each reads by input; `base`, the present version of each.

    `digests` of the inputs are of every requested partition that has any, to be built or not.
    `rows` are the published ones of the requested partitions and of those that volume compares
    them with.
    """

    table: Table
    keys: tuple[str, ...]
    digests: Mapping[str, str]
    base: Mapping[str, str]
    rows: Mapping[str, int] = field(default_factory=dict)
    inputs: Mapping[str, Input] = field(default_factory=dict)
    reads: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)

    def read_plan(self, platform: Platform, name: str) -> ReadPlan:
        """The files of one input for all keys of the plan."""
        chosen = self.inputs[name]
        keys = sorted(set(chain.from_iterable(self.reads[name][key] for key in self.keys)))
        schema = platform.lake.load(chosen.upstream.table).schema()
        return ReadPlan.of(schema, chain.from_iterable(chosen.files[key] for key in keys))

    def rows_of(self, name: str, key: str) -> int:
        """Rows of one input that a key is built from, by the metadata of what is on disk."""
        chosen = self.inputs[name]
        return sum(f.record_count for k in self.reads[name][key] for f in chosen.files[k])


def window(table: Table, key: str, back: Trailing | None = None) -> Window | None:
    """A partition's time; None for a table whose partitions are not times."""
    if not isinstance(table.partitions, dg.TimeWindowPartitionsDefinition):
        return None
    start, end = table.partitions.time_window_for_partition_key(key)
    start, end = start.replace(tzinfo=None), end.replace(tzinfo=None)
    return Window(back.start(start) if back else start, start, end)


def plan(
    table: Table,
    platform: Platform,
    requested: Iterable[str],
    *,
    only_stale: bool,
    among: Collection[str] | None = None,
) -> Plan:
    """What to build of the requested partitions: those with inputs, or the stale ones of them;
    `among` names the only ones that may be.

    A partition whose inputs are gone or never came is left as it is.
    """
    requested = tuple(requested)
    present = _present(platform, table, requested)
    found = versions(present)
    base = {key: found[key] for key in requested if key in found}
    if table.source:
        inputs, reads = {}, {}
        digests = platform.ledger.digest(table.source.name, requested)
    else:
        inputs = {
            name: _input(platform, table, name, upstream, requested)
            for name, upstream in table.inputs.items()
        }
        reads = {
            name: _reads(table, name, found.upstream, requested) for name, found in inputs.items()
        }
        digests = {
            key: digest(
                (inputs[name].upstream.table, read, inputs[name].upstream.versions[read])
                for name in inputs
                for read in reads[name][key]
            )
            for key in requested
            if any(reads[name][key] for name in inputs)
        }
    keys = tuple(key for key in requested if key in digests and (among is None or key in among))
    if only_stale:
        stale = stale_keys(platform, table, base, digests)
        keys = tuple(key for key in keys if key in stale)
    return Plan(
        table,
        keys,
        digests,
        {key: base[key] for key in keys if key in base},
        {key: sum(file.record_count for file in group) for key, group in present.items()},
        inputs,
        reads,
    )


def _present(platform: Platform, table: Table, requested: tuple[str, ...]) -> Files:
    """The table's own live files, as far as they matter to the requested partitions."""
    if not platform.lake.exists(table.id):
        return {}
    return files_by_partition(platform.lake.load(table.id), _comparable(table, requested))


def _comparable(table: Table, requested: tuple[str, ...]) -> list[str] | None:
    """The requested keys and those before them, which volume compares with; None for all keys,
    where the order of the partitions is not that of time."""
    if table.partitions is None or not requested:
        return list(requested)
    if not isinstance(table.partitions, dg.TimeWindowPartitionsDefinition):
        return None
    first = table.partitions.time_window_for_partition_key(min(requested))
    reach = dg.TimeWindow(first.start - _COMPARED * (first.end - first.start), first.start)
    return [*table.partitions.get_partition_keys_in_time_window(reach), *requested]


def current_versions(
    platform: Platform, table: TableId, keys: Iterable[str] | None
) -> dict[str, str]:
    """The published version of each partition; none for a table that was never written."""
    if not platform.lake.exists(table):
        return {}
    return versions(files_by_partition(platform.lake.load(table), keys))


def stale_keys(
    platform: Platform, table: Table, base: Mapping[str, str], digests: Mapping[str, str]
) -> set[str]:
    """The partitions that were never built, or from other inputs, or under another contract."""
    published = platform.builds.of(table.id, base)
    latest = platform.builds.latest(table.id, digests)
    return {
        key
        for key, inputs in digests.items()
        if is_stale(
            published=published.get(key),
            latest=latest.get(key),
            inputs=inputs,
            contract=table.version,
        )
    }


def _reads(
    table: Table, name: str, upstream: Upstream, requested: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    back = table.trailing.get(name)
    return {key: upstream.inputs(key, window(table, key, back)) for key in requested}


def _input(
    platform: Platform, table: Table, name: str, upstream: TableId, requested: tuple[str, ...]
) -> Input:
    if not platform.lake.exists(upstream):
        return Input(Upstream(upstream, (), (), {}), {})
    loaded = platform.lake.load(upstream)
    scheme = partitioning(loaded)
    files = files_by_partition(loaded, _candidates(table, name, scheme, requested))
    current = loaded.current_snapshot()
    snapshot = current.snapshot_id if current else None
    return Input(Upstream.of(upstream, scheme, versions(files)), files, snapshot)


def _candidates(table: Table, name: str, scheme, requested: tuple[str, ...]) -> list[str] | None:
    """The keys of an input that can matter, so that planning reads only their metadata."""
    if scheme.columns == ():
        return [WHOLE_TABLE]
    windows = [window(table, key, table.trailing.get(name)) for key in requested]
    kind = scheme.columns[0].type.typeName()
    if len(scheme.columns) > 1 or kind not in ("date", "timestamp", "timestamp_ntz"):
        return None if WHOLE_TABLE in requested else list(requested)
    known = [w for w in windows if w]
    if not known:
        return None
    step = dt.timedelta(days=1) if kind == "date" else dt.timedelta(hours=1)
    start, end = min(w.reaches_back_to for w in known), max(w.end for w in known)
    if (end - start) / step > _MOST_CANDIDATES:
        return None
    moments = (start + n * step for n in range(int((end - start) / step)))
    column = scheme.columns[0]
    return [column.text(m.date() if kind == "date" else m) for m in moments]
