"""Relocate the tables of a warehouse that was moved, or copied, to where the settings say it is.

The catalog still names the metadata files of the old place. They are rewritten at the new one, for
all tables before the catalog is changed, in one transaction.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pyiceberg.catalog.sql import IcebergTables, SqlCatalog
from pyiceberg.serializers import FromInputFile
from sqlalchemy import update

from data_platform.lake.catalog import Lake
from data_platform.lake.file_io import LakeFileIO
from data_platform.lake.files import some
from data_platform.lake.relocation import Move, Relocation
from data_platform.storage.errors import LakeError
from data_platform.storage.files import Storage
from data_platform.tables.identity import TableId


@dataclass(frozen=True)
class Moved:
    """The tables that are not where the catalog says, with their metadata files there."""

    lake: Lake
    tables: Mapping[str, Relocation]

    def apply(self) -> None:
        """Rewrite the metadata, then have the catalog name it."""
        written = {old: each.write() for old, each in self.tables.items()}
        catalog = self.lake.catalog
        assert isinstance(catalog, SqlCatalog)
        location, before = IcebergTables.metadata_location, "previous_metadata_location"
        with catalog.engine.begin() as connection:
            for old, new in written.items():
                row = update(IcebergTables).where(location == old)
                connection.execute(row.values({location.key: new, before: None}))


def plan_relocation(lake: Lake, storage: Storage) -> Moved:
    """The tables that must be relocated, empty if all are where the catalog says.

    Raises LakeError if the catalog is no database, if a table was never in a warehouse, or if files
    of a current snapshot are missing at the new place.
    """
    if not isinstance(lake.catalog, SqlCatalog):
        raise LakeError(
            "the tables of Glue cannot be relocated in place: `data-platform backup` them, and "
            "restore them with the settings of the new place"
        )
    found, missing = {}, []
    for table, metadata_location in lake.metadata_locations(lake.tables()).items():
        old = metadata_location.rpartition("/metadata/")[0]
        if old == lake.location(table):
            continue
        each = _relocation(lake, storage, table, Move(old, lake.location(table)), metadata_location)
        missing += each.missing()
        found[metadata_location] = each
    if missing:
        raise LakeError(
            f"{len(missing):,} files of the tables are not in {lake.warehouse}: {some(missing)}; "
            "copy them there first. Nothing was changed"
        )
    return Moved(lake, found)


def _relocation(
    lake: Lake, storage: Storage, table: TableId, move: Move, metadata_location: str
) -> Relocation:
    io = LakeFileIO(dict(lake.properties))
    try:
        metadata = FromInputFile.table_metadata(io.new_input(move(metadata_location)))
    except FileNotFoundError as error:
        raise LakeError(
            f"{table}: the catalog has it at {move.old}, and its metadata is not at {move.new}; "
            "copy its files there, or name the warehouse that has them in "
            "DATA_PLATFORM_WAREHOUSE. Nothing was changed"
        ) from error
    there = {file.path for file in storage.files(move.new)}
    return Relocation(table, metadata, move, there, io)
