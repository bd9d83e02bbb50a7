"""The marks of a failed run on the partition bar: off where they say what is not so.

Dagster plans a materialization of every partition of a run's range, and of a failed run it marks
each planned one without a materialization as failed, also those that were up to date. So each of
these gets one that belongs to no run; what is held back or still due keeps its mark.
"""

from collections.abc import Sequence

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG

from data_platform.assets import Table
from data_platform.lake.look import Look
from data_platform.observability.events import NO_INPUT, Log
from data_platform.platform_defs.held import held_now
from data_platform.platform_defs.planning import Plan, current_versions, plan, plans
from data_platform.platform_defs.platform import Platform
from data_platform.platform_defs.table_checks import rule_state, standing, still_held

_AS_BEFORE = "as published before; a run that failed left it as it was"


def marks_sensor(tables: Sequence[Table]) -> dg.SensorDefinition:
    """For runs that Dagster launched; `drive` looks after its own."""

    @dg.run_failure_sensor(
        name="partitions_after_failure",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Takes the mark of a failed run off the partitions that are up to date.",
    )
    def partitions_after_failure(
        context: dg.RunFailureSensorContext, platform: dg.ResourceParam[Platform]
    ) -> None:
        clear_marks(context.instance, platform, tables, context.dagster_run.run_id)

    return partitions_after_failure


def clear_marks(
    instance: dg.DagsterInstance, platform: Platform, tables: Sequence[Table], run_id: str
) -> None:
    """Tell Dagster which partitions of a failed run's range are up to date all the same."""
    for table in tables:
        if keys := _marked(instance, table, run_id):
            _tell_up_to_date(Log(instance, table.key), platform, table, keys)


def _marked(instance: dg.DagsterInstance, table: Table, run_id: str) -> list[str]:
    """The partitions that this run was the last to plan and did not materialize."""
    log = instance.event_log_storage
    tried = log.get_latest_asset_partition_materialization_attempts_without_materializations(
        table.key
    )
    return sorted(key for key, (run, _) in tried.items() if run == run_id)


def _tell_up_to_date(log: Log, platform: Platform, table: Table, keys: Sequence[str]) -> None:
    """With their checks, which count for the newest materialization only."""

    def one(table: Table, platform: Platform, look: Look) -> Plan:
        return plan(table, platform, keys, only_stale=True, look=look)

    for planned in plans([table], platform, Look(platform.lake), trouble=lambda *_: None, one=one):
        _tell(log, platform, planned, keys)


def _tell(log: Log, platform: Platform, planned: Plan, keys: Sequence[str]) -> None:
    table = planned.table
    not_so = {*planned.keys, *planned.expired, *held_now(table, platform)}
    left = [key for key in keys if key not in not_so]
    live = current_versions(platform, table.id, left)
    found = standing(table, platform, planned, left)
    nothing_came = set(found.without_input)
    told = [key for key in left if key in live or key in nothing_came]
    if not told:
        return
    log.materializations(
        dg.AssetMaterialization(
            table.key,
            partition=key or None,
            description=_AS_BEFORE if key in live else NO_INPUT,
            tags={DATA_VERSION_TAG: live.get(key, "without input")},
        )
        for key in told
    )
    checked = [finding for finding in found.findings if finding.partition in told]
    log.findings(checked + rule_state(table, platform) + still_held(table, platform, besides=told))
