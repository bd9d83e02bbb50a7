"""What past runs built, from the register of builds."""

from typing import Any

import sqlalchemy as sa

from data_platform.lake.builds import BUILDS, Builds
from data_platform.tables.identity import TableId


def partitions_by_run(builds: Builds, table: TableId, *, most: int) -> dict[str, int]:
    """The newest `most` runs that built some of it, newest first, held back partitions included."""
    count = sa.func.count(BUILDS.c.partition.distinct())
    query = (
        sa.select(BUILDS.c.run_id, count)
        .where(BUILDS.c.table_id == str(table), BUILDS.c.run_id != "")
        .group_by(BUILDS.c.run_id)
        .order_by(sa.func.max(BUILDS.c.sequence).desc())
        .limit(most)
    )
    with builds.database.read() as connection:
        return {run: partitions for run, partitions in connection.execute(query)}


def built_by(builds: Builds, run_id: str) -> list[dict[str, Any]]:
    """The attempts of a run, by table and partition: `table`, `partition`, `attempt`, `state`,
    `rows`, and `detail`, which says why one was held back."""
    of = BUILDS.c
    query = (
        sa.select(
            of.table_id.label("table"), of.partition, of.attempt, of.state, of.rows, of.detail
        )
        .where(of.run_id == run_id)
        .order_by(of.table_id, of.partition, of.sequence)
    )
    with builds.database.read() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def runs_of_attempt(builds: Builds, attempt: str) -> list[str]:
    """The run that made an attempt; none if it is not known."""
    query = sa.select(BUILDS.c.run_id).where(BUILDS.c.attempt == attempt).distinct()
    with builds.database.read() as connection:
        return list(connection.execute(query).scalars())
