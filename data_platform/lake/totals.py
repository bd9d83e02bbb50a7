"""What the builds of each table have done in total: rows, bytes, seconds of their phases.

A total only grows, whatever is forgotten or rolled back, so that it can be exported as a counter.
It is of the database and not of a process: runs are processes of their own, which may be killed,
and whoever reads the totals has all of them.
"""

from collections.abc import Mapping
from typing import NamedTuple

import sqlalchemy as sa

from data_platform.databases.connections import Database
from data_platform.databases.tables import METADATA, Name
from data_platform.tables.identity import TableId

_TOTALS = sa.Table(
    "totals",
    METADATA,
    sa.Column("table_id", Name, primary_key=True),
    sa.Column("name", Name, primary_key=True),
    sa.Column("total", sa.Float, nullable=False),
    sa.Column("last", sa.Float, nullable=False),
)
_ROW = _TOTALS.c


class Total(NamedTuple):
    """The sum of all values that were added, and the last one of them."""

    total: float
    last: float


def add(database: Database, table: TableId, values: Mapping[str, float]) -> None:
    """Add values, by name, to a table's totals, in one transaction. Raises DatabaseUnavailable if
    the database cannot be used."""
    with database.write() as connection:
        for name, value in sorted(values.items()):  # in one order, so that no two wait for another
            known = (_ROW.table_id == str(table)) & (_ROW.name == name)
            grown = sa.update(_TOTALS).where(known).values(total=_ROW.total + value, last=value)
            if not connection.execute(grown).rowcount:
                row = {"table_id": str(table), "name": name, "total": value, "last": value}
                connection.execute(_TOTALS.insert().values(row))


def totals(database: Database) -> dict[str, dict[str, Total]]:
    """All totals, by table and name. Raises as `add` does."""
    found: dict[str, dict[str, Total]] = {}
    with database.read() as connection:
        for table, name, *of in connection.execute(sa.select(_TOTALS)):
            found.setdefault(table, {})[name] = Total(*of)
    return found
