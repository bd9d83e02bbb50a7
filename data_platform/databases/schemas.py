"""Schemas beside the platform's own in a PostgreSQL database, and copies of its tables there.

On SQLite a file stands for a schema. Rows are copied inside of the database, none through this
process.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from data_platform.databases.connections import Database, explained
from data_platform.databases.urls import is_sqlite, with_driver

_ATTACHED = "copied_to"


def make_schema(url: str, schema: str) -> None:
    """Make the schema in the database at `url`, unless it is there; on SQLite the folder of the
    file at `url`."""
    if is_sqlite(url):
        _file(url).parent.mkdir(parents=True, exist_ok=True)
        return
    _execute(url, sa.schema.CreateSchema(schema, if_not_exists=True))


def drop_schema(url: str, schema: str) -> None:
    """Drop the schema with all its tables, if it is there. A file of SQLite is left to whoever
    removes its folder."""
    if not is_sqlite(url):
        _execute(url, sa.schema.DropSchema(schema, cascade=True, if_exists=True))


def _execute(url: str, statement: sa.schema.ExecutableDDLElement) -> None:
    """Execute a statement at a database that may have other tables than the platform's."""
    engine = explained(sa.create_engine(with_driver(url), poolclass=sa.NullPool))
    with engine.begin() as connection:
        connection.execute(statement)


def copy_rows(source: str, target: str, schema: str, tables: Sequence[sa.Table]) -> None:
    """Replace the rows of these tables at `target` by those at `source`, in one transaction.

    `target` is the same database in `schema`, or another SQLite file; it has the tables already.
    """
    with Database(target).read():
        pass  # which makes the tables
    with _beside(source, target, schema) as (connection, schema):
        for table in tables:
            copy = table.to_metadata(sa.MetaData(), schema=schema)
            columns = [column.name for column in table.columns]
            connection.execute(copy.delete())
            connection.execute(copy.insert().from_select(columns, sa.select(table)))
            if connection.dialect.name == "postgresql":
                _go_on_counting(connection, copy)


@contextmanager
def _beside(source: str, target: str, schema: str) -> Iterator[tuple[sa.Connection, str]]:
    """A write transaction of the source, and the name under which it sees the target."""
    database = Database(source)
    if not is_sqlite(source):
        with database.write() as connection:
            yield connection, schema
        return
    with database.read():
        pass  # the tables are of this version
    with database.engine.connect() as connection:
        # Not within a transaction, which SQLAlchemy would begin with the first statement.
        connection.connection.driver_connection.execute(  # type: ignore[union-attr]
            f"ATTACH DATABASE ? AS {_ATTACHED}", [str(_file(target))]
        )
        writing = connection.execution_options(writes=True)
        with writing.begin():
            yield writing, _ATTACHED


def _go_on_counting(connection: sa.Connection, table: sa.Table) -> None:
    """Have the next row numbered after those that were copied."""
    for column in table.primary_key:
        if isinstance(column.type, sa.BigInteger):
            sequence = sa.func.pg_get_serial_sequence(str(table), column.name)
            last = sa.select(sa.func.max(column)).scalar_subquery()
            connection.execute(sa.select(sa.func.setval(sequence, sa.func.coalesce(last, 1))))


def _file(url: str) -> Path:
    return Path(str(sa.make_url(url).database))
