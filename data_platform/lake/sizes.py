"""Sizes of tables in bytes, from their metadata: nothing is listed and no manifest is read."""

from collections.abc import Iterator
from dataclasses import dataclass

from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from data_platform.lake.catalog import Lake
from data_platform.lake.files import snapshots_in_order
from data_platform.lake.refusals import Guard, strict
from data_platform.tables.identity import TableId


@dataclass(frozen=True)
class TableBytes:
    """Bytes of a table's data files: the live ones, and those that only old snapshots refer to."""

    table: TableId
    current: int
    history: int

    @property
    def total(self) -> int:
        """Live and historic bytes together."""
        return self.current + self.history


def sizes(lake: Lake, guard: Guard = strict) -> Iterator[TableBytes]:
    """The sizes of every table of the catalog, quarantine and duplicates included."""
    for table_id in lake.tables():
        with guard(table_id):
            yield size_of(table_id, lake.load(table_id))


def size_of(table_id: TableId, table: Table) -> TableBytes:
    """The size by the snapshots' summaries: each file was in the oldest snapshot or was added
    since. A file that a rollback added again counts twice."""
    snapshots = snapshots_in_order(table)
    now = table.current_snapshot()
    if now is None:
        return TableBytes(table_id, 0, 0)
    current = _bytes(now, "total-files-size")
    ever = _bytes(snapshots[0], "total-files-size")
    ever += sum(_bytes(snapshot, "added-files-size") for snapshot in snapshots[1:])
    return TableBytes(table_id, current, max(ever - current, 0))


def _bytes(snapshot: Snapshot, name: str) -> int:
    summary = snapshot.summary.additional_properties if snapshot.summary else {}
    return int(summary.get(name, 0))
