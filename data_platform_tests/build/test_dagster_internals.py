"""What `dagster_internals` relies on is in the installed Dagster: an upgrade that moves it fails
here, or at the import, before it fails in a run."""

from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.data_version import DATA_VERSION_TAG as DATA_VERSION_OF_DAGSTER
from dagster._core.storage import tags as tags_of_dagster
from dagster._core.storage.dagster_run import FINISHED_STATUSES

from data_platform.build import dagster_internals as internals
from data_platform.build.events import DATA_VERSION_TAG
from data_platform.runs import retry, tags
from data_platform_tests.support.upstream import is_pinned, parameters

_CALLED: dict[Callable[..., Any], str] = {
    internals.generate_event_batch_id: "",
    internals.DagsterEventBatchMetadata: "id, is_end",
    internals.StepMaterializationData: "materialization, asset_lineage=",
    internals.AssetObservationData: "asset_observation",
    internals.InMemoryJob: "job_def",
    internals.execute_run_iterator: "job, dagster_run, instance, resume_from_failure=",
    internals.context_creation_job.default_system_loggers: "instance",  # pyright: ignore
    dg.DagsterInstance.report_dagster_event: (
        "self, dagster_event, run_id, log_level=, batch_metadata=, timestamp="
    ),
    internals.RunLauncher.launch_run: "self, context",
    internals.PartitionsOf: "key, value",
    dg.DagsterInstance.get_backfills: "self, filters=, cursor=, limit=, status=",
}
_EVENT_LOG: dict[str, str] = {
    "_event_to_row": "self, event",
    "_event_insert_timestamp": "self, event",
    "_store_asset_event_tags": "self, conn, events, event_ids",
    "_store_asset_event": "self, conn, event, event_id",
    "_store_asset_check_evaluation_planned": "self, event, event_id",
    "_store_runless_asset_check_evaluation": "self, event, event_id",
    "store_event": "self, event",
    "store_event_batch": "self, events",
    "store_asset_check_event": "self, event, event_id",
    "wipe_asset_partitions": "self, asset_key, partition_keys",
    "has_table": "self, table_name",
    "get_asset_check_state": "self, keys",
    "get_asset_check_partition_info": "self, keys, after_storage_id=, partition_keys=",
    "index_connection": "self",
    "get_pool_limits": "self",
    "initialize_concurrency_limit_to_default": "self, concurrency_key",
}
_RECORDS: dict[type, set[str]] = {
    internals.Target: {"storage_id", "run_id", "timestamp"},
    internals.AssetCheckEvaluationPlanned: {"asset_key", "check_name", "partitions_subset"},
    internals.CheckState: {"latest_storage_id", "subsets", "in_progress_runs"},
    internals.CheckOfPartition: {
        *{"check_key", "partition_key", "latest_execution_status", "latest_planned_run_id"},
        *{"latest_check_event_storage_id", "latest_materialization_storage_id"},
    },
    internals.RegisteredCodeLocationOrigin: {"location_name"},
    internals.RemoteRepositoryOrigin: {"code_location_origin", "repository_name"},
    internals.RemoteJobOrigin: {"repository_origin", "job_name"},
    internals.JobFailureData: {"error", "first_step_failure_event"},
    internals.StepFailureData: {"error", "user_failure_data"},
    internals.PartitionBackfill: {
        "backfill_id",
        "asset_selection",
        "backfill_end_timestamp",
    },
}
_TABLES = {
    "EVENTS": {
        "id",
        "run_id",
        "event",
        "asset_key",
        "partition",
        "dagster_event_type",
        "timestamp",
    },
    "EVENT_TAGS": {"event_id"},
    "ASSETS": {"asset_key", "last_materialization", "cached_status_data"},
    "CHECK_EXECUTIONS": {
        *{"asset_key", "check_name", "run_id", "partition", "execution_status"},
        *{"evaluation_event", "evaluation_event_timestamp", "evaluation_event_storage_id"},
        *{"materialization_event_storage_id", "id", "create_timestamp"},
    },
}


def _name(value: object) -> str | None:
    return getattr(value, "__name__", None) if not isinstance(value, str) else value


def test_the_version_is_the_one_that_is_pinned() -> None:
    assert is_pinned("dagster")


@pytest.mark.parametrize(("function", "wanted"), _CALLED.items(), ids=_name)
def test_what_is_called_takes_the_same_arguments(function: Callable, wanted: str) -> None:
    assert parameters(function) == wanted


@pytest.mark.parametrize(("method", "wanted"), _EVENT_LOG.items())
@pytest.mark.parametrize(
    "storage", [internals.SqlEventLogStorage, internals.SqliteEventLogStorage], ids=_name
)
def test_the_event_log_is_stored_by_the_same_methods(
    storage: type, method: str, wanted: str
) -> None:
    assert parameters(getattr(storage, method)) == wanted


def test_sqlite_has_a_connection_for_each_file_and_a_lock(tmp_path) -> None:
    storage = internals.SqliteEventLogStorage

    assert parameters(storage) == "base_dir, inst_data="
    assert parameters(storage._connect) == "self, shard"
    assert hasattr(storage(str(tmp_path))._db_lock, "acquire")


@pytest.mark.parametrize(("record", "fields"), _RECORDS.items(), ids=_name)
def test_records_have_the_same_fields(record: type, fields: set[str]) -> None:
    of_tuple = getattr(record, "_fields", ())

    assert fields <= {*of_tuple, *record.__annotations__}


@pytest.mark.parametrize(("table", "columns"), _TABLES.items())
def test_tables_have_the_same_columns(table: str, columns: set[str]) -> None:
    assert columns <= set(getattr(internals, table).c.keys())


def test_backfills_end_in_the_states_that_are_known() -> None:
    under_way = {"REQUESTED", "CANCELING", "FAILING"}

    assert {state.name for state in internals.BulkActionStatus} - under_way == {
        state.name for state in internals._ENDED
    }


def test_names_that_dagster_gives_are_the_same() -> None:
    assert internals.SINGLETON_REPOSITORY_NAME == "__repository__"
    assert internals.IMPLICIT_ASSET_JOB_NAME == "__ASSET_JOB"
    assert DATA_VERSION_TAG == DATA_VERSION_OF_DAGSTER
    assert tags.HIDDEN == tags_of_dagster.HIDDEN_TAG_PREFIX
    assert tags.BACKFILL_ID_TAG == tags_of_dagster.BACKFILL_ID_TAG
    assert {tags_of_dagster.MAX_RETRIES_TAG: "0"} == tags.NO_RETRIES
    assert tags.RANGE_START == tags_of_dagster.ASSET_PARTITION_RANGE_START_TAG
    assert tags.RANGE_END == tags_of_dagster.ASSET_PARTITION_RANGE_END_TAG
    assert set(retry._ENDED) == set(FINISHED_STATUSES)
