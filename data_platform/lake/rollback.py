"""Going back: the version a partition had in a snapshot, with its quarantine and duplicates.

A rollback is a commit like any other, so what it replaces stays in the history and readers see
one version or the other.
"""

from dataclasses import dataclass

from pyiceberg.table import Table

from data_platform.lake.browse import require_partition, require_snapshot
from data_platform.lake.catalog import Lake
from data_platform.lake.commit import replace_partitions
from data_platform.lake.errors import LakeError
from data_platform.lake.files import files_by_partition, versions
from data_platform.lake.publish import BESIDE, files_of_attempts, rejected_by
from data_platform.lake.table import TableId


@dataclass(frozen=True)
class RolledBack:
    """The new snapshot, and the version that each changed partition has now (None: none)."""

    snapshot_id: int
    versions: dict[str, str | None]


def rollback(
    lake: Lake, table_id: TableId, *, to: int, partition: str | None = None
) -> RolledBack | None:
    """Publish what the table, or one partition, held in the snapshot `to`; None: nothing differs.

    Raises LakeError where the table does not remember the snapshot or never had the partition.
    """
    table = lake.load(table_id)
    require_snapshot(table, to)
    if partition is not None:
        require_partition(table, partition)
    keys = None if partition is None else [partition]
    then, now = files_by_partition(table, keys, to), files_by_partition(table, keys)
    if partition is not None and not then and not now:
        raise LakeError(f"{table_id} has no partition {partition}, now or in snapshot {to}")
    was, is_now = versions(then), versions(now)
    changed = sorted(key for key in {*was, *is_now} if was.get(key) != is_now.get(key))
    if not changed:
        return None
    properties = {"data_platform.run": f"rollback to {to}"}
    for layer in BESIDE.values():
        if beside := rejected_by(lake, table_id, layer):
            _restore_beside(beside, was, changed, properties)
    snapshot = replace_partitions(
        table,
        keys=changed,
        add=(file for key in changed for file in then.get(key, [])),
        base=is_now,
        properties={**properties, "data_platform.partitions": str(len(changed))},
    )
    return RolledBack(snapshot, {key: was.get(key) for key in changed})


def _restore_beside(
    table: Table, was: dict[str, str], changed: list[str], properties: dict
) -> None:
    add = list(files_of_attempts(table, {key: was[key] for key in changed if key in was}))
    if add or files_by_partition(table, changed):
        replace_partitions(table, keys=changed, add=add, base=None, properties=properties)
