"""The rows of check evaluations, which Dagster keeps besides its event log: one for each check, run
and partition, from the run's creation on.

A batch of results is stored with a few statements. An update of each row would be a statement for
each, and on PostgreSQL one that reads all rows of the check in the run: its index does not serve
the comparison with a partition that may be null.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import RowMapping, or_, select
from sqlalchemy.engine import Connection

from data_platform.build.dagster_internals import CHECK_EXECUTIONS

_COLUMNS = CHECK_EXECUTIONS.c
_OF = (_COLUMNS.asset_key, _COLUMNS.check_name, _COLUMNS.run_id)
_of_check = itemgetter(*(column.name for column in _OF))
_identity = itemgetter(*(column.name for column in _OF), _COLUMNS.partition.name)


def replace_planned(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Store the rows of evaluations, each instead of the one that is planned for it, if there is
    one. It keeps that one's id, since Dagster takes the highest id for the newest evaluation.

    False if two rows, or two of these evaluations, are of the same check, run and partition: then
    nothing is stored.
    """
    found = list(_planned(connection, rows))
    planned = {_identity(row): row for row in found}
    if len(planned) < len(found) or len({*map(_identity, rows)}) < len(rows):
        return False
    instead, others = [], []
    for row in rows:
        if before := planned.get(_identity(row)):
            instead.append({**before, **row})
        else:
            others.append(row)
    if instead:
        ids = [row["id"] for row in instead]
        connection.execute(CHECK_EXECUTIONS.delete().where(_COLUMNS.id.in_(ids)))
        connection.execute(CHECK_EXECUTIONS.insert(), instead)
    if others:
        connection.execute(CHECK_EXECUTIONS.insert(), others)
    return True


def _planned(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> Iterator[RowMapping]:
    """What identifies and what stays of the rows that are planned."""
    for of, own in groupby(sorted(rows, key=_of_check), key=_of_check):
        partitions = [row["partition"] for row in own]
        keys = [key for key in partitions if key is not None]
        wanted = _COLUMNS.partition.in_(keys)
        if None in partitions:
            wanted = or_(wanted, _COLUMNS.partition.is_(None))
        found = select(_COLUMNS.id, *_OF, _COLUMNS.partition, _COLUMNS.create_timestamp).where(
            *(column == value for column, value in zip(_OF, of, strict=True)), wanted
        )
        yield from connection.execute(found).mappings()
