"""Drop a table or a partition, as if it had never been built: in catalog, ledger and Dagster.

A drop is planned, then applied, so that one can see first what is removed and what depends on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from data_platform.assets import Table
from data_platform.build.platform import Platform
from data_platform.lake.errors import NotThere
from data_platform.lake.rejected import REJECTED_LAYERS
from data_platform.lake.upkeep import drop as lake_drop
from data_platform.lake.upkeep.browse import count
from data_platform.landing.ledger.tables import Entry
from data_platform.runs.in_process import driving_idle
from data_platform.runs.scope import Scope
from data_platform.storage.errors import LakeError
from data_platform.tables.identity import TableId
from data_platform.telemetry.wording import counted


@dataclass(frozen=True)
class Drop:
    """What is removed. `rows` by table of the catalog; `loaded` are the objects whose rows are in
    the bronze table, None for other tables."""

    table_id: TableId
    partition: str | None
    declared: Table | None
    rows: dict[str, int]
    dependents: tuple[TableId, ...]
    loaded: tuple[Entry, ...]
    ordinary: bool = False

    @property
    def lines(self) -> list[str]:
        """What will happen, for confirmation."""
        what = f"partition {self.partition} of " if self.partition else ""
        found = [f"drops {what}{name}: {counted(rows, 'row')}" for name, rows in self.rows.items()]
        again = [entry for entry in self.loaded if entry.available]
        if again:
            found.append(
                f"to be loaded again by the next run: {counted(len(again), 'landed object')}"
            )
        elif self.declared:
            found.append("the next run builds it again, under the present declaration")
        elif self.ordinary:
            found.append("its asset builds it again when it is materialized; no sensor asks for it")
        else:
            found.append("no code declares it, so nothing builds it again")
        if gone := [entry.key for entry in self.loaded if not entry.available]:
            named = ", ".join(sorted(gone)[:5]) + (", ..." if len(gone) > 5 else "")
            found.append(
                f"LOST: the rows of {counted(len(gone), 'object')}, gone from the landing place, "
                f"are nowhere else: {named}"
            )
        for name in self.dependents:
            found.append(f"{name} depends on it: it stays as it is, and is built again after it")
        return found


@dataclass(frozen=True)
class Dropped:
    """What was dropped, and where its files still are."""

    planned: Drop
    location: str

    @property
    def lines(self) -> list[str]:
        """What was done, as lines to print."""
        planned = self.planned
        part = f"partition {planned.partition} of " if planned.partition else ""
        known = planned.partition or planned.declared
        deletes = "them after their grace" if known else "only those of tables that exist"
        found = [
            f"dropped {part}{planned.table_id}",
            f"its files stay in {self.location}; `data-platform clean` deletes {deletes}",
        ]
        return [*found, "`data-platform run` builds it again"] if planned.declared else found


def plan_drop(
    platform: Platform,
    tables: Sequence[Table],
    table_id: TableId,
    partition: str | None,
    *,
    ordinary: bool = False,
) -> Drop:
    """What would be removed; `ordinary` says that an ordinary asset writes the table.

    Raises LakeError for a table that is neither in the catalog nor declared, NotThere for a
    partition that does not exist.
    """
    if table_id.layer in REJECTED_LAYERS.values():
        raise LakeError(f"{table_id} holds rows that another table rejected: drop that one")
    declared = next((table for table in tables if table.id == table_id), None)
    there = lake_drop.tables_of(platform.lake, table_id)
    if not there and not declared:
        raise LakeError(f"there is no table {table_id} in the catalog, and no code declares it")
    if partition is not None:
        partition = lake_drop.partition_of(platform.lake, table_id, partition)
    loaded = ()
    if declared and declared.source:
        keys = None if partition is None else [partition]
        loaded = tuple(platform.ledger.loaded(declared.source.name, keys))
    rows = {str(name): count(table, partition=partition) for name, table in there}
    if partition is not None and not (
        any(rows.values()) or loaded or platform.builds.latest(table_id, [partition])
    ):
        raise NotThere(f"{table_id} {partition} was never built: there is nothing to drop")
    return Drop(
        table_id,
        partition,
        declared,
        rows,
        _dependents(tables, table_id),
        loaded,
        ordinary,
    )


def _dependents(tables: Sequence[Table], table_id: TableId) -> tuple[TableId, ...]:
    """The tables built from it, directly or not, in the order of the declarations."""
    found = {table_id}
    for _ in tables:
        found |= {table.id for table in tables if found & set(table.inputs.values())}
    return tuple(table.id for table in tables if table.id in found and table.id != table_id)


def apply_drop(scope: Scope, planned: Drop) -> Dropped:
    """Apply a planned drop.

    If it is interrupted, repeat it. The ledger is updated first: pending objects are noticed by
    the next run, objects that count as loaded in a missing table are not.

    Raises TablesBusy if a run builds these tables.
    """
    key, table_id = planned.partition, planned.table_id
    keys = None if key is None else [key]
    instance, platform = scope.instance, scope.platform
    with driving_idle(scope):
        if planned.declared and planned.declared.source:
            platform.ledger.unload(planned.declared.source.name, keys)
        platform.builds.forget(table_id, keys)
        lake_drop.drop(platform.lake, table_id, key)
        asset = dg.AssetKey(list(table_id.path))
        if key is None:
            instance.wipe_assets([asset])
        else:
            instance.wipe_asset_partitions(asset, [key])
            said = "dropped: there are no rows until it is built again"
            instance.report_runless_asset_event(
                dg.AssetObservation(asset, partition=key, description=said)
            )
    return Dropped(planned, platform.lake.location(table_id))
