"""Relocate the tables of a warehouse that was moved, or copied, to where the settings say it is.

The catalog still names the metadata files of the old place. They are rewritten at the new one, for
all tables before the catalog is changed, in one transaction. What else names the old place is
changed in between: afterwards nothing tells how a table moved.
"""

from collections.abc import Collection, Iterator, Mapping
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
class Rewritten:
    """Tables whose metadata was rewritten at their new place: the new metadata files by the old
    ones, how files moved, and how many snapshots of each table were left out since files of theirs
    are gone."""

    locations: Mapping[str, str]
    moves: Collection[Move]
    forgotten: Mapping[TableId, int]


def rewrite(lake: Lake, storage: Storage) -> Rewritten:
    """Rewrite the metadata of the tables that are not where the catalog says; nothing names the new
    files yet. Empty if all are where it says.

    Raises LakeError if the catalog is no database, or if files of a current snapshot are missing at
    the new place.
    """
    _database(lake)
    missing = [path for _, each in _relocations(lake, storage) for path in each.missing()]
    if missing:
        raise LakeError(
            f"{len(missing):,} files of the tables are not in {lake.warehouse}: {some(missing)}; "
            "copy them there first. Nothing was changed"
        )
    written, moves, forgotten = {}, set(), {}
    for old, each in _relocations(lake, storage):
        written[old] = each.write()
        moves.add(each.move)
        forgotten[each.table] = each.forgotten()
    return Rewritten(written, moves, forgotten)


def adopt(lake: Lake, rewritten: Rewritten) -> None:
    """Have the catalog name the new metadata files instead of the old ones."""
    location, before = IcebergTables.metadata_location, "previous_metadata_location"
    with _database(lake).engine.begin() as connection:
        for old, new in rewritten.locations.items():
            row = update(IcebergTables).where(location == old)
            connection.execute(row.values({location.key: new, before: None}))


def _database(lake: Lake) -> SqlCatalog:
    if isinstance(lake.catalog, SqlCatalog):
        return lake.catalog
    raise LakeError(
        "the tables of Glue cannot be relocated in place: `data-platform backup` them, and "
        "restore them with the settings of the new place"
    )


def _relocations(lake: Lake, storage: Storage) -> Iterator[tuple[str, Relocation]]:
    """The tables that are elsewhere, each with the metadata file that the catalog names."""
    for table, metadata_location in lake.metadata_locations(lake.tables()).items():
        old = metadata_location.rpartition("/metadata/")[0]
        move = Move.of(table, old, lake.location(table))
        if move.old != move.new:
            yield metadata_location, _relocation(lake, storage, table, move, metadata_location)


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
    there = {file.path: file.size for file in storage.files(lake.location(table))}
    return Relocation(table, metadata, move, there, io)
