"""The sensors: one for arrivals, one for stale partitions.

They only read state and request runs; being killed at any point loses nothing, since the next tick
finds the same state. While a run of a job is under way no other is requested: it would compute the
same partitions. After a run that ended with its work undone, the next one is requested after longer
and longer waits (`runs/retry.py`).
"""

import datetime as dt
from collections.abc import Mapping, Sequence

import dagster as dg

from data_platform.assets import Table
from data_platform.build.dagster_internals import AssetJob
from data_platform.build.kinds import derived, landed
from data_platform.build.planning import Plan
from data_platform.build.platform import Platform
from data_platform.platform_defs.scanning import Scan, digest, states_of_derived, states_of_landed
from data_platform.runs.arrivals import record_arrivals, unsettled
from data_platform.runs.due import Waiting, stale, unloaded, waiting_lines
from data_platform.runs.failed_partitions import fail_runs_that_died
from data_platform.runs.liveness import under_way
from data_platform.runs.requests import job_name, tables_by_job
from data_platform.runs.scope import Scope
from data_platform.runs.tags import DECIDED
from data_platform.tables.identity import TableId


def sensors(tables: Sequence[Table], jobs: Mapping[str, AssetJob]) -> list[dg.SensorDefinition]:
    """Both sensors; `jobs` by name, as the definitions list them."""
    return [_arrivals(tables, jobs), _freshness(tables, jobs)]


def _arrivals(tables: Sequence[Table], jobs: Mapping[str, AssetJob]) -> dg.SensorDefinition:
    bronze = landed(tables)

    @dg.sensor(
        name="landing_arrivals",
        jobs=[jobs[name] for name in tables_by_job(bronze)],
        minimum_interval_seconds=10,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"platform"},
        description="Records landed objects and requests runs that load the pending ones.",
    )
    def landing_arrivals(context: dg.SensorEvaluationContext):
        platform: Platform = context.resources.platform
        now = dt.datetime.now(dt.UTC)
        scope = Scope(context.instance, platform, tables)
        fail_runs_that_died(scope)
        declared = digest(table.version for table in bronze)
        scan = Scan(context.cursor, states_of_landed(platform, bronze))
        quiet = {table.id for table in bronze if scan.is_settled(table.id)}
        warnings = record_arrivals(
            platform, bronze, now, redeclared=declared not in scan.words, settled=quiet
        ).warnings
        for warning in warnings:
            context.log.warning(warning)
        by_job = tables_by_job(bronze)
        busy = {name: under_way(scope.of(group)) for name, group in by_job.items()}
        free = [table for table in bronze if not busy[job_name(table)]]
        open_ = {table.id: table for table in unsettled(platform, free, quiet)}
        asked = scope.of([open_[table] for table in scan.rest(open_)])
        troubles: list[str] = []
        found = list(
            unloaded(asked, trouble=troubles.append, planned=scan.planned, reaches=scan.reaches)
        )
        for text in troubles:
            context.log.error(text)
        cursor = scan.cursor(declared)
        if requests := [each.request for each in found if each.at <= now]:
            return dg.SensorResult(run_requests=[_decided(r, now) for r in requests], cursor=cursor)
        reasons = [*warnings, *troubles, *filter(None, busy.values())]
        reasons += [*(each.waits for each in found), *scan.progress]
        skipped = dg.SkipReason("; ".join(reasons) or "nothing waits to be loaded")
        return dg.SensorResult(skip_reason=skipped, cursor=cursor)

    return landing_arrivals


def _freshness(tables: Sequence[Table], jobs: Mapping[str, AssetJob]) -> dg.SensorDefinition:

    @dg.sensor(
        name="stale_tables",
        jobs=[jobs[name] for name in tables_by_job(derived(tables))],
        minimum_interval_seconds=20,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"platform"},
        description="Requests runs for partitions whose inputs or contract have changed.",
    )
    def stale_tables(context: dg.SensorEvaluationContext):
        platform: Platform = context.resources.platform
        now = dt.datetime.now(dt.UTC)
        scan = Scan(context.cursor, states_of_derived(platform, tables))
        changed = [table for table in scan.states if not scan.is_settled(table)]
        if not changed:
            return dg.SkipReason("no table has changed since the last scan")
        scope = Scope(context.instance, platform, tables)
        if busy := under_way(scope):
            return dg.SkipReason(busy)
        waits: list[str] = []
        waiting: dict[TableId, Waiting] = {}

        def trouble(text: str) -> None:
            context.log.error(text)
            waits.append(text)

        def planned(plan: Plan) -> None:
            waiting[plan.table.id] = plan.waiting
            scan.planned(plan)

        among = scan.rest(changed)
        due = stale(scope, trouble=trouble, among=among, planned=planned, reaches=scan.reaches)
        for found in due:
            if found.at <= now:
                request = _decided(found.request, now)
                return dg.SensorResult(run_requests=[request], cursor=scan.cursor())
            waits.append(found.waits)
        if not (waits := [*waits, *scan.progress]):
            waits = _said(waiting, every=len(changed) == len(scan.states))
        return dg.SensorResult(skip_reason=dg.SkipReason("; ".join(waits)), cursor=scan.cursor())

    return stale_tables


def _decided(request: dg.RunRequest, began: dt.datetime) -> dg.RunRequest:
    """The request with when its tick began, for the run's trace."""
    tags = {**request.tags, DECIDED: str(began.timestamp())}
    return request.with_replaced_attrs(tags=tags)


def _said(looked_at: Mapping[TableId, Waiting], *, every: bool) -> list[str]:
    """What a scan of `every` table says, or of those that have changed, with nothing to build."""
    those = "every other table" if any(looked_at.values()) else "every table"
    which = "" if every else " that has changed"
    return [*waiting_lines(looked_at), f"{those}{which} is up to date"]
