"""Rollback to the version that a partition had in a snapshot, with its quarantine and duplicates.

A rollback is planned, then applied. It is a commit like any other: what it replaces stays in the
history, and readers see one version or the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from data_platform.lake.builds import Builds
from data_platform.lake.catalog import Lake
from data_platform.lake.errors import NotThere, UnreadableFile
from data_platform.lake.files import Files, data_files, files_by_partition, versions
from data_platform.lake.rejected import REJECTED_LAYERS, files_of_attempts, rejected_by
from data_platform.lake.upkeep.browse import require_partition, require_snapshot
from data_platform.lake.writing.commit import replace_with_rejected
from data_platform.lake.writing.staging import (
    Staged,
    directory,
    new_attempt,
    plain_layout,
    with_empty_partitions,
)
from data_platform.storage.errors import LakeError
from data_platform.storage.files import Storage
from data_platform.tables.identity import TableId
from data_platform.tables.outcomes import DATA


@dataclass(frozen=True)
class Rollback:
    """The versions of partitions that will be published again, their files and rejected rows.

    A partition that did not exist in that snapshot gets a new version without rows.
    """

    table: Table
    to: int
    base: Mapping[str, str]
    versions: Mapping[str, str]
    files: list[DataFile]
    beside: list[tuple[Table, list[DataFile]]]

    def apply(self) -> int:
        """Publish them; returns the id of the new snapshot. Raises PartitionConflict if another
        writer was first."""
        return replace_with_rejected(
            self.table,
            self.beside,
            keys=self.versions,
            add=self.files,
            base=self.base,
            properties={"data_platform.run": f"rollback to {self.to}"},
        )


def plan_rollback(
    lake: Lake,
    builds: Builds,
    storage: Storage,
    table_id: TableId,
    *,
    to: int,
    partition: str | None = None,
) -> Rollback | None:
    """The rollback of the table, or one partition, to the snapshot `to`; None if nothing differs.

    Raises LakeError if the table has no such snapshot, never had the partition, or has lost data
    files or rejected rows of that snapshot.
    """
    table = lake.load(table_id)
    require_snapshot(table, to)
    if partition is not None:
        require_partition(table, partition)
    keys = None if partition is None else [partition]
    then, now = files_by_partition(table, keys, to), files_by_partition(table, keys)
    if partition is not None and not then and not now:
        raise NotThere(f"{table_id} has no partition {partition}, now or in snapshot {to}")
    was, is_now = versions(then), versions(now)
    changed = sorted(key for key in {*was, *is_now} if was.get(key) != is_now.get(key))
    if not changed:
        return None
    back = {key: was[key] for key in changed if key in was}
    files = list(chain.from_iterable(then[key] for key in back))
    _require_whole(storage, files)
    beside = _beside(lake, builds, table_id, back)
    gone = [key for key in changed if key not in was]
    if gone:
        attempt = new_attempt("rollback")
        files += _without_rows(table, storage, attempt, gone)
        back |= dict.fromkeys(gone, attempt)
    return Rollback(table, to, is_now, back, files, beside)


def _require_whole(storage: Storage, files: list[DataFile]) -> None:
    for file, size in zip(files, storage.sizes([f.file_path for f in files]), strict=True):
        if size != file.file_size_in_bytes:
            raise UnreadableFile(file.file_path, "is not there, or not whole")


def _beside(
    lake: Lake, builds: Builds, table_id: TableId, back: Mapping[str, str]
) -> list[tuple[Table, list[DataFile]]]:
    found = []
    known = builds.of(table_id, back)
    for layer in REJECTED_LAYERS.values():
        if table := rejected_by(lake, table_id, layer):
            files = files_of_attempts(table, back)
            for key, build in known.items():
                _require_all(table, key, files, build.rejected[layer])
            found.append((table, list(chain.from_iterable(files.values()))))
    return found


def _require_all(table: Table, key: str, files: Files, rows: int) -> None:
    there = sum(file.record_count for file in files.get(key, ()))
    if there != rows:
        raise LakeError(
            f"{TableId.of(table.name())} remembers {there} of the {rows} rows that {key} rejected "
            "then, so the version would come back without them; roll back to a later snapshot, "
            "or build the partition again"
        )


def _without_rows(table: Table, storage: Storage, attempt: str, keys: list[str]) -> list[DataFile]:
    layout = plain_layout(table, attempt, storage)
    storage.make_folder(directory(table, attempt))
    staged = with_empty_partitions(Staged({}), table, layout, keys)
    return data_files(table, staged.files[DATA])
