"""A table as a backup has it: its metadata whole, its other files by reference.

The metadata file itself is copied: a table deletes its oldest ones as it is written to.
"""

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from pyiceberg.exceptions import NamespaceAlreadyExistsError
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata, TableMetadataUtil

from data_platform.lake.catalog import Lake
from data_platform.lake.errors import NotThere
from data_platform.lake.file_io import LakeFileIO
from data_platform.lake.pins import pin
from data_platform.lake.rejected import REJECTED_LAYERS
from data_platform.lake.relocation import Move, Relocation
from data_platform.storage.errors import LakeError
from data_platform.storage.files import Storage
from data_platform.tables.identity import TableId

_READERS = 8


@dataclass(frozen=True)
class TableCopy:
    """A table's metadata at one moment. `files` are those of its current snapshot, which a restored
    table cannot be without: locations and bytes, None where Iceberg does not say."""

    table: TableId
    metadata: TableMetadata
    files: Mapping[str, int | None]

    def to_json(self) -> str:
        """The copy as one line."""
        document = {
            "table": str(self.table),
            "snapshot": self.metadata.current_snapshot_id,
            "files": self.files,
            "metadata": json.loads(self.metadata.model_dump_json(exclude_none=True)),
        }
        return json.dumps(document)

    @classmethod
    def from_json(cls, line: str) -> "TableCopy":
        document = json.loads(line)
        metadata = TableMetadataUtil.parse_obj(document["metadata"])
        return cls(TableId.parse(document["table"]), metadata, document["files"])

    def relocation(self, lake: Lake, storage: Storage) -> Relocation:
        """How the table gets to its place in the lake's warehouse, from what is there now."""
        location = lake.location(self.table)
        there = {file.path: file.size for file in storage.files(location)}
        move = Move.of(self.table, self.metadata.location, location)
        return Relocation(self.table, self.metadata, move, there, LakeFileIO(dict(lake.properties)))


def tables_now(lake: Lake) -> dict[TableId, str]:
    """The metadata file of every table, as they are at one moment.

    Glue is asked table by table. A version's rejected rows are published before it, so their tables
    are asked for last: they hold those of each version that was found.
    """
    tables = sorted(lake.tables(), key=lambda table: table.layer in REJECTED_LAYERS.values())
    return lake.metadata_locations(tables)


def loaded(lake: Lake, found: Mapping[TableId, str]) -> list[Table]:
    """The tables as their metadata files have them.

    Raises NotThere if a table was written to so often since that its file is deleted.
    """

    def load(table: TableId) -> Table:
        try:
            return lake.as_of(table, found[table])
        except LakeError as error:
            if lake.metadata_locations([table])[table] == found[table]:
                raise
            raise NotThere(
                f"{table}: its metadata file was deleted by later writes while the backup was "
                "made; begin it again, at another place"
            ) from error

    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(load, found))


def copies(
    tables: Iterable[Table], name: str, now: dt.datetime, until: dt.datetime
) -> Iterator[TableCopy]:
    """Copies of tables, whose current snapshots are pinned until then under the backup's name, in
    the copies, too: they can be restored more than once.

    Raises NotThere if one has expired since it was loaded.
    """
    for table in tables:
        metadata = table.metadata
        current = metadata.current_snapshot()
        if current:
            tag = pin(table, current.snapshot_id, name, now, until)
            metadata = metadata.model_copy(update={"refs": {**metadata.refs, **tag}})
        files: dict[str, int | None] = {}
        if current:
            files[current.manifest_list] = None
            for manifest in current.manifests(table.io):
                files[manifest.manifest_path] = manifest.manifest_length
                for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
                    files[entry.data_file.file_path] = entry.data_file.file_size_in_bytes
        yield TableCopy(TableId.of(table.name()), metadata, files)


def copy_files(copy: TableCopy, lake: Lake, storage: Storage) -> None:
    """Copy the table's files that are not in the lake's warehouse from where they were."""
    location = copy.metadata.location
    move = Move.of(copy.table, location, lake.location(copy.table))
    if move.old == move.new:
        return
    there = {file.path: file.size for file in storage.files(lake.location(copy.table))}
    wanted = [f.path for f in storage.files(location) if there.get(move(f.path)) != f.size]
    # Those that were promoted from a virtual environment are elsewhere in the warehouse.
    beside = [p for p in copy.files if not p.startswith(f"{location}/") and move(p) != p]
    found = storage.sizes([move(path) for path in beside])
    wanted += [path for path, size in zip(beside, found, strict=True) if size is None]
    with ThreadPoolExecutor(_READERS) as pool:
        list(pool.map(lambda path: storage.copy(path, move(path)), wanted))


def register(lake: Lake, table: TableId, metadata_location: str) -> None:
    """Add a table to the catalog by its metadata file."""
    namespace, _ = table.identifier
    with suppress(NamespaceAlreadyExistsError):
        lake.catalog.create_namespace(namespace)
    lake.catalog.register_table(table.identifier, metadata_location)
