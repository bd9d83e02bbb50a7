"""The sensors: one for arrivals, one for stale partitions.

They only read state and request runs; being killed at any point loses nothing, since the next tick
finds the same state. While a run of a job is under way no other is requested: it would compute the
same partitions. After a run that ended with its work undone, the next one is requested after longer
and longer waits (`runs/retry.py`).
"""

import datetime as dt
import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from itertools import count
from operator import attrgetter

import dagster as dg

from data_platform.assets import BronzeTable, Table
from data_platform.build.dagster_internals import AssetJob
from data_platform.build.kinds import derived, landed
from data_platform.build.planning import Plan
from data_platform.build.platform import Platform
from data_platform.runs.arrivals import record_arrivals, unsettled
from data_platform.runs.due import Waiting, stale, unloaded, waiting_lines
from data_platform.runs.failed_partitions import fail_runs_that_died
from data_platform.runs.liveness import under_way
from data_platform.runs.requests import job_name, tables_by_job
from data_platform.runs.scope import Scope
from data_platform.tables.identity import TableId

# Dagster ends a tick after a minute. What a look has found is kept, and the next tick goes on.
_LONGEST_LOOK = 30  # seconds
_DIGITS = 12  # of a table's state: Dagster keeps the cursors of skipped ticks for a day


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
        now, enough = dt.datetime.now(dt.UTC), _half_a_minute()
        scope = Scope(context.instance, platform, tables)
        fail_runs_that_died(scope)
        declared = _digest(table.version for table in bronze)
        known = (context.cursor or "").split()
        states = _states_of_landed(platform, bronze)
        settled = set(known) & set(states.values())
        quiet = {table.id for table in bronze if states[table.id] in settled}
        warnings = record_arrivals(
            platform, bronze, now, redeclared=declared not in known, settled=quiet
        ).warnings
        for warning in warnings:
            context.log.warning(warning)
        by_job = tables_by_job(bronze)
        busy = {name: under_way(scope.of(group)) for name, group in by_job.items()}
        free = [table for table in bronze if not busy[job_name(table)]]
        troubles: list[str] = []

        def planned(plan: Plan) -> None:
            if not plan.keys:
                settled.add(states[plan.table.id])

        asked = scope.of(unsettled(platform, free, quiet))
        found = list(unloaded(asked, trouble=troubles.append, planned=planned, enough=enough))
        for text in troubles:
            context.log.error(text)
        cursor = _cursor([declared, *settled])
        if requests := [each.request for each in found if each.at <= now]:
            return dg.SensorResult(run_requests=requests, cursor=cursor)
        reasons = [*warnings, *troubles, *filter(None, busy.values())]
        reasons += [each.waits for each in found]
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
        description="Asks for a run of the partitions whose inputs or contract have changed.",
    )
    def stale_tables(context: dg.SensorEvaluationContext):
        platform: Platform = context.resources.platform
        now, enough = dt.datetime.now(dt.UTC), _half_a_minute()
        states = _states(platform, tables)
        settled = set((context.cursor or "").split()) & set(states.values())
        changed = [table for table, state in states.items() if state not in settled]
        if not changed:
            return dg.SkipReason("no table has changed since the last look")
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
            # Not one with something to build: a requested run may fail and change no table, and
            # neither does waiting for the next try.
            if not plan.keys:
                settled.add(states[plan.table.id])

        due = stale(scope, trouble=trouble, among=changed, planned=planned, enough=enough)
        for found in due:
            if found.at <= now:
                return dg.SensorResult(run_requests=[found.request], cursor=_cursor(settled))
            waits.append(found.waits)
        if not waits:
            waits = _said(waiting, changed, states)
        return dg.SensorResult(skip_reason=dg.SkipReason("; ".join(waits)), cursor=_cursor(settled))

    return stale_tables


def _half_a_minute() -> Callable[[], bool]:
    """Whether half a minute has passed since this call; never before the first table, so that each
    tick gets further."""
    began, asked = time.monotonic(), count()
    return lambda: next(asked) > 0 and time.monotonic() - began > _LONGEST_LOOK


def _cursor(settled: Iterable[str]) -> str | None:
    """The states of tables in which nothing was to be built."""
    return " ".join(sorted(settled)) or None


def _said(looked_at: Mapping[TableId, Waiting], changed: Sized, tables: Sized) -> list[str]:
    """What a look says that found nothing to build."""
    if len(looked_at) < len(changed):
        return [f"looked at {len(looked_at)} of {len(changed)} tables; the next tick goes on"]
    every = "every other table" if any(looked_at.values()) else "every table"
    which = "" if len(changed) == len(tables) else " that has changed"
    return [*waiting_lines(looked_at), f"{every}{which} is up to date"]


def _states(platform: Platform, tables: Sequence[Table]) -> dict[TableId, str]:
    """A text for each table that is computed from others. It changes with each publication of the
    table or an input, with the table's declaration and partitions, and with its attempts in the
    register of builds."""
    computed = derived(tables)
    read = {table.id: sorted({table.id, *table.inputs.values()}) for table in computed}
    files = platform.lake.metadata_locations({each for found in read.values() for each in found})
    changes = platform.builds.changes()
    states: dict[TableId, str] = {}
    for table in computed:
        own = [table.id, table.version, *_extent(table.partitions)]
        own.append(changes.get(str(table.id), 0))
        states[table.id] = _digest([*own, *(files[each] for each in read[table.id])])
    return states


def _extent(partitions: dg.PartitionsDefinition | None) -> Iterable[object]:
    """What changes with the partitions of a table. Those of a time window are not listed: ten years
    of days take milliseconds for each table."""
    match partitions:
        case None:
            return ()
        case dg.MultiPartitionsDefinition():
            of = sorted(partitions.partitions_defs, key=attrgetter("name"))
            return [part for each in of for part in (each.name, *_extent(each.partitions_def))]
        case dg.TimeWindowPartitionsDefinition():
            ends = partitions.get_first_partition_key(), partitions.get_last_partition_key()
            return (partitions.get_num_partitions(), *ends)
    return partitions.get_partition_keys()


def _states_of_landed(platform: Platform, bronze: Sequence[BronzeTable]) -> dict[TableId, str]:
    """A text for each bronze table. It changes with the table's declaration, and with its attempts
    in the register of builds."""
    changes = platform.builds.changes()
    return {t.id: _digest([t.id, t.version, changes.get(str(t.id), 0)]) for t in bronze}


def _digest(parts: Iterable[object]) -> str:
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:_DIGITS]
