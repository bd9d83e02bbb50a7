"""The sensors: what arrived, what has become stale, and what a listing missed.

They only read state and ask for runs; being killed between any two steps loses nothing, since
the next tick finds the same state. While a run of a job is under way no other is asked for: it
would compute the same partitions.
"""

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping, Sequence

import dagster as dg
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus

from data_platform.assets import Table
from data_platform.landing.intake import plan_run, tick
from data_platform.platform_defs.bronze import MOST_ATTEMPTS
from data_platform.platform_defs.drivers import bury_dead_runs
from data_platform.platform_defs.jobs import Job, job_name, run_request, tables_by_job
from data_platform.platform_defs.planning import plan
from data_platform.platform_defs.platform import Platform

OVERLAP_DAYS = 7
_REQUESTED = BulkActionStatus.REQUESTED
_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def sensors(tables: Sequence[Table], jobs: Mapping[str, Job]) -> list[dg.SensorDefinition]:
    """Both sensors; `jobs` by name, as the definitions list them."""
    return [_arrivals(tables, jobs), _freshness(tables, jobs)]


def under_way(instance: dg.DagsterInstance, tables: Sequence[Table]) -> str | None:
    """A run or backfill that builds one of the tables now, in words; None if there is none."""
    keys = {table.key for table in tables}
    jobs = {job_name(table) for table in tables}
    for run in instance.get_runs(dg.RunsFilter(statuses=_UNDER_WAY)):
        if run.job_name in jobs or keys & set(run.asset_selection or ()):
            return f"run {run.run_id} of {run.job_name}"
    for backfill in instance.get_backfills(BulkActionsFilter(statuses=[_REQUESTED])):
        if keys & set(backfill.asset_selection or ()):
            return f"backfill {backfill.backfill_id}"
    return None


def _arrivals(tables: Sequence[Table], jobs: Mapping[str, Job]) -> dg.SensorDefinition:
    landed = [table for table in tables if table.source]

    @dg.sensor(
        name="landing_arrivals",
        jobs=[jobs[name] for name in tables_by_job(landed)],
        minimum_interval_seconds=10,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"platform"},
        description="Records what landed, and asks for a run of what waits to be loaded.",
    )
    def landing_arrivals(context: dg.SensorEvaluationContext):
        platform: Platform = context.resources.platform
        bury_dead_runs(context.instance, platform)
        sources = [table.source for table in landed if table.source]
        now = dt.datetime.now(dt.UTC)
        tick(platform.bucket, sources, platform.ledger, now, overlap_days=OVERLAP_DAYS)
        requests = list(arrival_requests(platform, context.instance, landed))
        return (
            dg.SensorResult(run_requests=requests)
            if requests
            else dg.SkipReason("nothing waits to be loaded, or a run is under way")
        )

    return landing_arrivals


def arrival_requests(
    platform: Platform, instance: dg.DagsterInstance, landed: Sequence[Table]
) -> Iterator[dg.RunRequest]:
    """One run for each source with pending objects; `landed` are the bronze tables."""
    by_job = tables_by_job(landed)
    for table in landed:
        assert table.source is not None
        if under_way(instance, by_job[job_name(table)]):
            continue
        platform.ledger.give_up(table.source.name, attempts=MOST_ATTEMPTS)
        if asked := plan_run(platform.ledger.pending(table.source.name)):
            yield run_request(job_name(table), asked.partitions, run_key=asked.run_key)


def _freshness(tables: Sequence[Table], jobs: Mapping[str, Job]) -> dg.SensorDefinition:
    derived = [table for table in tables if not table.source]

    @dg.sensor(
        name="stale_tables",
        jobs=[jobs[name] for name in tables_by_job(derived)],
        minimum_interval_seconds=20,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"platform"},
        description="Asks for a run of the partitions whose inputs or contract have changed.",
    )
    def stale_tables(context: dg.SensorEvaluationContext):
        platform: Platform = context.resources.platform
        seen = _state(platform, tables)
        if context.cursor == seen:
            return dg.SkipReason("no table has changed since the last look")
        if busy := under_way(context.instance, tables):
            return dg.SkipReason(f"{busy} is under way")
        requests = list(stale_requests(platform, derived))
        # asked-for runs change the tables, so the next look comes by itself
        return dg.SensorResult(run_requests=requests, cursor=None if requests else seen)

    return stale_tables


def _state(platform: Platform, tables: Sequence[Table]) -> str:
    """Changes whenever a table was published or declared otherwise: costs a look at each."""
    lines = []
    for table in tables:
        at = platform.lake.metadata_location(table.id)
        lines.append(f"{table.id} {table.version} {at}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def stale_requests(platform: Platform, derived: Sequence[Table]) -> Iterator[dg.RunRequest]:
    """A run for the first job, in the order of the tables, with stale partitions.

    One at a time: what it publishes decides what is stale further down.
    """
    for name, group in tables_by_job(derived).items():
        stale: dict[str, str] = {}
        selected: list[Table] = []
        for table in group:
            keys = table.partitions.get_partition_keys() if table.partitions else [""]
            planned = plan(table, platform, keys, only_stale=True)
            if planned.keys or any(up.id in table.inputs.values() for up in selected):
                selected.append(table)
            for key in planned.keys:
                stale[key] = stale.get(key, "") + f"{table.id}{planned.digests[key]}{table.version}"
        if stale:
            asked = sorted(stale)
            text = "\n".join(f"{key} {stale[key]}" for key in asked)
            run_key = f"stale-{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
            yield run_request(name, asked, run_key=run_key, only=selected)
            return
