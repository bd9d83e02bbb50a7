"""Restore a backup into an empty database and home, in the same warehouse or in another place.

Everything is looked at before anything is written. Then the empty database is reserved, so that no
other process can begin to use it, on whichever machine. The ledger is written last, and with it the
database is open again: what the ledger does not hold was not restored.
"""

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa

from data_platform.access.trail import AUDIT_TRAIL, append, entries_in
from data_platform.build.platform import Platform
from data_platform.databases import migration
from data_platform.databases.copies import load_rows, load_tables, read_file
from data_platform.lake.environments import forget_virtual
from data_platform.lake.files import some
from data_platform.lake.relocation import Move
from data_platform.lake.staged_paths import HeldFile, move_staged_paths
from data_platform.lake.table_copies import TableCopy, copy_files, register
from data_platform.landing.ledger.tables import rename_bucket
from data_platform.operations.backup import (
    DAGSTER,
    HELD,
    LEDGER,
    LEDGER_FILE,
    LEDGER_TABLES,
    TABLES,
    dagster_files,
    dagster_version,
)
from data_platform.operations.restorable import (
    HISTORY,
    RestoreError,
    busy,
    dagster_transaction,
    open_known,
    present,
    require_empty,
    require_empty_ledger,
    require_no_history,
    require_no_tables,
)
from data_platform.runs.home import prepare_home
from data_platform.runs.instance import open_instance, upgrade_storage
from data_platform.runs.liveness import driving_home
from data_platform.storage.archive import Archive
from data_platform.tables.identity import TableId
from data_platform.telemetry.wording import counted


@dataclass(frozen=True)
class Restored:
    """What was restored: the backup's moment, how many tables, how many snapshots of which tables
    were left out since files of theirs are gone, and the held back partitions, by table, whose
    files are gone."""

    made: dt.datetime
    tables: int
    forgotten: Mapping[TableId, int]
    unreleasable: Mapping[str, list[str]]

    @property
    def lines(self) -> list[str]:
        """What was done, as lines to print."""
        return [
            f"{counted(self.tables, 'table')} as of {self.made:%Y-%m-%d %H:%M:%S} UTC",
            *(
                f"{table}: {counted(n, 'snapshot')} left out of its history, whose files are gone"
                for table, n in self.forgotten.items()
            ),
            *(
                f"{table}: files of {counted(len(keys), 'held back partition')} are gone: "
                f"{some(keys)}; they cannot be released until `data-platform run` with --partition "
                "has built them again"
                for table, keys in self.unreleasable.items()
            ),
        ]


def restore(platform: Platform, place: str, *, copy: bool = False) -> Restored:
    """Restore a backup to where the platform's settings say; with `copy`, files of tables that are
    not in their warehouse are copied from where they were.

    Raises ArchiveError for a backup that is not whole, RestoreError if the place to restore to is
    not empty or files of tables are missing, DatabaseTooNew for a backup of a later version.
    """
    archive = open_known(platform, place)
    prepare_home(platform.settings)
    with driving_home(platform, waiting=busy):
        require_empty(platform, archive)
        archive.verify()
        if copy:
            for each in _copies(archive):
                copy_files(each, platform.lake, platform.storage)
        _require_files(platform, archive)
        unreleasable = _unreleasable(platform, archive)
        _reserve(platform)
        _restore_dagster(platform, archive)
        tables, forgotten = _restore_tables(platform, archive)
        _restore_ledger(platform, archive)  # last: what fails after it would say that all failed
    made = dt.datetime.fromisoformat(archive.about["made"])
    return Restored(made, tables, forgotten, unreleasable)


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
            f"{platform.settings.warehouse_uri} (--copy does), or name another warehouse. Nothing "
            "was restored"
        )


def _reserve(platform: Platform) -> None:
    """Let nobody use the database from here on, if it is empty still. Its audit trail stays."""
    with platform.builds.database.restoring() as connection:
        require_empty_ledger(connection, platform.settings)
        migration.reserve(connection, but=[AUDIT_TRAIL])


def _restore_tables(platform: Platform, archive: Archive) -> tuple[int, dict[TableId, int]]:
    """How many tables there are now, and how many snapshots of which were left out."""
    require_no_tables(platform)  # another program may use the catalog
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
        if any(dagster_files(settings)):  # a daemon may have been started since
            raise RestoreError(HISTORY)
        for name in described["files"]:
            target = settings.dagster_home / name.removeprefix(f"{DAGSTER}/")
            read_file(name, archive.reading, target)
    with open_instance(settings) as instance:  # which makes what is not there
        if archive.about["dagster_version"] != dagster_version():
            upgrade_storage(instance, settings)
    if described["kind"] == "postgresql":
        with dagster_transaction(settings) as connection:
            assert connection
            require_no_history(connection)
            load_tables(connection, DAGSTER, described, archive.reading)


def _restore_ledger(platform: Platform, archive: Archive) -> None:
    """Load the ledger, the register and the audit trail, then the new database's own entries."""
    about = archive.about
    with (
        TemporaryDirectory() as folder,
        platform.builds.database.restoring() as connection,
    ):
        own = entries_in(connection) if present(connection, [AUDIT_TRAIL.name]) else []
        migration.remove(connection)
        migration.upgrade(connection, about["migration"])
        _load(connection, about[LEDGER], archive, Path(folder))
        migration.upgrade(connection)
        forget_virtual(connection)
        rename_bucket(connection, about["landing"], platform.bucket.name)
        move_staged_paths(connection, _moved(platform, archive))
        append(connection, own)


def _moved(platform: Platform, archive: Archive) -> Move:
    return Move(archive.about["warehouse"], platform.settings.warehouse_uri)


def _unreleasable(platform: Platform, archive: Archive) -> dict[str, list[str]]:
    """By table, the partitions that were held back with files that are missing or cut short. The
    old platform may have deleted them since, so that is no reason not to restore."""
    if HELD not in archive.about["files"]:
        return {}
    moved = _moved(platform, archive)
    with archive.reading(HELD) as source:
        held = [HeldFile(**json.loads(line)) for line in TextIOWrapper(source, "utf-8")]
    sizes = platform.storage.sizes([moved(each.path) for each in held])
    found: dict[str, list[str]] = {}
    for each, size in zip(held, sizes, strict=True):
        if size != each.bytes and each.partition not in found.setdefault(each.table, []):
            found[each.table].append(each.partition)
    return {table: keys for table, keys in found.items() if keys}


def _load(
    connection: sa.Connection, described: Mapping[str, Any], archive: Archive, scratch: Path
) -> None:
    if described["kind"] == "postgresql":
        load_tables(connection, LEDGER, described, archive.reading)
        return
    file = scratch / LEDGER_FILE
    read_file(LEDGER_FILE, archive.reading, file)
    load_rows(connection, file, present(connection, LEDGER_TABLES))
