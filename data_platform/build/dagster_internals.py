"""Dagster's private API: nothing else in the project uses it.

Dagster has no public API to log a batch of events, to list backfills by state, to run a job under
a code location's name, or to replace the storage of its event log. A test compares what is used
here with the pinned version. `platform_defs.postgres_storage` is the same for dagster-postgres.
"""

import datetime as dt
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import dagster as dg
from dagster._core.asset_graph_view.serializable_entity_subset import SerializableEntitySubset
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationPlanned,
    AssetCheckEvaluationTargetMaterializationData,
)
from dagster._core.definitions.assets.job.asset_job import IMPLICIT_ASSET_JOB_NAME
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.errors import DagsterLaunchFailedError, DagsterUserCodeUnreachableError
from dagster._core.events import (
    AssetObservationData,
    DagsterEventBatchMetadata,
    JobFailureData,
    StepMaterializationData,
    generate_event_batch_id,
)
from dagster._core.execution import context_creation_job
from dagster._core.execution.api import execute_run_iterator
from dagster._core.execution.backfill import (
    BulkActionsFilter,
    BulkActionStatus,
    PartitionBackfill,
)
from dagster._core.execution.plan.objects import StepFailureData
from dagster._core.instance.utils import RUNLESS_JOB_NAME, RUNLESS_RUN_ID
from dagster._core.launcher import DefaultRunLauncher, LaunchRunContext
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecordStatus,
    AssetCheckExecutionResolvedStatus,
    AssetCheckPartitionInfo,
)
from dagster._core.storage.asset_check_state import AssetCheckState
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    AssetKeyTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.runs.schema import RunsTable
from dagster._core.storage.schedules.schema import JobTable
from dagster._core.storage.sql import ALEMBIC_SCRIPTS_LOCATION
from dagster._serdes import ConfigurableClassData
from dagster_shared.error import SerializableErrorInfo
from sqlalchemy import select
from sqlalchemy.engine import Connection

AssetJob = UnresolvedAssetJobDefinition
"""The type that `dg.define_asset_job` returns."""
Target = AssetCheckEvaluationTargetMaterializationData
"""The materialization that a check's result is about."""
CheckStatus = AssetCheckExecutionRecordStatus
CheckOfPartition = AssetCheckPartitionInfo
"""The newest evaluation of a check of a partition."""
ShownStatus = AssetCheckExecutionResolvedStatus
"""The status of a check that the UI shows."""
CheckState = AssetCheckState
"""The partitions of a check by that status."""
PartitionsOf = SerializableEntitySubset
RunLauncher = DefaultRunLauncher
"""It has a code server start a run."""
LaunchContext = LaunchRunContext
LaunchFailed = DagsterLaunchFailedError
"""A code server refuses to start a run."""
Unreachable = DagsterUserCodeUnreachableError
"""A code server cannot be reached."""
StorageConfig = ConfigurableClassData
"""How `dagster.yaml` configures a storage."""

EVENTS, EVENT_TAGS = SqlEventLogStorageTable, AssetEventTagsTable
ASSETS, CHECK_EXECUTIONS = AssetKeyTable, AssetCheckExecutionsTable
STORAGE = [t.name for of in (RunsTable, EVENTS, JobTable) for t in of.metadata.sorted_tables]
MIGRATIONS = ALEMBIC_SCRIPTS_LOCATION  # of the storage, in files and on a server
FILLED = ("secondary_indexes", "instance_info")  # tables of an empty storage that have rows

LOGGED: Mapping[str, bool] = {SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True}
"""Metadata of a step's output for which Dagster logs no materialization of its own."""

_ENDED = [
    BulkActionStatus.COMPLETED,
    BulkActionStatus.COMPLETED_SUCCESS,
    BulkActionStatus.COMPLETED_FAILED,
    BulkActionStatus.CANCELED,
    BulkActionStatus.FAILED,
]

# --- events -------------------------------------------------------------------------------

AssetEvent = dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation


def log_batch(
    instance: dg.DagsterInstance,
    step: dg.StepExecutionContext | None,
    events: Sequence[tuple[AssetEvent, str]],
    moments: Sequence[float],
) -> None:
    """Log events with their messages and timestamps (seconds since 1970), in the run of a step or
    without a run; the instance stores them as one batch.

    `AssetExecutionContext.log_event` stores each event separately and takes no timestamp.
    """
    batch = generate_event_batch_id()
    for position, ((item, said), moment) in enumerate(zip(events, moments, strict=True)):
        instance.report_dagster_event(
            _event(step, item, said),
            step.run_id if step else RUNLESS_RUN_ID,
            log_level=logging.INFO,
            batch_metadata=DagsterEventBatchMetadata(batch, position == len(events) - 1),
            timestamp=moment,
        )


def _event(step: dg.StepExecutionContext | None, item: AssetEvent, said: str) -> dg.DagsterEvent:
    kind, data = _kind_and_data(item)
    if step is None:
        return dg.DagsterEvent(kind.value, RUNLESS_JOB_NAME, event_specific_data=data, message=said)
    return dg.DagsterEvent(
        kind.value,
        job_name=step.job_name,
        step_handle=step.step.handle,
        node_handle=step.step.node_handle,
        step_kind_value=step.step.kind.value,
        logging_tags=step.event_tags,
        event_specific_data=data,
        message=said,
        pid=os.getpid(),
    )


def _kind_and_data(item: AssetEvent) -> tuple[dg.DagsterEventType, Any]:
    match item:
        case dg.AssetMaterialization():
            return dg.DagsterEventType.ASSET_MATERIALIZATION, StepMaterializationData(item, [])
        case dg.AssetObservation():
            return dg.DagsterEventType.ASSET_OBSERVATION, AssetObservationData(item)
    return dg.DagsterEventType.ASSET_CHECK_EVALUATION, item


def target_of(record: dg.EventLogRecord) -> Target:
    """The materialization of a record, for a check's result to name."""
    return Target(  # its fields are not visible to a type checker
        storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
    )


def targets_of(instance: dg.DagsterInstance, ids: Sequence[int]) -> dict[str | None, Target]:
    """The materializations with these ids in the log, by partition.

    Reading a whole record would deserialize its event just for the timestamp.
    """
    storage, log = instance.event_log_storage, EVENTS.c
    assert isinstance(storage, SqlEventLogStorage)
    found = select(log.partition, log.id, log.run_id, log.timestamp).where(log.id.in_(ids))
    with storage.index_connection() as connection:
        return {
            partition: Target(
                storage_id=number,
                run_id=run_id,
                timestamp=moment.replace(tzinfo=dt.UTC).timestamp(),
            )
            for partition, number, run_id, moment in connection.execute(found)
        }


def error_outside_steps(event: dg.DagsterEvent) -> SerializableErrorInfo | None:
    """Why a run failed, if the event is its failure for a reason of its own.

    A run that fails because a step did has that step's event, and its error once more.
    """
    data = event.event_specific_data
    if isinstance(data, JobFailureData) and data.first_step_failure_event is None:
        return data.error
    return None


def shortened_failure(event: dg.EventLogEntry, *, expected: str) -> dg.EventLogEntry:
    """The event, shortened if it is a failure: that of a run without the error of its step, which
    has its own event; that of a step with the metadata `expected`, which is not an error in the
    code, without a stack trace."""
    failure = event.dagster_event
    if failure is None:
        return event
    match data := failure.event_specific_data:
        case JobFailureData(first_step_failure_event=dg.DagsterEvent()):
            shown = data._replace(error=None, first_step_failure_event=None)
        case StepFailureData(error=SerializableErrorInfo() as error, user_failure_data=said) if (
            said and expected in said.metadata
        ):
            shown = data._replace(error=error._replace(stack=[]))
        case _:
            return event
    return event._replace(dagster_event=failure._replace(event_specific_data=shown))


def planned_of_one(event: dg.EventLogEntry) -> dg.EventLogEntry:
    """The event that a check is planned, without the partitions of the run."""
    found = event.get_dagster_event()
    planned = found.asset_check_planned_data
    alone = AssetCheckEvaluationPlanned(asset_key=planned.asset_key, check_name=planned.check_name)
    return event._replace(dagster_event=found._replace(event_specific_data=alone))


# --- runs and backfills -------------------------------------------------------------------


def requested_backfills(instance: dg.DagsterInstance) -> Sequence[PartitionBackfill]:
    """The backfills that are under way."""
    return instance.get_backfills(BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED]))


def ended_backfills(instance: dg.DagsterInstance, *, limit: int) -> Sequence[PartitionBackfill]:
    """The last backfills that ended, whether they succeeded or not, newest first."""
    return instance.get_backfills(BulkActionsFilter(statuses=_ENDED), limit=limit)


def is_without_job(run: dg.DagsterRun) -> bool:
    """Whether the run's assets were selected one by one, as in the UI, instead of by a job."""
    return run.job_name == IMPLICIT_ASSET_JOB_NAME


def job_origin(code_location: str, job: dg.JobDefinition) -> RemoteJobOrigin:
    """What a run must have for Dagster's pages to list it under the code location."""
    location = RegisteredCodeLocationOrigin(code_location)
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME), job.name)


def execute(
    job: dg.JobDefinition, run: dg.DagsterRun, instance: dg.DagsterInstance
) -> list[dg.DagsterEvent]:
    """Execute a run of the instance in this process; yields its events."""
    return list(execute_run_iterator(InMemoryJob(job), run, instance))


def use_logger(logger: dg.LoggerDefinition, config: Mapping[str, Any]) -> None:
    """Make this the logger of every run of this process that does not configure one."""
    usual = [(logger, dict(config))]
    context_creation_job.default_system_loggers = lambda instance: usual  # pyright: ignore


# --- the event log's storage --------------------------------------------------------------


class EventLog(SqlEventLogStorage):
    """An event log in a database, with public names for what a subclass uses and overrides."""

    @property
    def owner(self) -> dg.DagsterInstance:
        """The instance whose storage it is."""
        return self._instance

    def row_of(self, event: dg.EventLogEntry) -> dict[str, Any]:
        """The event's row in `EVENTS`."""
        return self._event_to_row(event)

    def inserted_at(self, event: dg.EventLogEntry) -> Any:
        """The event's timestamp, as the SQL tables store it."""
        return self._event_insert_timestamp(event)

    def store_tags(
        self, connection: Connection, events: Sequence[dg.EventLogEntry], ids: Sequence[int]
    ) -> None:
        """Store the tags of asset events, given with their `ids` in the log."""
        self._store_asset_event_tags(connection, events, ids)

    def store_as_newest(
        self, connection: Connection, event: dg.EventLogEntry, event_id: int
    ) -> None:
        """Store in `ASSETS` that this is the newest event of its asset."""
        self._store_asset_event(connection, event, event_id)

    def store_planned_checks(self, event: dg.EventLogEntry, event_id: int | None) -> None:
        """Store that a check of some partitions is planned."""
        super()._store_asset_check_evaluation_planned(event, event_id)

    def store_evaluation_without_run(self, event: dg.EventLogEntry, event_id: int | None) -> None:
        """Store a check's result that belongs to no run."""
        super()._store_runless_asset_check_evaluation(event, event_id)

    def _store_asset_check_evaluation_planned(
        self, event: dg.EventLogEntry, event_id: int | None
    ) -> None:
        self.store_planned_checks(event, event_id)

    def _store_runless_asset_check_evaluation(
        self, event: dg.EventLogEntry, event_id: int | None
    ) -> None:
        self.store_evaluation_without_run(event, event_id)


class SqliteEventLog(SqliteEventLogStorage):
    """An event log in SQLite files (`shard`: a run's id, or the index of all)."""

    def use_lock(self, lock: Any) -> None:
        """Use this lock while a connection is open, instead of Dagster's, which is not reentrant
        and would keep a thread from connecting to more than one file."""
        self._db_lock = lock

    @contextmanager
    def connected(self, shard: str) -> Iterator[Connection]:
        """A connection to a file, in a transaction that ends with the context."""
        with super()._connect(shard) as connection:
            yield connection

    def _connect(self, shard: str) -> AbstractContextManager[Connection]:
        return self.connected(shard)
