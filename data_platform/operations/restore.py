"""Restore a backup into an empty database and home, in the same warehouse or in another place.

Everything is looked at before anything is written. The ledger is written last: what it does not
hold was not restored.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa

from data_platform.build.platform import Platform
from data_platform.databases import migration
from data_platform.databases.connections import Database
from data_platform.databases.copies import load_rows, load_tables, read_file
from data_platform.databases.tables import METADATA
from data_platform.databases.urls import is_sqlite
from data_platform.lake.files import some
from data_platform.lake.relocation import Move
from data_platform.lake.staged_paths import move_staged_paths
from data_platform.lake.table_copies import TableCopy, copy_files, register
from data_platform.landing.ledger.tables import rename_bucket
from data_platform.operations.backup import (
    DAGSTER,
    FORMAT,
    LEDGER,
    LEDGER_TABLES,
    TABLES,
    dagster_files,
    dagster_version,
)
from data_platform.runs.home import prepare_home
from data_platform.runs.instance import open_instance, upgrade_storage
from data_platform.settings.model import Settings
from data_platform.storage.archive import Archive, open_archive
from data_platform.storage.errors import LakeError
from data_platform.tables.identity import TableId
from data_platform.telemetry.wording import counted

_EMPTY = "a backup is restored into a new home and empty databases: name others in the settings"


class RestoreError(LakeError):
    """A backup cannot be restored here; the message says why and what to do."""


@dataclass(frozen=True)
class Restored:
    """What was restored: the backup's moment, how many tables, and how many snapshots of which
    tables were left out since files of theirs are gone."""

    made: dt.datetime
    tables: int
    forgotten: Mapping[TableId, int]

    @property
    def lines(self) -> list[str]:
        """What was done, as lines to print."""
        return [
            f"{counted(self.tables, 'table')} as of {self.made:%Y-%m-%d %H:%M:%S} UTC",
            *(
                f"{table}: {counted(n, 'snapshot')} left out of its history, whose files are gone"
                for table, n in self.forgotten.items()
            ),
        ]


def restore(platform: Platform, place: str, *, copy: bool = False) -> Restored:
    """Restore a backup to where the platform's settings say; with `copy`, files of tables that are
    not in their warehouse are copied from where they were.

    Raises ArchiveError for a backup that is not whole, RestoreError if the place to restore to is
    not empty or files of tables are missing, DatabaseTooNew for a backup of a later version.
    """
    archive = open_archive(place, platform.storage)
    _require_known(archive)
    prepare_home(platform.settings)
    _require_empty(platform, archive)
    archive.verify()
    if copy:
        for each in _copies(archive):
            copy_files(each, platform.lake, platform.storage)
    _require_files(platform, archive)
    _restore_dagster(platform, archive)
    tables, forgotten = _restore_tables(platform, archive)
    _restore_ledger(platform, archive)
    made = dt.datetime.fromisoformat(archive.about["made"])
    return Restored(made, tables, forgotten)


def _require_known(archive: Archive) -> None:
    if archive.about["format"] > FORMAT:
        raise RestoreError(
            f"the backup {archive.place} was made by a later version of this package, "
            f"{archive.about['package']}; restore it with that one"
        )
    migration.require_known(archive.about["migration"], f"in the backup {archive.place}")
    made_with = archive.about["dagster_version"]
    if archive.about[DAGSTER]["kind"] == "postgresql" and made_with != dagster_version():
        raise RestoreError(
            f"the backup {archive.place} has tables of Dagster {made_with}, and this is Dagster "
            f"{dagster_version()}; restore it with the package that made it, "
            f"{archive.about['package']}, then run `data-platform migrate` with this one"
        )


def _require_empty(platform: Platform, archive: Archive) -> None:
    settings = platform.settings
    kinds = {
        LEDGER: ("DATA_PLATFORM_LEDGER", is_sqlite(settings.ledger_uri)),
        DAGSTER: ("DATA_PLATFORM_DAGSTER_DATABASE", not settings.dagster_database),
    }
    for part, (setting, in_files) in kinds.items():
        if (kind := archive.about[part]["kind"]) != ("sqlite" if in_files else "postgresql"):
            raise RestoreError(
                f"the backup {archive.place} has its {part} from {kind}, and {setting} is "
                f"{'a file of SQLite' if in_files else 'on PostgreSQL'}; set it to {kind}"
            )
    if found := platform.lake.tables():
        raise RestoreError(f"the catalog has tables already, such as {found[0]}; {_EMPTY}")
    with platform.builds.database.restoring() as connection:
        migration.require_known(migration.version_of(connection), settings.ledger_uri)
        if _rows(connection, [table.name for table in METADATA.sorted_tables]):
            raise RestoreError(f"the ledger, {settings.ledger_uri}, is not empty; {_EMPTY}")
    with _dagster(settings) as connection:
        if _rows(connection, ("runs", "event_logs")) if connection else dagster_files(settings):
            raise RestoreError(f"Dagster has a history here already; {_EMPTY}")


def _copies(archive: Archive) -> Iterator[TableCopy]:
    with archive.reading(TABLES) as source:
        yield from map(TableCopy.from_json, TextIOWrapper(source, "utf-8"))


def _require_files(platform: Platform, archive: Archive) -> None:
    """Raises RestoreError naming the files of current snapshots that are missing, ForeignTable if
    a catalog that others share has a table of the same name."""
    missing: list[str] = []
    for copy in _copies(archive):
        platform.lake.find(copy.table)
        missing += copy.relocation(platform.lake, platform.storage).absent(copy.files)
    if missing:
        raise RestoreError(
            f"{counted(len(missing), 'file')} of the tables missing or cut short: "
            f"{some(missing)}; copy them from {archive.about['warehouse']} to "
            f"{platform.settings.warehouse_uri}, or name another warehouse. Nothing was changed"
        )


def _restore_tables(platform: Platform, archive: Archive) -> tuple[int, dict[TableId, int]]:
    """How many tables there are now, and how many snapshots of which were left out."""
    tables, forgotten = 0, {}
    for copy in _copies(archive):
        relocation = copy.relocation(platform.lake, platform.storage)
        register(platform.lake, copy.table, relocation.write())
        tables += 1
        if gone := relocation.forgotten():
            forgotten[copy.table] = gone
    return tables, forgotten


def _restore_dagster(platform: Platform, archive: Archive) -> None:
    described, settings = archive.about[DAGSTER], platform.settings
    if described["kind"] == "sqlite":
        for name in described["files"]:
            target = settings.dagster_home / name.removeprefix(f"{DAGSTER}/")
            read_file(name, archive.reading, target)
    with open_instance(settings) as instance:  # which makes what is not there
        if archive.about["dagster_version"] != dagster_version():
            upgrade_storage(instance, settings)
    if described["kind"] == "postgresql":
        with _dagster(settings) as connection:
            assert connection
            load_tables(connection, DAGSTER, described, archive.reading)


def _restore_ledger(platform: Platform, archive: Archive) -> None:
    about = archive.about
    warehouse = Move(about["warehouse"], platform.settings.warehouse_uri)
    with (
        TemporaryDirectory() as folder,
        platform.builds.database.restoring() as connection,
    ):
        migration.remove(connection)  # they are empty, perhaps as a newer version has them
        migration.upgrade(connection, about["migration"])
        _load(connection, about[LEDGER], archive, Path(folder))
        migration.upgrade(connection)
        rename_bucket(connection, about["landing"], platform.bucket.name)
        move_staged_paths(connection, warehouse)


def _load(
    connection: sa.Connection, described: Mapping[str, Any], archive: Archive, scratch: Path
) -> None:
    if described["kind"] == "postgresql":
        load_tables(connection, LEDGER, described, archive.reading)
        return
    file = scratch / "ledger.db"
    read_file(described["files"][0], archive.reading, file)
    load_rows(connection, file, _present(connection, LEDGER_TABLES))


@contextmanager
def _dagster(settings: Settings) -> Iterator[sa.Connection | None]:
    """A transaction on Dagster's database; None where its storage is in files."""
    if not settings.dagster_database:
        yield None
        return
    with Database(settings.dagster_database).restoring() as connection:
        yield connection


def _rows(connection: sa.Connection, tables: Sequence[str]) -> bool:
    """Whether one of the tables is there and has rows."""
    return any(
        connection.exec_driver_sql(f'SELECT 1 FROM "{table}" LIMIT 1').first()
        for table in _present(connection, tables)
        if table != "builds_changes"  # a counter
    )


def _present(connection: sa.Connection, tables: Sequence[str]) -> list[str]:
    there = sa.inspect(connection).get_table_names()
    return [table for table in tables if table in there]
