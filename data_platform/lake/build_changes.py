"""How often the attempts at each table have changed, in the register of builds.

A sensor asks at each tick which tables to plan again: this costs a row for each table, however many
attempts there are.
"""

from collections.abc import Iterable

import sqlalchemy as sa

from data_platform.databases.tables import METADATA, Name

# The row without a table counts all changes; a table's row has the number of its last change.
_CHANGES = sa.Table(
    "builds_changes",
    METADATA,
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("table_id", Name, nullable=False, server_default=""),
)
_ALL = _CHANGES.c.table_id == ""


def count_change(connection: sa.Connection, tables: Iterable[str]) -> None:
    """Note that the transaction changes attempts at these tables. Call it first: the lock of a row
    makes writers take turns, so that no table gets two rows."""
    connection.execute(sa.update(_CHANGES).where(_ALL).values(number=_CHANGES.c.number + 1))
    number = connection.execute(sa.select(_CHANGES.c.number).where(_ALL)).scalar_one()
    for table in sorted(set(tables)):
        known = sa.update(_CHANGES).where(_CHANGES.c.table_id == table)
        if not connection.execute(known.values(number=number)).rowcount:
            connection.execute(_CHANGES.insert().values(table_id=table, number=number))


def changes_of(connection: sa.Connection) -> dict[str, int]:
    """The number of the last change of each table that has one."""
    query = sa.select(_CHANGES.c.table_id, _CHANGES.c.number).where(~_ALL)
    return {table: number for table, number in connection.execute(query)}
