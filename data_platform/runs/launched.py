"""Runs in this process that Dagster's pages list under the code location.

Runs that Dagster launches belong to a code location, and its job pages list only those;
`execute_in_process` sets none.
"""

from collections.abc import Mapping, Sequence

import dagster as dg

from data_platform.build.dagster_internals import execute, job_origin

CODE_LOCATION = "data_platform"  # as workspace.yaml calls it
LAUNCHED_BY = "user"  # the run tag that Dagster's pages show as who launched a run


def execute_here(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    *,
    run_id: str,
    tags: Mapping[str, str],
    run_config: Mapping[str, object],
    asset_selection: Sequence[dg.AssetKey] | None = None,
) -> dg.ExecuteInProcessResult:
    """Like `execute_in_process`, under the code location's name; an error fails the run."""
    run = instance.create_run_for_job(
        job,
        run_id=run_id,
        tags=tags,
        run_config=run_config,
        asset_selection=set(asset_selection) if asset_selection else None,
        remote_job_origin=job_origin(CODE_LOCATION, job),
    )
    events = execute(job, run, instance)
    ended = instance.get_run_by_id(run_id)
    assert ended is not None
    return dg.ExecuteInProcessResult(events, ended, {}, job)
