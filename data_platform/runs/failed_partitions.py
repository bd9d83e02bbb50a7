"""Clears "failed" from partitions that are up to date or have no input.

Dagster plans a materialization of every partition in a run's range. When the run fails, it marks
each planned partition without a materialization as failed, even those that were up to date. So
each of these gets a materialization that belongs to no run; what is held back or still due stays
failed. A partition without input gets none: its planned materialization is wiped.

A backfill counts as failed unless each of its partitions is materialized, so partitions without
input count as materialized until the backfill has ended; then that is wiped, too.
"""

import datetime as dt
from collections.abc import Iterable, Sequence

import dagster as dg

from data_platform.assets import Table
from data_platform.build.dagster_internals import CheckStatus, ended_backfills
from data_platform.build.events import DATA_VERSION_TAG, WITHOUT_INPUT, Log
from data_platform.build.held import held_now
from data_platform.build.planning import current_versions, stale_plan
from data_platform.build.platform import Platform
from data_platform.build.table_checks import checks_left_alone, rule_state, still_held
from data_platform.runs.liveness import fail_dead_runs, fail_lost_runs, under_way
from data_platform.runs.scope import Scope
from data_platform.storage.errors import LakeError

_AS_BEFORE = "as published before; a run that failed left it as it was"
_LOOKS_AT = 20  # backfills, newest first


def failed_status_sensors(tables: Sequence[Table]) -> list[dg.SensorDefinition]:
    """The sensors that correct the status of these tables' partitions: after runs, backfills."""
    return [_after_failure(tables), _after_backfill(tables)]


def _after_failure(tables: Sequence[Table]) -> dg.SensorDefinition:
    """For runs that Dagster launched; `in_process` does the same for its own."""

    @dg.run_failure_sensor(
        name="partitions_after_failure",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Clears the failed status from partitions that are up to date.",
    )
    def partitions_after_failure(
        context: dg.RunFailureSensorContext, platform: dg.ResourceParam[Platform]
    ) -> None:
        scope = Scope(context.instance, platform, tables)
        clear_failed_status(scope, context.dagster_run.run_id)

    return partitions_after_failure


def _after_backfill(tables: Sequence[Table]) -> dg.SensorDefinition:
    @dg.sensor(
        name="partitions_after_backfill",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=30,
        description="Clears a backfill's materializations from partitions without input.",
    )
    def partitions_after_backfill(
        context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]
    ) -> dg.SkipReason:
        ended = ended_backfills(context.instance, limit=_LOOKS_AT)
        newest = str(max((each.backfill_end_timestamp or 0 for each in ended), default=0))
        if newest == (context.cursor or "0"):
            return dg.SkipReason("no backfill has ended")
        if busy := under_way(Scope(context.instance, platform, tables)):
            return dg.SkipReason(busy)
        trouble = []
        for table in tables:
            try:
                wipe_without_input(context.instance, platform, table)
            except (LakeError, ValueError) as error:  # of this table alone; the others go on
                trouble.append(f"{table.id}: {error}")
        context.update_cursor(newest)
        said = "a backfill has ended; what nothing came for is missing again"
        return dg.SkipReason("; ".join([said, *trouble]))

    return partitions_after_backfill


def wipe_without_input(instance: dg.DagsterInstance, platform: Platform, table: Table) -> None:
    """Mark as missing the partitions that Dagster counts as materialized but that have no data.

    Call it only while no run is under way.
    """
    if not table.partitions:
        return
    marks = instance.event_log_storage.get_latest_tags_by_partition(
        table.key, dg.DagsterEventType.ASSET_MATERIALIZATION, tag_keys=[DATA_VERSION_TAG]
    )
    marked = [key for key, tags in marks.items() if tags.get(DATA_VERSION_TAG) == WITHOUT_INPUT]
    published = current_versions(platform, table.id, marked) if marked else {}
    if gone := sorted(key for key in marked if key not in published):
        instance.wipe_asset_partitions(table.key, gone)


def fail_runs_that_died(scope: Scope, already: Iterable[dg.DagsterRun] = ()) -> None:
    """Mark as failed the runs whose process is gone, and tell Dagster which partitions of theirs,
    and of those that were marked `already`, are up to date."""
    lost = fail_lost_runs(scope, dt.datetime.now(dt.UTC))
    for run in [*already, *lost, *fail_dead_runs(scope.instance, scope.platform)]:
        clear_failed_status(scope, run.run_id)


def clear_failed_status(scope: Scope, run_id: str) -> None:
    """Tell Dagster which partitions of a failed run's range are up to date."""
    for table in scope.tables:
        if keys := _marked(scope.instance, table, run_id):
            _tell_up_to_date(Log(scope.instance, table.key), scope.platform, table, keys)


def _marked(instance: dg.DagsterInstance, table: Table, run_id: str) -> list[str]:
    """The partitions that this run, the last to plan them, did not materialize."""
    log = instance.event_log_storage
    tried = log.get_latest_asset_partition_materialization_attempts_without_materializations(
        table.key
    )
    return sorted(key for key, (run, _) in tried.items() if run == run_id)


def _tell_up_to_date(log: Log, platform: Platform, table: Table, keys: Sequence[str]) -> None:
    """Record their materializations, with their checks: these count for the newest one only."""
    planned = stale_plan(table, platform, keys)
    if planned is None:
        return
    not_so = {*planned.keys, *planned.expired, *held_now(table, platform)}
    left = [key for key in keys if key not in not_so]
    live = current_versions(platform, table.id, left)
    found = checks_left_alone(table, platform, planned, left)
    nothing_came = [key for key in found.without_input if key not in live]
    settled = [*live, *nothing_came]
    if not settled:
        return
    if nothing_came and table.partitions:
        log.instance.wipe_asset_partitions(table.key, nothing_came)
    log.materializations(
        dg.AssetMaterialization(
            table.key,
            partition=key or None,
            description=_AS_BEFORE,
            tags={DATA_VERSION_TAG: version},
        )
        for key, version in sorted(live.items())
    )
    known = _evaluated(log, [finding.check for finding in found.findings], nothing_came)
    checked = [
        finding
        for finding in found.findings
        if finding.partition in settled and (finding.check, finding.partition) not in known
    ]
    log.findings(
        checked + rule_state(table, platform) + still_held(table, platform, besides=settled)
    )


def _evaluated(log: Log, checks: Iterable[str], keys: Sequence[str]) -> set[tuple[str, str | None]]:
    """The (check, partition) pairs whose last result is kept.

    A check's page shows its newest result, which should not be that of a partition without input.
    """
    if not keys:
        return set()
    infos = log.instance.event_log_storage.get_asset_check_partition_info(
        [dg.AssetCheckKey(log.asset, name) for name in sorted({*checks})], partition_keys=keys
    )
    return {
        (info.check_key.name, info.partition_key)
        for info in infos
        if info.latest_execution_status is not CheckStatus.PLANNED
    }
