"""The sensors: one for arrivals, one for stale partitions.

They only read state and request runs; being killed at any point loses nothing, since the next tick
finds the same state. While a run of a job is under way no other is requested: it would compute the
same partitions. After a run that ended with its work undone, the next one is requested after longer
and longer waits (`runs/retry.py`).
"""

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence

import dagster as dg

from data_platform.assets import Table
from data_platform.build.dagster_internals import AssetJob
from data_platform.build.kinds import derived, landed
from data_platform.build.platform import Platform
from data_platform.runs.arrivals import record_arrivals
from data_platform.runs.due import Waiting, stale, unloaded, waiting_lines
from data_platform.runs.failed_partitions import fail_runs_that_died
from data_platform.runs.liveness import under_way
from data_platform.runs.requests import job_name, tables_by_job
from data_platform.runs.scope import Scope
from data_platform.tables.identity import TableId

_UP_TO_DATE = "every table is up to date"


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
        description="Records what landed, and asks for a run of what waits to be loaded.",
    )
    def landing_arrivals(context: dg.SensorEvaluationContext):
        platform: Platform = context.resources.platform
        now = dt.datetime.now(dt.UTC)
        scope = Scope(context.instance, platform, tables)
        fail_runs_that_died(scope)
        declared = ",".join(table.version for table in bronze)
        redeclared = context.cursor != declared
        warnings = record_arrivals(platform, bronze, now, redeclared=redeclared).warnings
        for warning in warnings:
            context.log.warning(warning)
        by_job = tables_by_job(bronze)
        busy = {name: under_way(scope.of(group)) for name, group in by_job.items()}
        free = [table for table in bronze if not busy[job_name(table)]]
        troubles: list[str] = []
        found = list(unloaded(scope.of(free), trouble=troubles.append))
        for text in troubles:
            context.log.error(text)
        if requests := [each.request for each in found if each.at <= now]:
            return dg.SensorResult(run_requests=requests, cursor=declared)
        reasons = [*warnings, *troubles, *filter(None, busy.values())]
        reasons += [each.waits for each in found]
        skipped = dg.SkipReason("; ".join(reasons) or "nothing waits to be loaded")
        return dg.SensorResult(skip_reason=skipped, cursor=declared)

    return landing_arrivals


def _freshness(tables: Sequence[Table], jobs: Mapping[str, AssetJob]) -> dg.SensorDefinition:

    @dg.sensor(
        name="stale_tables",
        jobs=[jobs[name] for name in tables_by_job(derived(tables))],
        minimum_interval_seconds=20,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"platform"},
        description="Asks for a run of the partitions whose inputs or contract have changed.",
    )
    def stale_tables(context: dg.SensorEvaluationContext):
        platform: Platform = context.resources.platform
        now = dt.datetime.now(dt.UTC)
        seen = _state(platform, tables)
        if context.cursor == seen:
            return dg.SkipReason("no table has changed since the last look")
        scope = Scope(context.instance, platform, tables)
        if busy := under_way(scope):
            return dg.SkipReason(busy)
        waits: list[str] = []

        def trouble(text: str) -> None:
            context.log.error(text)
            waits.append(text)

        waiting: dict[TableId, Waiting] = {}
        for found in stale(scope, trouble=trouble, waits=waiting.__setitem__):
            if found.at <= now:
                return dg.SensorResult(run_requests=[found.request])
            waits.append(found.waits)
        if waits:
            return dg.SkipReason("; ".join(waits))
        # Only now: a requested run may fail and change no table, and neither does waiting for the
        # next try.
        said = ["every other table is up to date" if any(waiting.values()) else _UP_TO_DATE]
        skipped = dg.SkipReason("; ".join([*waiting_lines(waiting), *said]))
        return dg.SensorResult(cursor=seen, skip_reason=skipped)

    return stale_tables


def _state(platform: Platform, tables: Sequence[Table]) -> str:
    """A text that changes whenever a table or an input is published, is declared differently, or
    gains a partition, and with the register of builds, which a person may change. Costs a look at
    each table."""
    read = {upstream for table in tables for upstream in table.inputs.values()}
    looked_at = sorted({*read, *(table.id for table in tables)}, key=str)
    lines = [f"{table} {platform.lake.metadata_location(table)}" for table in looked_at]
    lines.append(platform.builds.state())
    for table in tables:
        count = table.partitions.get_num_partitions() if table.partitions else 1
        lines.append(f"{table.id} {table.version} {count}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
