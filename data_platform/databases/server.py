"""A look at a database that changes nothing, not even to migrate its tables."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from data_platform.databases.errors import reaching
from data_platform.databases.migration import DAGSTERS_VERSION_TABLE, VERSION_TABLE, version_of
from data_platform.databases.urls import is_sqlite, with_driver

_CREATES = sa.text("SELECT has_schema_privilege(current_schema(), 'CREATE')")
# The tables of versions are written by migrations alone, perhaps as another user, and entries of
# the audit trail are never changed. An INSERT needs the sequence of its table, too. CASE, since
# has_sequence_privilege() fails for a table.
_CLOSED = sa.text(
    "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
    f" AND relname NOT IN ('{VERSION_TABLE}', '{DAGSTERS_VERSION_TABLE}')"
    " AND NOT CASE relkind"
    " WHEN 'r' THEN has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')"
    " AND (relname = 'audit_trail'"
    " OR has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE'))"
    " WHEN 'S' THEN has_sequence_privilege(oid, 'USAGE') ELSE true END ORDER BY relname"
)


@dataclass(frozen=True)
class Look:
    """`tables` is the version of the platform's tables and `dagster` that of Dagster's, None where
    there are none. `creates`: the user may create tables; `closed` are the tables whose rows they
    may not write, and the sequences that they may not use. `ahead` is by how many seconds the
    server's clock is ahead of the given one, 0 for a file."""

    tables: str | None = None
    dagster: str | None = None
    creates: bool = True
    closed: Sequence[str] = ()
    ahead: float = 0


NOTHING = Look()


def look(url: str, clock: Callable[[], dt.datetime]) -> Look:
    """Raises DatabaseUnavailable."""
    engine = sa.create_engine(with_driver(url), poolclass=sa.NullPool)
    with reaching(engine.url), engine.connect() as connection:
        tables = version_of(connection)
        dagster = version_of(connection, DAGSTERS_VERSION_TABLE)
        if is_sqlite(url):
            return Look(tables, dagster)
        return Look(
            tables,
            dagster,
            creates=connection.execute(_CREATES).scalar_one(),
            closed=connection.execute(_CLOSED).scalars().all(),
            ahead=_ahead(connection, clock),
        )


def _ahead(connection: sa.Connection, clock: Callable[[], dt.datetime]) -> float:
    there = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    return (there - clock()).total_seconds()
