"""A look at a database that changes nothing, not even to migrate its tables."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from data_platform.databases.errors import reaching
from data_platform.databases.migration import DAGSTERS_VERSION_TABLE, version_of
from data_platform.databases.urls import is_sqlite, with_driver


@dataclass(frozen=True)
class Look:
    """`tables` is the version of the platform's tables and `dagster` that of Dagster's, None where
    there are none; `ahead` is by how many seconds the server's clock is ahead of the given one, 0
    for a file."""

    tables: str | None = None
    dagster: str | None = None
    ahead: float = 0


NOTHING = Look()


def look(url: str, clock: Callable[[], dt.datetime]) -> Look:
    """Raises DatabaseUnavailable."""
    engine = sa.create_engine(with_driver(url), poolclass=sa.NullPool)
    with reaching(engine.url), engine.connect() as connection:
        return Look(
            tables=version_of(connection),
            dagster=version_of(connection, DAGSTERS_VERSION_TABLE),
            ahead=0 if is_sqlite(url) else _ahead(connection, clock),
        )


def _ahead(connection: sa.Connection, clock: Callable[[], dt.datetime]) -> float:
    there = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    return (there - clock()).total_seconds()
