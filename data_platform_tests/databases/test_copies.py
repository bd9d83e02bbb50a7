"""Copies of databases: what is read from them again, also by a later version of the package."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from data_platform.databases import migration
from data_platform.databases.connections import Database
from data_platform.databases.copies import (
    TableCopies,
    copies_of_files,
    load_rows,
    load_tables,
    read_file,
    snapshot,
)
from data_platform.databases.urls import is_sqlite
from data_platform.lake.builds import BUILDS
from data_platform.landing.ledger.tables import objects

ODD = "a\tb\\c\nd 'e' \"f\" \\N {g} ä ☃ \r \x01"
TABLES = (objects.name, BUILDS.name, "builds_changes")
OLD = "0009"
OBJECT = {
    "bucket": "b", "key": ODD, "version": "1-x", "latest": True, "size": 2**40,
    "modified": "2011-03-05 06:00:00.000001", "etag": None, "source": "", "partition": ODD,
    "state": "loaded", "attempts": 1, "run_id": None, "load_id": "a1", "rows": 0, "error": ODD,
    "first_seen": "2011-03-05 06:01:00", "updated": "2011-03-05 06:02:00",
}  # fmt: skip
BUILD = {
    "table_id": "silver/shop/sales", "partition": ODD, "attempt": "a1", "run_id": "r",
    "state": "held_back", "contract": "c", "inputs": "i", "rows": 5, "quarantined": 2,
    "duplicates": 1, "detail": ODD, "created": "2011-03-05 07:00:00", "failed": '["rules"]',
    "rules": '{"ä \\"x\\"": 3}', "staged": "[]", "committed": False, "dimensions": "",
}  # fmt: skip


class Streams(dict[str, bytes]):
    """A backup in memory."""

    @contextmanager
    def writing(self, name: str) -> Iterator[BytesIO]:
        stream = BytesIO()
        yield stream
        self[name] = stream.getvalue()

    @contextmanager
    def reading(self, name: str) -> Iterator[BytesIO]:
        yield BytesIO(self[name])


@pytest.fixture
def old(new_database_url: Callable[[], str]) -> str:
    """A database of an earlier version, whose columns have other names and defaults."""
    url = new_database_url()
    with Database(url).restoring() as connection:
        migration.upgrade(connection, OLD)
        for table, row in ((objects.name, OBJECT), (BUILDS.name, BUILD)):
            names = ", ".join(f'"{name}"' for name in row)
            marks = ", ".join(f":{name}" for name in row)
            statement = sa.text(f'INSERT INTO "{table}" ({names}) VALUES ({marks})')
            for number in range(3):
                odd = {
                    name: f"{value}{number}" if value is ODD else value
                    for name, value in row.items()
                }
                connection.execute(statement, odd)
        connection.execute(sa.text(f'DELETE FROM "{BUILDS.name}" WHERE sequence = 3'))
    return url


def everything(url: str) -> dict[str, list]:
    with Database(url).read() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(sa.select(table))]
            for table in (objects, BUILDS)
        }


def test_copies_are_read_again_by_a_later_version_with_all_values_and_numbers(
    old: str, new_database_url: Callable[[], str], tmp_path: Path
) -> None:
    streams, new = Streams(), new_database_url()
    if is_sqlite(old):
        copies = copies_of_files({"ledger": Path(old.removeprefix("sqlite:///"))}, tmp_path)
        described = copies.write(streams.writing)
    else:
        with snapshot(old) as connection:
            described = TableCopies(connection, "ledger", TABLES).write(streams.writing)

    with Database(new).restoring() as connection:
        migration.upgrade(connection, OLD)
        if is_sqlite(old):
            read_file("ledger", streams.reading, tmp_path / "copied.db")
            load_rows(connection, tmp_path / "copied.db", TABLES)
        else:
            load_tables(connection, "ledger", described, streams.reading)
        migration.upgrade(connection)

    assert everything(new) == everything(old)
    assert [len(rows) for rows in everything(new).values()] == [3, 2]
    build = {**BUILD, "attempt": "a9", "failed": ["x"], "rules": None, "staged": []}
    del build["created"]
    with Database(new).write() as connection:
        created = sa.func.current_timestamp()
        added = BUILDS.insert().values(**build, created=created).returning(BUILDS.c.sequence)
        assert connection.execute(added).scalar_one() > 2


def test_a_copy_is_of_one_moment_whatever_is_written_meanwhile(old: str, tmp_path: Path) -> None:
    count = sa.text(f"SELECT count(*) FROM {objects.name}")
    assert everything(old)  # which migrates it, as a backup does
    more = sa.text(f"DELETE FROM {objects.name}")
    if is_sqlite(old):
        copies = copies_of_files({"ledger": Path(old.removeprefix("sqlite:///"))}, tmp_path)
        with Database(old).write() as connection:
            connection.execute(more)
        [copied] = copies.files.values()
        with Database(f"sqlite:///{copied}").read() as connection:
            assert connection.execute(count).scalar() == 3
        return
    streams = Streams()
    with snapshot(old) as before:
        with Database(old).write() as connection:
            connection.execute(more)
        TableCopies(before, "ledger", (objects.name,)).write(streams.writing)
        with pytest.raises(DBAPIError, match="read-only"):
            before.execute(more)
    [content] = streams.values()
    assert content.count(b"\n") == 3
