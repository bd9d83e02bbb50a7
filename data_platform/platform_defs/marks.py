"""The marks of a failed run on the partition bar: off where they say what is not so.

Dagster plans a materialization of every partition of a run's range, and of a failed run it marks
each planned one without a materialization as failed, also those that were up to date. So each of
these gets one that belongs to no run; what is held back or still due keeps its mark.
"""

from collections.abc import Iterator, Sequence

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.events import (
    DagsterEvent,
    DagsterEventBatchMetadata,
    DagsterEventType,
    StepMaterializationData,
    generate_event_batch_id,
)
from dagster._core.instance.utils import RUNLESS_JOB_NAME, RUNLESS_RUN_ID

from data_platform.assets import Table
from data_platform.platform_defs.planning import current_versions, plan
from data_platform.platform_defs.platform import Platform
from data_platform.platform_defs.table_checks import standing

_AS_BEFORE = "as published before; a run that failed left it as it was"
_WITHOUT_INPUT = "no input for this partition: nothing published, it reads as empty"


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
    found = [
        materialization
        for table in tables
        if (keys := _marked(instance, table, run_id))
        for materialization in _up_to_date(platform, table, keys)
    ]
    batch = generate_event_batch_id()
    for position, materialization in enumerate(found):
        event = DagsterEvent(
            DagsterEventType.ASSET_MATERIALIZATION.value,
            job_name=RUNLESS_JOB_NAME,
            event_specific_data=StepMaterializationData(materialization),
        )
        end = DagsterEventBatchMetadata(batch, position == len(found) - 1)
        instance.report_dagster_event(event, RUNLESS_RUN_ID, batch_metadata=end)


def _marked(instance: dg.DagsterInstance, table: Table, run_id: str) -> list[str]:
    """The partitions that this run was the last to plan and did not materialize."""
    log = instance.event_log_storage
    tried = log.get_latest_asset_partition_materialization_attempts_without_materializations(
        table.key
    )
    return sorted(key for key, (run, _) in tried.items() if run == run_id)


def _up_to_date(
    platform: Platform, table: Table, keys: Sequence[str]
) -> Iterator[dg.AssetMaterialization]:
    planned = plan(table, platform, keys, only_stale=True)
    not_so = {*planned.keys, *platform.builds.held_back(table.id)}
    left = [key for key in keys if key not in not_so]
    live = current_versions(platform, table.id, left)
    nothing_came = set(standing(table, platform, planned, left).without_input)
    for key in left:
        if key in live or key in nothing_came:
            yield dg.AssetMaterialization(
                table.key,
                partition=key,
                description=_AS_BEFORE if key in live else _WITHOUT_INPUT,
                tags={DATA_VERSION_TAG: live.get(key, "without input")},
            )
