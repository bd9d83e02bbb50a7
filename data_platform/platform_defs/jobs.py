"""Make the jobs: one per domain and kind of partitions.

Daily and monthly tables cannot share a ranged run, so each has its own job; the freshness sensor
requests runs for what one job makes stale in another.
"""

from collections.abc import Sequence

import dagster as dg

from data_platform.assets import Table
from data_platform.build.dagster_internals import AssetJob
from data_platform.contracts.errors import DeclarationError
from data_platform.runs.requests import tables_by_job
from data_platform.runs.tags import RUN_CONFIG


def jobs(tables: Sequence[Table]) -> dict[str, AssetJob]:
    """The jobs by name. A run is one process with one Spark session; its steps run in sequence.

    Raises DeclarationError if tables of one job have different partitions, since a range
    needs a single one.
    """
    for name, group in tables_by_job(tables).items():
        for table in group:
            if table.partitions != group[0].partitions:
                raise DeclarationError(
                    f"{group[0].id} and {table.id} are built by one job, {name}, and their "
                    f"partitions differ: {group[0].partitions} and {table.partitions}; give both "
                    "one definition that covers the time of both, or move one to another domain"
                )
    return {
        name: dg.define_asset_job(
            name,
            selection=[table.key for table in group],
            description=f"Builds {', '.join(str(table.id) for table in group)}.",
            executor_def=dg.in_process_executor,
            config=RUN_CONFIG,
        )
        for name, group in tables_by_job(tables).items()
    }
