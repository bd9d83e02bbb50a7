"""Back up the platform: its database, Dagster's storage, and its tables by reference.

The order makes the parts consistent. Nobody can record or mark a build while the ledger is copied
and the catalog is asked, in one statement, for all metadata files, so that they are as a crash at
that moment would leave them: an attempt may be recorded and not yet known as published, which the
next run settles, and no published version is unknown. Dagster's storage is copied before, and may
know less: a run that was under way counts as dead there, and its work is asked for again under
another key.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import dagster
import sqlalchemy as sa

from data_platform.build.dagster_internals import STORAGE
from data_platform.build.own_tables import OWN_TABLES
from data_platform.build.platform import Platform
from data_platform.databases.copies import (
    FileCopies,
    TableCopies,
    copies_of_files,
    snapshot,
)
from data_platform.databases.fencing import LEASES
from data_platform.databases.migration import HEAD
from data_platform.databases.urls import is_sqlite
from data_platform.lake.staged_paths import held_files
from data_platform.lake.table_copies import copies, loaded, tables_now
from data_platform.operations.versions import installed_version
from data_platform.settings.environment import give_password
from data_platform.settings.model import Settings
from data_platform.storage.archive import new_archive
from data_platform.tables.identity import TableId
from data_platform.telemetry.wording import counted

Copies = FileCopies | TableCopies

FORMAT = 1  # of the archive; a restore refuses a later one
LEDGER, DAGSTER, TABLES = "ledger", "dagster", "tables.jsonl"
HELD = "held.jsonl"  # files of held back attempts; earlier backups do not have it
LEDGER_FILE = f"{LEDGER}.db"  # of SQLite

DAGSTER_TABLES = tuple(dict.fromkeys(STORAGE))
# A lease is of a process, which a restored platform does not have.
LEDGER_TABLES = tuple(t.name for t in OWN_TABLES if t is not LEASES)


@dataclass(frozen=True)
class BackedUp:
    """A backup that was made: its place, how many tables, and until when their files are kept."""

    place: str
    tables: int
    until: dt.datetime

    @property
    def lines(self) -> list[str]:
        """What was done, as lines to print."""
        return [
            f"{self.place}: {counted(self.tables, 'table')}, the ledger and Dagster's history",
            f"files that it refers to are kept in the warehouse until {self.until:%Y-%m-%d}",
        ]


def back_up(platform: Platform, place: str, *, now: dt.datetime, keep: dt.timedelta) -> BackedUp:
    """Write a backup to an empty place; the tables' snapshots are pinned for as long as `keep`.

    Raises ArchiveError if the place is not empty, NotThere if a table was written to so often that
    its snapshot has expired meanwhile.
    """
    archive = new_archive(place, platform.storage)
    until, tables = now + keep, 0
    name = f"{now:%Y%m%dT%H%M%SZ}-{uuid4().hex[:8]}"
    with TemporaryDirectory() as folder, ExitStack() as stack:
        scratch = Path(folder)
        history, ledger, found = stack.enter_context(_at_one_moment(platform, scratch))
        with archive.writing(TABLES) as sink:
            tables_then = loaded(platform.lake, found)  # at once: a table deletes old metadata
            for copy in copies(tables_then, name, now, until):
                sink.write(f"{copy.to_json()}\n".encode())
                tables += 1
        with archive.writing(HELD) as sink, ledger.reading() as connection:
            for file in held_files(connection):
                sink.write(f"{file.to_json()}\n".encode())
        about = {
            "format": FORMAT,
            "made": now.isoformat(),
            "kept_until": until.isoformat(),
            "package": installed_version(),
            "migration": HEAD,
            "dagster_version": dagster_version(),
            "landing": platform.bucket.name,
            "warehouse": platform.settings.warehouse_uri,
            LEDGER: ledger.write(archive.writing),
            DAGSTER: history.write(archive.writing),
        }
        archive.finish(about)
    return BackedUp(place, tables, until)


@contextmanager
def _at_one_moment(
    platform: Platform, scratch: Path
) -> Iterator[tuple[Copies, Copies, Mapping[TableId, str]]]:
    """Dagster's storage, the ledger and the metadata file of each table, as they are together."""
    settings = platform.settings
    give_password(settings)
    with ExitStack() as stack:
        transactions: dict[str, sa.Connection] = {}

        def tables_at(url: str, prefix: str, tables: Sequence[str], *numbered: str) -> Copies:
            if url not in transactions:
                transactions[url] = stack.enter_context(snapshot(url))
            return TableCopies(transactions[url], prefix, tables, numbered)

        history = None
        if not settings.dagster_database:
            history = copies_of_files(dagster_files(settings), scratch)
        with platform.builds.database.write():
            if history is None:
                history = tables_at(settings.dagster_database, DAGSTER, DAGSTER_TABLES)
            if is_sqlite(settings.ledger_uri):
                files = {LEDGER_FILE: sqlite_file(settings.ledger_uri)}
                ledger: Copies = copies_of_files(files, scratch)
            else:
                ledger = tables_at(settings.ledger_uri, LEDGER, LEDGER_TABLES, LEASES.name)
            found = tables_now(platform.lake)
        yield history, ledger, found


def dagster_files(settings: Settings) -> dict[str, Path]:
    """Dagster's SQLite files by their names in a backup. Schedules and runs come before the events:
    what they do not know yet is asked for again."""
    home = settings.dagster_home
    first = [home / "schedules" / "schedules.db", home / "history" / "runs.db"]
    found = sorted(home.rglob("*.db"), key=lambda file: (file not in first, file))
    return {f"{DAGSTER}/{file.relative_to(home).as_posix()}": file for file in found}


def dagster_version() -> str:
    """The version of Dagster, which decides the layout of its storage."""
    return dagster.__version__


def sqlite_file(url: str) -> Path:
    """The file of a SQLite database."""
    return Path(str(sa.make_url(url).database))
