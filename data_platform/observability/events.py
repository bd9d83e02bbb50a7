"""What a step tells Dagster: results and materializations, one for each partition.

Dagster marks a whole range as materialized when a ranged step yields its output. Here some
partitions of a range may be held back, or not be due at all, so the events are logged for each
partition that was really built, and the output says that Dagster should log none.
"""

from collections.abc import Iterable, Mapping

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION
from dagster._core.events import (
    DagsterEvent,
    DagsterEventBatchMetadata,
    DagsterEventType,
    StepMaterializationData,
    generate_event_batch_id,
)
from dagster._core.execution.context.system import StepExecutionContext

from data_platform.lake.publish import Published, StagedWrite
from data_platform.quality.findings import Finding

# The output of a step whose materializations were logged one by one.
LOGGED: Mapping[str, bool] = {SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True}


def log_findings(
    step: StepExecutionContext, asset: dg.AssetKey, findings: Iterable[Finding]
) -> None:
    """One check evaluation for each finding; they survive a step that fails afterwards."""
    evaluations = [
        dg.AssetCheckEvaluation(
            asset_key=asset,
            check_name=finding.check,
            passed=finding.passed,
            severity=(
                dg.AssetCheckSeverity.ERROR if finding.blocking else dg.AssetCheckSeverity.WARN
            ),
            description=finding.description,
            metadata={k: _metadata(v) for k, v in finding.metadata.items()},
            partition=finding.partition or None,
            blocking=finding.blocking,
        )
        for finding in findings
    ]
    _log(step, DagsterEventType.ASSET_CHECK_EVALUATION, evaluations)


def log_published(
    step: StepExecutionContext,
    asset: dg.AssetKey,
    write: StagedWrite,
    published: Mapping[str, Published],
) -> None:
    """One materialization for each partition that was published, with its figures."""
    materializations = [
        dg.AssetMaterialization(
            asset_key=asset,
            partition=key or None,
            metadata={
                "dagster/partition_row_count": figures.rows,
                "rows": figures.rows,
                "files": figures.files,
                "bytes": figures.bytes,
                "snapshot_id": str(figures.snapshot_id),
                "attempt": write.attempt,
                **{k: _metadata(v) for k, v in write.metadata.get(key, {}).items()},
            },
            tags={DATA_VERSION_TAG: write.attempt},
        )
        for key, figures in published.items()
    ]
    _log_materializations(step, materializations)


def log_without_input(step: StepExecutionContext, asset: dg.AssetKey, keys: Iterable[str]) -> None:
    """One materialization for each partition of the run's range that nothing landed for.

    Such a day publishes nothing and reads as empty, and that is its result: without one Dagster
    calls the partition, and a backfill that covers it, failed.
    """
    materializations = [
        dg.AssetMaterialization(
            asset_key=asset,
            partition=key or None,
            description="no input for this partition: nothing published, it reads as empty",
            metadata={"rows": 0, "files": 0, "bytes": 0},
            tags={DATA_VERSION_TAG: "without input"},
        )
        for key in keys
    ]
    _log_materializations(step, materializations)


def _log_materializations(
    step: StepExecutionContext, materializations: list[dg.AssetMaterialization]
) -> None:
    data = [StepMaterializationData(materialization, []) for materialization in materializations]
    _log(step, DagsterEventType.ASSET_MATERIALIZATION, data)


def _metadata(value: object):
    return value if isinstance(value, int | float) else str(value)


def _log(step: StepExecutionContext, kind: DagsterEventType, data: list) -> None:
    """As one batch, which storages that can write at once."""
    batch = generate_event_batch_id()
    for position, item in enumerate(data):
        end = DagsterEventBatchMetadata(batch, position == len(data) - 1)
        DagsterEvent.from_step(kind, step, item, batch_metadata=end)
