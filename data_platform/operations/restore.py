"""Restore a backup into an empty database and home, in the same warehouse or in another place.

Everything is looked at before anything is written. The ledger is written last: what it does not
hold was not restored.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa
from packaging.version import Version

from data_platform.build.dagster_internals import FILLED
from data_platform.build.platform import Platform
from data_platform.databases import migration
from data_platform.databases.connections import Database
from data_platform.databases.copies import load_rows, load_tables, read_file
from data_platform.databases.fencing import LEASES
from data_platform.databases.tables import METADATA
from data_platform.databases.urls import is_sqlite
from data_platform.lake.environments import forget_virtual
from data_platform.lake.files import some
from data_platform.lake.relocation import Move
from data_platform.lake.staged_paths import move_staged_paths
from data_platform.lake.table_copies import TableCopy, copy_files, register
from data_platform.landing.ledger.tables import rename_bucket
from data_platform.operations.backup import (
    DAGSTER,
    DAGSTER_TABLES,
    FORMAT,
    LEDGER,
    LEDGER_FILE,
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
_HISTORY = f"Dagster has a history here already; {_EMPTY}"


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
    if strange := [*_strange(archive)]:
        raise RestoreError(
            f"the backup {archive.place} names {some(strange)}, which no backup has: it was "
            "changed; use another one"
        )
    made_with, here = archive.about["dagster_version"], dagster_version()
    later = Version(made_with) > Version(here)
    if later or (archive.about[DAGSTER]["kind"] == "postgresql" and made_with != here):
        then = "" if later else ", then run `data-platform migrate` with this one"
        raise RestoreError(
            f"the backup {archive.place} has the storage of Dagster {made_with}, and this is "
            f"Dagster {here}; restore it with the package that made it, "
            f"{archive.about['package']}{then}"
        )


def _strange(archive: Archive) -> Iterator[str]:
    """Names of tables and files that are not a backup's: what is restored is decided here, not by
    who can write to the backup."""
    known = {LEDGER: {*LEDGER_TABLES, LEASES.name}, DAGSTER: {*DAGSTER_TABLES}}
    for part, tables in known.items():
        described = archive.about[part]
        if described["kind"] == "postgresql":
            numbered = {name.rsplit(".", 1)[0] for name in described["sequences"]}
            yield from sorted({*described["columns"], *numbered} - tables)
            continue
        yield from (name for name in described["files"] if not _is_file_of(part, name))


def _is_file_of(part: str, name: str) -> bool:
    if part == LEDGER:
        return name == LEDGER_FILE
    parts = PurePosixPath(name).parts
    return parts[:1] == (DAGSTER,) and ".." not in parts and name.endswith(".db")


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
        _require_empty_ledger(connection, settings)
    with _dagster(settings) as connection:
        if connection:
            _require_no_history(connection)
        elif any(dagster_files(settings)):
            raise RestoreError(_HISTORY)


def _require_empty_ledger(connection: sa.Connection, settings: Settings) -> None:
    migration.require_known(migration.version_of(connection), settings.ledger_uri)
    if _rows(connection, [table.name for table in METADATA.sorted_tables]):
        raise RestoreError(f"the ledger, {settings.ledger_uri}, is not empty; {_EMPTY}")


def _require_no_history(connection: sa.Connection) -> None:
    if _rows(connection, [name for name in DAGSTER_TABLES if name not in FILLED]):
        raise RestoreError(_HISTORY)


def _copies(archive: Archive) -> Iterator[TableCopy]:
    with archive.reading(TABLES) as source:
        yield from map(TableCopy.from_json, TextIOWrapper(source, "utf-8"))


def _require_files(platform: Platform, archive: Archive) -> None:
    """Raises RestoreError naming the files of current snapshots that are missing, ForeignTable if
    a catalog that others share has a table of the same name, LakeError if a table cannot be moved.
    """
    missing: list[str] = []
    for copy in _copies(archive):
        platform.lake.find(copy.table)
        relocation = copy.relocation(platform.lake, platform.storage)
        missing += relocation.missing(copy.files)
        relocation.forgotten()  # which reads the rest of its history
    if missing:
        raise RestoreError(
            f"{counted(len(missing), 'file')} of the tables missing or cut short: "
            f"{some(missing)}; copy them from {archive.about['warehouse']} to "
            f"{platform.settings.warehouse_uri}, or name another warehouse. Nothing was restored"
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
            _require_no_history(connection)  # a daemon may have been started since
            load_tables(connection, DAGSTER, described, archive.reading)


def _restore_ledger(platform: Platform, archive: Archive) -> None:
    about = archive.about
    warehouse = Move(about["warehouse"], platform.settings.warehouse_uri)
    with (
        TemporaryDirectory() as folder,
        platform.builds.database.restoring() as connection,
    ):
        _require_empty_ledger(connection, platform.settings)  # nobody writes from here on
        migration.remove(connection)  # they are empty, perhaps as a newer version has them
        migration.upgrade(connection, about["migration"])
        _load(connection, about[LEDGER], archive, Path(folder))
        migration.upgrade(connection)
        forget_virtual(connection)
        rename_bucket(connection, about["landing"], platform.bucket.name)
        move_staged_paths(connection, warehouse)


def _load(
    connection: sa.Connection, described: Mapping[str, Any], archive: Archive, scratch: Path
) -> None:
    if described["kind"] == "postgresql":
        load_tables(connection, LEDGER, described, archive.reading)
        return
    file = scratch / LEDGER_FILE
    read_file(LEDGER_FILE, archive.reading, file)
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
