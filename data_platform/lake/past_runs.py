"""Count the partitions of a table that past runs built, from the register of builds."""

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
