"""Plan what a step has to build: which partitions, from which versions of which inputs.

A plan holds everything that a build reads and replaces, looked up once, so that the commit can
detect other writers in between.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeVar

import dagster as dg

from data_platform.assets import Table
from data_platform.build.inputs import (
    Input,
    Inputs,
    changed_dimensions,
    inputs_of,
    newest_due,
)
from data_platform.build.platform import Platform
from data_platform.lake.files import files_by_partition, versions
from data_platform.lake.look import Look
from data_platform.lake.reads import ReadPlan
from data_platform.quality.freshness import is_stale
from data_platform.quality.mapping import Dimension
from data_platform.storage.errors import LakeError
from data_platform.tables.identity import WHOLE_TABLE, TableId

_COMPARED = 60  # partitions read before a range: volume compares 28, and some may have no rows

_T = TypeVar("_T", bound=Table)


@dataclass(frozen=True)
class Plan:
    """`keys` to build; the partitions each reads by input; `base`, the present version of each.

    `digests` of the inputs cover every requested partition that has inputs, to be built or not.
    Those in `waiting` read the named tables, which were never published; those in `expired` cannot
    be built, with the reason: a version of a dimension that they read has expired. `dimensions` is
    the state of its dimensions that each key is built from. `rows` counts the published rows of the
    requested partitions and of those that volume compares them with. `seconds`: how long a step
    took to plan.
    """

    table: Table
    keys: tuple[str, ...]
    digests: Mapping[str, str]
    base: Mapping[str, str]
    rows: Mapping[str, int] = field(default_factory=dict)
    inputs: Mapping[str, Input] = field(default_factory=dict)
    reads: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    waiting: Mapping[str, tuple[TableId, ...]] = field(default_factory=dict)
    dimensions: Mapping[str, str] = field(default_factory=dict)
    expired: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def read_plan(self, platform: Platform, name: str) -> ReadPlan:
        """The files of one input for all keys of the plan."""
        chosen = self.inputs[name]
        keys = sorted(set(chain.from_iterable(self.reads[name][key] for key in self.keys)))
        loaded = platform.lake.load(chosen.upstream.table)
        return ReadPlan.of(loaded, chain.from_iterable(chosen.files[key] for key in keys))

    def rows_of(self, name: str, key: str) -> int:
        """The number of rows of one input that a key is built from, from metadata."""
        chosen = self.inputs[name]
        return sum(f.record_count for k in self.reads[name][key] for f in chosen.files[k])


def plan(
    table: Table,
    platform: Platform,
    requested: Iterable[str],
    *,
    only_stale: bool,
    among: Collection[str] | None = None,
    look: Look | None = None,
) -> Plan:
    """The plan of the requested partitions: those with inputs, or only the stale ones; restricted
    to `among` if given. Pass `look` to share a cache when planning several tables.

    A partition without inputs (gone, or never landed) is left as it is.
    """
    requested = tuple(requested)
    if not requested:
        return Plan(table, (), {}, {})
    look = look or Look(platform.lake)
    present = look.files(table.id, _comparable(table, requested))
    found = versions(present)
    base = {key: found[key] for key in requested if key in found}
    if table.source:
        read = Inputs(digests=platform.ledger.digest(table.source.name, requested))
    else:
        read = inputs_of(table, platform, requested, base, look)
    keys = tuple(
        key
        for key in requested
        if key in read.digests and key not in read.waiting and (among is None or key in among)
    )
    if only_stale:
        stale = stale_keys(platform, table, base, read.digests)
        stale |= _under_other_dimensions(table, platform, read, base, look)
        keys = tuple(key for key in keys if key in stale)
    expired = {key: read.expired[key] for key in keys if key in read.expired}
    keys = tuple(key for key in keys if key not in expired)
    return Plan(
        table,
        keys,
        read.digests,
        {key: base[key] for key in keys if key in base},
        {key: sum(file.record_count for file in group) for key, group in present.items()},
        read.found,
        read.reads,
        read.waiting,
        read.dimensions,
        expired,
    )


def require_buildable(planned: Plan) -> Plan:
    """Return the plan. Raises LakeError if nothing can be built and something due has expired."""
    if planned.expired and not planned.keys:
        raise LakeError(next(iter(planned.expired.values())))
    return planned


def stale_plan(table: Table, platform: Platform, requested: Iterable[str]) -> Plan | None:
    """The plan of the stale ones of the requested partitions; None if the table cannot be planned,
    which `stale` and the sensors report."""

    def one(table: Table, platform: Platform, look: Look) -> Plan:
        return plan(table, platform, requested, only_stale=True, look=look)

    found = plans([table], platform, Look(platform.lake), trouble=lambda *_: None, one=one)
    return next(found, None)


def plan_all(table: Table, platform: Platform, look: Look | None = None) -> Plan:
    """The plan of all stale partitions of the table."""
    keys = table.partitions.get_partition_keys() if table.partitions else [WHOLE_TABLE]
    return plan(table, platform, keys, only_stale=True, look=look)


def plan_due(table: Table, platform: Platform, look: Look | None = None) -> Plan:
    """Like `plan_all`, and raises as `require_buildable` does."""
    return require_buildable(plan_all(table, platform, look))


def plans(
    tables: Iterable[_T],
    platform: Platform,
    look: Look,
    *,
    trouble: Callable[[Table, str], object],
    one: Callable[[_T, Platform, Look], Plan] = plan_due,
) -> Iterator[Plan]:
    """The plan of each table, made by `one`. A table that cannot be planned is reported to
    `trouble` with the reason and skipped; the others are planned."""
    for table in tables:
        try:
            planned = one(table, platform, look)
        except (LakeError, ValueError) as error:  # of its own state, or declaration
            trouble(table, str(error))
        else:
            yield planned


def _under_other_dimensions(
    table: Table, platform: Platform, read: Inputs, base: Mapping[str, str], look: Look
) -> set[str]:
    """The partitions that a changed dimension makes due although its digest does not include it:
    the newest one, for a dimension with changes="latest"; and each without a published version,
    since a new build may pass where the last one failed."""
    hows = [how for how in map(table.how, table.inputs) if isinstance(how, Dimension)]
    if all(how.changes == "all" for how in hows):
        return set()
    unpublished = {key for key in read.digests if key not in base}
    asked = set(unpublished)
    if any(how.changes == "latest" for how in hows):
        newest = newest_due(table, platform, read, look)
        asked |= set() if newest is None else {newest}
    counted = {key: ("latest", "as_of") if key in unpublished else ("latest",) for key in asked}
    return {
        key
        for key, build in platform.builds.latest(table.id, asked).items()
        if changed_dimensions(table, read.found, build.dimensions, counted[key])
    }


def _comparable(table: Table, requested: tuple[str, ...]) -> list[str] | None:
    """The requested keys and those before them, which volume compares with; None (all keys) if the
    partitions are not ordered by time."""
    if table.partitions is None or not requested:
        return list(requested)
    if not isinstance(table.partitions, dg.TimeWindowPartitionsDefinition):
        return None
    first = min(map(table.partitions.time_window_for_partition_key, requested))
    reach = dg.TimeWindow(first.start - _COMPARED * (first.end - first.start), first.start)
    return [*table.partitions.get_partition_keys_in_time_window(reach), *requested]


def current_versions(
    platform: Platform, table: TableId, keys: Iterable[str] | None
) -> dict[str, str]:
    """The published version of each partition; empty for a table that was never written."""
    if not platform.lake.exists(table):
        return {}
    return versions(files_by_partition(platform.lake.load(table), keys))


def stale_keys(
    platform: Platform, table: Table, base: Mapping[str, str], digests: Mapping[str, str]
) -> set[str]:
    """The partitions that were never built, or built from other inputs or under another
    contract."""
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
