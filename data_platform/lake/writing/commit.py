"""Publication: one Iceberg snapshot that replaces whole partitions, or nothing at all.

A commit deletes exactly the files that were live when the write was planned and adds the new
ones. Writers of other partitions do not disturb each other; of two writers of one partition the
second gets a PartitionConflict, never doubled rows.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter

from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.manifest import DataFile, ManifestEntry, ManifestEntryStatus, ManifestFile
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation

from data_platform.databases.fencing import require_held_now
from data_platform.lake.errors import PartitionConflict
from data_platform.lake.files import (
    Files,
    files_by_partition,
    manifest_filter,
    partition_record,
    partitioning_of,
    some,
    versions,
)
from data_platform.lake.pyiceberg_internals import LeanTransaction, Overwrite
from data_platform.tables.identity import TableId

# A manifest is the unit that planning reads, so none lists many more files than this ...
_FILES_PER_MANIFEST = 200
# ... and the manifest list is read whole, so small ones (one for each daily commit) are merged
# once there are this many.
_SMALL = 100
_SMALL_MANIFESTS = 50


def replace_partitions(
    table: Table,
    *,
    keys: Iterable[str],
    add: Iterable[DataFile],
    base: Mapping[str, str] | None,
    properties: Mapping[str, str],
    keep: Callable[[str, DataFile], bool] = lambda key, file: False,
    live: Files | None = None,
) -> int:
    """Publish `add` in place of everything that `keys` hold now; returns the snapshot's id.

    `base` is the version each key had when the write was planned (None: any). Files of a key for
    which `keep(key, file)` holds are kept. `properties` go into the snapshot's summary. `live` has
    the files of `keys` in this very `table`, if the caller has read them already.

    Raises PartitionConflict if another writer replaced one of the partitions meanwhile, LeaseLost
    within a `fenced` block whose lease is lost.
    """
    require_held_now()  # Glue's commits cannot be refused by a lease; those in a database are, too
    keys = sorted(set(keys))
    added = list(add)
    if live is None:
        live = files_by_partition(table, keys)
    live = {key: live[key] for key in keys if key in live}
    if base is not None:
        require_base(table, base, live, keys)
    dropped = [file for key in keys for file in live.get(key, []) if not keep(key, file)]
    partitioning = partitioning_of(table)
    transaction = LeanTransaction(table)
    producer = _ReplacePartitions(
        operation=Operation.OVERWRITE if table.current_snapshot() else Operation.APPEND,
        transaction=transaction,
        io=table.io,
        snapshot_properties=dict(properties),
    )
    wanted = [partitioning.values(key) for key in keys]
    producer.touches = manifest_filter(table, wanted)
    producer.keys, producer.planned = keys, _paths(live)
    for file in dropped:
        producer.delete_data_file(file)
    for file in added:
        producer.append_data_file(file)
    try:
        producer.commit()
        transaction.commit_transaction()
    except (ValidationException, CommitFailedException) as error:
        raise PartitionConflict(
            f"{TableId.of(table.name())}: another writer published one of the partitions "
            f"{some(keys)} first; nothing of this write was published, run it again ({error})"
        ) from error
    return producer.snapshot_id


def replace_with_rejected(
    table: Table,
    beside: Iterable[tuple[Table, list[DataFile]]],
    *,
    keys: Iterable[str],
    add: Iterable[DataFile],
    base: Mapping[str, str],
    properties: Mapping[str, str],
) -> int:
    """Publish versions that are complete already, the rejected rows of each (`beside`) before the
    table itself; returns the id of the table's new snapshot. Raises as `replace_partitions`, and
    where another writer was first before anything is committed."""
    keys = sorted(keys)
    require_base(table, base, files_by_partition(table, keys), keys)
    for rejecting, files in beside:
        if files or files_by_partition(rejecting, keys):
            replace_partitions(rejecting, keys=keys, add=files, base=None, properties=properties)
    properties = {**properties, "data_platform.partitions": str(len(keys))}
    return replace_partitions(table, keys=keys, add=add, base=base, properties=properties)


def require_base(table: Table, base: Mapping[str, str], live: Files, keys: Iterable[str]) -> None:
    """Raises PartitionConflict if a key's `live` files are not of its `base` version."""
    now = versions(live)
    if moved := [key for key in keys if base.get(key) != now.get(key)]:
        raise PartitionConflict(
            f"{TableId.of(table.name())}: another writer published {some(moved)} while this run "
            "was computing them from older inputs; nothing of it was published, run it again"
        )


class _ReplacePartitions(Overwrite):
    """PyIceberg's overwrite, for many partitions at once and for thousands of commits.

    It prunes manifests by one set of partitions (PyIceberg builds a tree with a branch for each
    deleted file) and keeps manifests at a size that planning can read. If others committed
    meanwhile, it compares the files of its partitions with those it planned to replace: PyIceberg
    compares bounds, which misses files without rows and reports a conflict for any two writes of
    more than 200 partitions.
    """

    touches: Callable[[ManifestFile], bool]
    keys: list[str]
    planned: set[str]

    def may_list(self, manifest: ManifestFile) -> bool:
        return self.touches(manifest)

    def require_unchanged(self, table: Table) -> None:
        if _paths(files_by_partition(table, self.keys)) != self.planned:
            raise ValidationException("its files are not those that this write was to replace")

    def arranged(self, manifests: list[ManifestFile]) -> list[ManifestFile]:
        small = [m for m in manifests if _live(m) <= _SMALL]
        large = [m for m in manifests if _live(m) > 2 * _FILES_PER_MANIFEST]
        reshape = large + (small if len(small) >= _SMALL_MANIFESTS else [])
        if not reshape:
            return manifests
        chosen = set(map(attrgetter("manifest_path"), reshape))
        entries = [entry for m in reshape for entry in self._entries(m)]
        entries.sort(key=lambda entry: partition_record(entry.data_file))
        kept = [m for m in manifests if m.manifest_path not in chosen]
        return kept + [self._written(chunk) for chunk in _chunks(entries)]

    def _entries(self, manifest: ManifestFile) -> Iterator[ManifestEntry]:
        for entry in self.fetch_manifest_entry(manifest, discard_deleted=False):
            if entry.status != ManifestEntryStatus.DELETED or entry.snapshot_id == self.snapshot_id:
                yield entry

    def _written(self, entries: list[ManifestEntry]) -> ManifestFile:
        with self.new_manifest_writer(self.spec(entries[0].data_file.spec_id)) as writer:
            for entry in entries:
                match entry.status:
                    case ManifestEntryStatus.DELETED:
                        writer.delete(entry)
                    case ManifestEntryStatus.ADDED if entry.snapshot_id == self.snapshot_id:
                        writer.add(entry)
                    case _:
                        writer.existing(entry)
        return writer.to_manifest_file()


def _paths(files: Files) -> set[str]:
    return {file.file_path for group in files.values() for file in group}


def _live(manifest: ManifestFile) -> int:
    return (manifest.added_files_count or 0) + (manifest.existing_files_count or 0)


def _chunks(entries: list[ManifestEntry]) -> Iterator[list[ManifestEntry]]:
    for start in range(0, len(entries), _FILES_PER_MANIFEST):
        yield entries[start : start + _FILES_PER_MANIFEST]
