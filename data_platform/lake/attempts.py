"""Figures of the attempts at a table, from the register of builds."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from data_platform.lake.builds import BUILDS, Builds
from data_platform.tables.identity import TableId

_B = BUILDS.c


@dataclass(frozen=True)
class Attempts:
    """When a version was last published (UTC; None if never), how many partitions are held back,
    and the rows of the last attempt by what became of them.

    `settled`: no attempt is on its way to be published, so that these figures hold until the next
    one is recorded.
    """

    published: dt.datetime | None
    held_back: int
    rows: int
    quarantined: int
    duplicates: int
    settled: bool

    @property
    def received(self) -> int:
        """All rows of the last attempt."""
        return self.rows + self.quarantined + self.duplicates


def attempts(builds: Builds, table: TableId) -> Attempts:
    """The figures of a table's attempts."""
    of_table = _B.table_id == str(table)
    last = sa.select(_B.attempt).where(of_table).order_by(_B.sequence.desc()).limit(1)
    sums = (sa.func.coalesce(sa.func.sum(c), 0) for c in (_B.rows, _B.quarantined, _B.duplicates))
    published = sa.select(sa.func.max(_B.created)).where(
        of_table, _B.state == "published", _B.committed.is_(True)
    )
    with builds.database.read() as connection:
        moment = connection.execute(published).scalar()
        attempt = connection.execute(last).scalar()
        rows = connection.execute(sa.select(*sums).where(of_table, _B.attempt == attempt)).one()
    return Attempts(
        moment.replace(tzinfo=dt.UTC) if moment else None,
        len(builds.held_back(table)),
        *map(int, rows),
        settled=not builds.uncommitted(table),
    )


@dataclass(frozen=True)
class RunFigures:
    """The rows of the partitions that a run published, by what became of them."""

    partitions: int
    rows: int
    quarantined: int
    duplicates: int

    @property
    def received(self) -> int:
        """All rows that they were made from."""
        return self.rows + self.quarantined + self.duplicates


def of_runs(builds: Builds, table: TableId, runs: Collection[str]) -> dict[str, RunFigures]:
    """What each of these runs published of a table; runs that the register does not know are left
    out."""
    counts = (sa.func.sum(c) for c in (_B.rows, _B.quarantined, _B.duplicates))
    query = (
        sa.select(_B.run_id, sa.func.count(), *counts)
        .where(_B.table_id == str(table), _B.state == "published", _B.run_id.in_(runs))
        .group_by(_B.run_id)
    )
    with builds.database.read() as connection:
        return {run: RunFigures(*map(int, of)) for run, *of in connection.execute(query)}
