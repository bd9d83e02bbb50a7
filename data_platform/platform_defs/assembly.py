"""Dagster's definitions from declared tables."""

from collections.abc import Sequence

import dagster as dg

from data_platform.assets import Table
from data_platform.observability.logs import quiet_libraries
from data_platform.platform_defs.console import console
from data_platform.platform_defs.jobs import jobs
from data_platform.platform_defs.marks import marks_sensor
from data_platform.platform_defs.reconciliation import reconciliation_job, reconciliation_schedule
from data_platform.platform_defs.resources import resources
from data_platform.platform_defs.sensors import sensors
from data_platform.settings import Settings


def definitions(
    tables: Sequence[Table],
    settings: Settings,
    *,
    others: Sequence[dg.AssetsDefinition] = (),
) -> dg.Definitions:
    """Assets, jobs, sensors and schedules of all tables; `others` are ordinary assets."""
    quiet_libraries()
    reconciliation = reconciliation_job(tables)
    by_name = jobs(tables)
    return dg.Definitions(
        assets=[*(table.asset for table in tables), *others],
        jobs=[*by_name.values(), reconciliation],
        sensors=[*sensors(tables, by_name), marks_sensor(tables)],
        schedules=[reconciliation_schedule(reconciliation)],
        resources=resources(settings),
        loggers={"console": console},
        executor=dg.in_process_executor,
    )
