"""The jobs of the platform's own assets, and the schedules of what runs without an arrival."""

from collections.abc import Callable

import dagster as dg

from data_platform.build.dagster_internals import AssetJob


def asset_job(name: str, key: dg.AssetKey, description: str) -> AssetJob:
    """A job of one asset that needs no Spark session, in one process."""
    return dg.define_asset_job(
        name, selection=[key], description=description, executor_def=dg.in_process_executor
    )


def schedule(
    job: AssetJob | dg.JobDefinition,
    *,
    name: str,
    cron: str,
    description: str,
    request: Callable[[dg.ScheduleEvaluationContext], dg.RunRequest] | None = None,
) -> dg.ScheduleDefinition:
    """A schedule that is on by default. `request` says which run it asks for, by default the
    job's own without a partition."""
    return dg.ScheduleDefinition(
        name=name,
        job=job,
        cron_schedule=cron,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=description,
        execution_fn=request,
    )
