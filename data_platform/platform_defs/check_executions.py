"""The rows of check evaluations, which Dagster keeps besides its event log: one for each check, run
and partition, from the run's creation on.

A batch of results is stored with a few statements. An update of each row would be a statement for
each, and on PostgreSQL one that reads all rows of the check in the run: its index does not serve
the comparison with a partition that may be null.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, or_, select
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


def replace_without_run(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store the rows of evaluations that belong to no run, each instead of the earlier one of its
    check and partition, with a higher id. Of several of one partition the last counts."""
    last = {_identity(row): row for row in rows}
    for of, own in _by_check(last.values()):
        partitions = [row["partition"] for row in own]
        connection.execute(CHECK_EXECUTIONS.delete().where(*_are(of, partitions)))
    if last:
        connection.execute(CHECK_EXECUTIONS.insert(), list(last.values()))


def _planned(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> Iterator[RowMapping]:
    """What identifies and what stays of the rows that are planned."""
    found = select(_COLUMNS.id, *_OF, _COLUMNS.partition, _COLUMNS.create_timestamp)
    for of, own in _by_check(rows):
        partitions = [row["partition"] for row in own]
        yield from connection.execute(found.where(*_are(of, partitions))).mappings()


def _by_check(
    rows: Iterable[Mapping[str, Any]],
) -> Iterator[tuple[tuple[str, ...], Iterator[Mapping[str, Any]]]]:
    """The rows of each asset, check and run."""
    return groupby(sorted(rows, key=_of_check), key=_of_check)


def _are(of: tuple[str, ...], partitions: Sequence[str | None]) -> list[ColumnElement[bool]]:
    """What is true of the rows of a check in a run that are of these partitions."""
    wanted = _COLUMNS.partition.in_([key for key in partitions if key is not None])
    if None in partitions:
        wanted = or_(wanted, _COLUMNS.partition.is_(None))
    return [*(column == value for column, value in zip(_OF, of, strict=True)), wanted]
