"""What must hold before a backup is restored: this package knows it, and its place is empty."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath

import sqlalchemy as sa
from packaging.version import Version

from data_platform.access.trail import AUDIT_TRAIL
from data_platform.build.dagster_internals import FILLED
from data_platform.build.own_tables import OWN_TABLES
from data_platform.build.platform import Platform
from data_platform.databases import migration
from data_platform.databases.connections import Database
from data_platform.databases.fencing import LEASES
from data_platform.databases.urls import is_sqlite
from data_platform.lake.files import some
from data_platform.operations.backup import (
    DAGSTER,
    DAGSTER_TABLES,
    FORMAT,
    LEDGER,
    LEDGER_FILE,
    LEDGER_TABLES,
    dagster_files,
    dagster_version,
)
from data_platform.runs.liveness import at_work
from data_platform.settings.model import Settings
from data_platform.storage.archive import Archive, open_archive
from data_platform.storage.errors import LakeError

EMPTY = "a backup is restored into a new home and empty databases: name others in the settings"
HISTORY = f"Dagster has a history here already; {EMPTY}"


class RestoreError(LakeError):
    """A backup cannot be restored here; the message says why and what to do."""


def busy() -> None:
    """Raises RestoreError: someone uses the home."""
    raise RestoreError(f"a command or run is at work in this home: end it; {EMPTY}")


def open_known(platform: Platform, place: str) -> Archive:
    """The backup at a place. Raises ArchiveError if there is none, or as `_require_known` does."""
    archive = open_archive(place, platform.storage)
    _require_known(archive)
    return archive


def _require_known(archive: Archive) -> None:
    """Raises RestoreError or DatabaseTooNew if another version of this package, or of Dagster, is
    needed; RestoreError for a backup that was changed."""
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


def require_empty(platform: Platform, archive: Archive) -> None:
    """Raises RestoreError if the place of the settings is not empty, is in use, or is of other
    kinds of databases than the backup."""
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
    require_no_tables(platform)
    with platform.builds.database.restoring() as connection:
        require_empty_ledger(connection, settings)
    with dagster_transaction(settings) as connection:
        if connection:
            require_no_history(connection)
        elif any(dagster_files(settings)):
            raise RestoreError(HISTORY)
    if at_work(platform)[1]:
        busy()


def require_empty_ledger(connection: sa.Connection, settings: Settings) -> None:
    """Raises RestoreError if the platform's database has rows, other than of the audit trail: that
    a migration and this restore are recorded there does not count."""
    version = migration.version_of(connection)
    if version == migration.RESTORING:
        raise RestoreError(
            f"a restore into {settings.ledger_uri} is under way, or was interrupted; {EMPTY}"
        )
    migration.require_known(version, settings.ledger_uri)
    tables = [table.name for table in OWN_TABLES if table is not AUDIT_TRAIL]
    if _rows(connection, tables):
        raise RestoreError(f"the ledger, {settings.ledger_uri}, is not empty; {EMPTY}")


def require_no_history(connection: sa.Connection) -> None:
    """Raises RestoreError if Dagster's database has rows."""
    if _rows(connection, [name for name in DAGSTER_TABLES if name not in FILLED]):
        raise RestoreError(HISTORY)


def require_no_tables(platform: Platform) -> None:
    """Raises RestoreError if the catalog has tables."""
    if found := platform.lake.tables():
        raise RestoreError(f"the catalog has tables already, such as {found[0]}; {EMPTY}")


@contextmanager
def dagster_transaction(settings: Settings) -> Iterator[sa.Connection | None]:
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
        for table in present(connection, tables)
        if table != "builds_changes"  # a counter
    )


def present(connection: sa.Connection, tables: Sequence[str]) -> list[str]:
    """Those of the tables that the database has."""
    there = sa.inspect(connection).get_table_names()
    return [table for table in tables if table in there]
