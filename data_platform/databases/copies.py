"""Copies of databases that are consistent while others write, and how they are loaded again.

A file of SQLite is copied whole, by its online backup. Tables of PostgreSQL are streamed by COPY,
in one transaction that sees the database as it was at one moment.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from data_platform.databases.connections import explained
from data_platform.databases.urls import with_driver

Opening = Callable[[str], AbstractContextManager[Any]]
"""Opens a binary stream by its name."""

_ROWS, _BYTES = 1000, 1 << 20  # what is in memory at once


@dataclass(frozen=True)
class FileCopies:
    """Copies of SQLite files, by the names that they have in a backup."""

    files: Mapping[str, Path]

    def write(self, opened: Opening) -> dict[str, Any]:
        """Write the files to streams; returns what describes them."""
        for name, file in self.files.items():
            with file.open("rb") as source, opened(name) as sink:
                _pass_on(source, sink)
        return {"kind": "sqlite", "files": list(self.files)}

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection to the first of the copies."""
        file = next(iter(self.files.values()))
        engine = sa.create_engine(
            "sqlite://", creator=lambda: _reading(file), poolclass=sa.NullPool
        )
        with engine.connect() as connection:
            yield connection


def copies_of_files(files: Mapping[str, Path], scratch: Path) -> FileCopies:
    """Copy SQLite files one after the other, each as it is at one moment."""
    copied = {}
    for number, (name, file) in enumerate(files.items()):
        copied[name] = scratch / f"{number}-{name.replace('/', '-')}"
        with closing(_reading(file)) as source, closing(sqlite3.connect(copied[name])) as target:
            source.backup(target)
    return FileCopies(copied)


@dataclass(frozen=True)
class TableCopies:
    """Tables of PostgreSQL as a transaction sees them, each a stream `prefix/table`; those that
    refer to others come after them. Of `numbered` ones only the last numbers are copied."""

    connection: sa.Connection
    prefix: str
    tables: Sequence[str]
    numbered: Sequence[str] = ()

    def write(self, opened: Opening) -> dict[str, Any]:
        """Write the tables to streams; returns what describes them."""
        found = sa.inspect(self.connection)
        there = set(found.get_table_names())  # nobody may have used them yet
        columns = {
            name: [column["name"] for column in found.get_columns(name)]
            for name in self.tables
            if name in there
        }
        for table, names in columns.items():
            with opened(f"{self.prefix}/{table}") as sink:
                self._copy(f"COPY {_quoted(self.connection, table, names)} TO STDOUT", sink)
        return {"kind": "postgresql", "columns": columns, "sequences": self._sequences()}

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """The connection that sees what is copied."""
        yield self.connection

    def _copy(self, statement: str, sink: Any) -> None:
        with closing(_cursor(self.connection)) as cursor:
            cursor.copy_expert(statement, sink, _BYTES)

    def _sequences(self) -> dict[str, int]:
        """The last number of each column that a sequence numbers, by `table.column`."""
        query = sa.text(
            "SELECT t.relname, a.attname, s.last_value FROM pg_depend d "
            "JOIN pg_class q ON q.oid = d.objid AND q.relkind = 'S' "
            "JOIN pg_class t ON t.oid = d.refobjid "
            "JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = current_schema() "
            "JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid "
            "JOIN pg_sequences s ON s.schemaname = n.nspname AND s.sequencename = q.relname "
            "WHERE s.last_value IS NOT NULL"
        )
        rows = self.connection.execute(query)
        own = {*self.tables, *self.numbered}
        return {f"{table}.{column}": last for table, column, last in rows if table in own}


@contextmanager
def snapshot(url: str) -> Iterator[sa.Connection]:
    """A transaction that only reads, and sees a PostgreSQL database as it is now until it ends."""
    engine = explained(sa.create_engine(with_driver(url), poolclass=sa.NullPool))
    level = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with engine.connect().execution_options(**level) as connection, connection.begin():
        connection.execute(sa.select(1))  # what it sees is decided by its first statement
        yield connection


def load_tables(
    connection: sa.Connection, prefix: str, described: Mapping[str, Any], opened: Opening
) -> None:
    """Load the copies of PostgreSQL's tables into the same tables, which are emptied first."""
    columns: Mapping[str, Sequence[str]] = described["columns"]
    for table in reversed(list(columns)):
        _empty(connection, table)
    for table, names in columns.items():
        with opened(f"{prefix}/{table}") as source, closing(_cursor(connection)) as cursor:
            cursor.copy_expert(
                f"COPY {_quoted(connection, table, names)} FROM STDIN", source, _BYTES
            )
    for name, last in described["sequences"].items():
        table, column = name.rsplit(".", 1)
        sequence = sa.func.pg_get_serial_sequence(_quoted(connection, table), column)
        connection.execute(sa.select(sa.func.setval(sequence, last)))


def _empty(connection: sa.Connection, table: str) -> None:
    """Delete the rows of a table, if there are any: one that is append-only refuses to be asked."""
    name = _quoted(connection, table)
    if connection.exec_driver_sql(f"SELECT 1 FROM {name} LIMIT 1").first():
        connection.exec_driver_sql(f"DELETE FROM {name}")


def load_rows(connection: sa.Connection, file: Path, tables: Sequence[str]) -> None:
    """Load the rows of a copied SQLite file into the same tables, which are emptied first."""
    with closing(_reading(file)) as source:
        for table in tables:
            _empty(connection, table)
            rows = source.execute(f"SELECT * FROM {_quoted(connection, table)}")
            names = [name for name, *_ in rows.description]
            marks = ", ".join("?" * len(names))
            while batch := rows.fetchmany(_ROWS):
                statement = f"INSERT INTO {_quoted(connection, table, names)} VALUES ({marks})"
                connection.exec_driver_sql(statement, batch)


def read_file(name: str, opened: Opening, target: Path) -> None:
    """Write the copy of a SQLite file to disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}.part")
    with opened(name) as source, unfinished.open("wb") as sink:
        _pass_on(source, sink)
    unfinished.replace(target)


def _cursor(connection: sa.Connection) -> Any:
    """psycopg2's cursor in the connection's transaction, for COPY."""
    return connection.connection.cursor()


def _reading(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)


def _quoted(connection: sa.Connection, table: str, columns: Sequence[str] = ()) -> str:
    quote = connection.dialect.identifier_preparer.quote_identifier
    names = ", ".join(map(quote, columns))
    return f"{quote(table)} ({names})" if columns else quote(table)


def _pass_on(source: Any, sink: Any) -> None:
    while chunk := source.read(_BYTES):
        sink.write(chunk)
