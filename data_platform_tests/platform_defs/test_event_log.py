"""Events of partitions, stored in batches: the same records as Dagster's own storage makes."""

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from hypothesis import given
from hypothesis import strategies as st

from data_platform.build.dagster_internals import LOGGED
from data_platform.build.events import Log, Moments, figures_of
from data_platform.build.failures import held_back
from data_platform.lake.writing.publish import Published, StagedWrite
from data_platform.lake.writing.staging import Staged
from data_platform.platform_defs.event_log import BatchingSqliteEventLogStorage
from data_platform.quality.findings import Finding
from data_platform.runs.home import prepare_home
from data_platform.settings.environment import enter_home, settings_at
from data_platform.tables.identity import TableId, TableSlice
from data_platform.telemetry.metadata import SILENT

KEY = dg.AssetKey(["silver", "shop", "lines"])
DAYS = dg.DailyPartitionsDefinition(start_date="2011-03-01", end_date="2011-03-31")
CHECKED = dg.AssetCheckKey(KEY, "rules")
RANGE = {
    "dagster/asset_partition_range_start": "2011-03-02",
    "dagster/asset_partition_range_end": "2011-03-05",
}
BUILT = ("2011-03-02", "2011-03-04", "2011-03-05")  # the third had nothing to build


@dg.io_manager
def nowhere(_) -> dg.IOManager:
    class Nowhere(dg.IOManager):
        def handle_output(self, context: dg.OutputContext, obj: object) -> None: ...

        def load_input(self, context: dg.InputContext) -> None: ...

    return Nowhere()


@dg.asset(
    key=KEY,
    partitions_def=DAYS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[dg.AssetCheckSpec("rules", asset=KEY, partitions_def=DAYS)],
    io_manager_key="nowhere",
)
def lines(context: dg.AssetExecutionContext) -> Iterator[dg.Output]:
    log = Log.of(context, KEY)
    findings = [
        Finding("rules", key != "2011-03-04", True, f"of {key}", {"rows": 3}, key) for key in BUILT
    ]
    figures = figures_of(Published(7, 3, 1, 100))
    log.published("a1", {key: {**figures, "attempt": "a1"} for key in BUILT})
    log.findings(findings)
    yield dg.Output(None, output_name="result", metadata=dict(LOGGED))
    yield dg.Output(None, output_name="silver__shop__lines_rules", metadata=dict(LOGGED))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DAGSTER_HOME", "DAGSTER_EVENT_BATCH_SIZE"):
        monkeypatch.setenv(name, "")  # so that it is put back after the test
    settings = settings_at(tmp_path / "home")
    prepare_home(settings)
    enter_home(settings)
    return settings.dagster_home


def run(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    definitions = dg.Definitions(
        assets=[lines],
        jobs=[dg.define_asset_job("job", [KEY])],
        resources={"nowhere": nowhere},
        executor=dg.in_process_executor,
    )
    job = definitions.resolve_job_def("job")
    return job.execute_in_process(instance=instance, tags=RANGE)


def logged(kind: dg.DagsterEventType) -> tuple[str, list[dg.EventLogEntry]]:
    """A run in the home, and its events of one kind."""
    with dg.DagsterInstance.get() as instance:
        run_id = run(instance).run_id
        return run_id, [e for e in instance.all_logs(run_id) if e.dagster_event_type == kind]


def index_queries() -> dict[str, str]:
    """What the UI asks for, without the times and the text of events, which differ by run."""
    return {
        "events": "select id, dagster_event_type, asset_key, partition, step_key from event_logs",
        "checks": "select id, create_timestamp is not null, check_name, partition, "
        "execution_status, evaluation_event_storage_id "
        "from asset_check_executions",
        "assets": "select asset_key, last_materialization is not null from asset_keys",
        "tags": "select event_id, asset_key, key from asset_event_tags "
        "where key like 'dagster/data_version' or key like '%partition%'",
    }


def index_rows(storage: Path) -> dict[str, list[tuple]]:
    with closing(sqlite3.connect(storage / "index.db")) as connection:
        return {name: sorted(connection.execute(q), key=str) for name, q in index_queries().items()}


def test_a_home_is_set_up_to_store_batches_where_dagster_has_its_files(home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        assert isinstance(instance.event_log_storage, BatchingSqliteEventLogStorage)
        assert run(instance).success
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")

    with dg.DagsterInstance.get() as default:
        assert default.get_materialized_partitions(KEY) == set(BUILT)


def test_batches_leave_the_records_that_single_events_leave(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dg.DagsterInstance.get() as instance:
        result = run(instance)
        count = len(instance.all_logs(result.run_id))
        failed = instance.event_log_storage.get_asset_check_execution_history(CHECKED, limit=9)
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "0")
    (tmp_path / "other").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "other")) as instance:
        alone = run(instance)
        assert len(instance.all_logs(alone.run_id)) == count

    found = index_rows(home / "history" / "runs")
    assert found == index_rows(tmp_path / "other" / "history" / "runs")
    assert len(found["events"]) > 2 * len(BUILT)
    statuses = {record.partition: record.status.value for record in failed}
    assert statuses["2011-03-04"] == "FAILED"
    assert statuses["2011-03-05"] == "SUCCEEDED"


def test_the_output_of_a_check_that_blocks_nothing_has_no_line_in_the_log(home: Path) -> None:
    @dg.asset(
        check_specs=[dg.AssetCheckSpec(name, asset="plain") for name in ("waited_for", "silent")]
    )
    def plain() -> Iterator[dg.Output]:
        yield dg.Output(1)
        yield dg.Output(None, output_name="plain_waited_for")
        yield dg.Output(None, output_name="plain_silent", metadata=dict(SILENT))

    with dg.DagsterInstance.get() as instance:
        run_id = dg.materialize([plain], instance=instance).run_id
        events = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_OUTPUT)

    of = [event.get_dagster_event().step_output_data.output_name for event in events]
    assert of == ["result", "plain_waited_for"]


def test_the_error_of_a_step_is_once_in_the_log_of_its_run(home: Path) -> None:
    @dg.asset
    def failing() -> None:
        raise dg.Failure("the disk is full")

    with dg.DagsterInstance.get() as instance:
        run_id = dg.materialize([failing], instance=instance, raise_on_error=False).run_id
        events = instance.all_logs(run_id)

    naming = [event for event in events if "the disk is full" in event.to_json()]
    assert [event.dagster_event_type for event in naming] == [dg.DagsterEventType.STEP_FAILURE]
    assert dg.DagsterEventType.RUN_FAILURE in {event.dagster_event_type for event in events}


def test_only_what_is_held_back_by_its_checks_has_no_stack_trace_in_the_log(home: Path) -> None:
    lines = TableSlice(TableId("silver", "shop", "lines"), BUILT, {})
    why = {BUILT[0]: "rules: too many"}

    @dg.asset
    def checked() -> None:
        raise held_back(StagedWrite(lines, "a1", "r1", Staged({}), held_back=why))

    @dg.asset
    def broken() -> None:
        raise dg.Failure("the disk is full")

    with dg.DagsterInstance.get() as instance:
        run_id = dg.materialize([checked, broken], instance=instance, raise_on_error=False).run_id
        found = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)

    failures = {event.step_key: event.get_dagster_event().step_failure_data for event in found}
    errors = {step: failure.error for step, failure in failures.items() if failure.error}
    assert why[BUILT[0]] in errors["checked"].message
    assert {step: bool(error.stack) for step, error in errors.items()} == {
        "checked": False,
        "broken": True,
    }


def test_a_wiped_partition_is_as_if_it_was_never_materialized(home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        run_id = run(instance).run_id
        count = len(instance.all_logs(run_id))
        get_and_update_asset_status_cache_value(instance, KEY, DAYS)

        instance.wipe_asset_partitions(KEY, [BUILT[-1]])

        assert instance.get_materialized_partitions(KEY) == set(BUILT[:-1])
        value = get_and_update_asset_status_cache_value(instance, KEY, DAYS)
        assert value
        shown = value.deserialize_materialized_partition_subsets(DAYS).get_partition_keys()
        assert set(shown) == set(BUILT[:-1])
        newest = instance.get_latest_materialization_event(KEY)
        assert newest and newest.asset_materialization
        assert newest.asset_materialization.partition == BUILT[1]
        assert len(instance.all_logs(run_id)) == count  # what a run did stays to be read


def test_no_two_events_of_a_batch_share_the_millisecond_that_the_ui_tells_them_apart_by(
    home: Path,
) -> None:
    _, events = logged(dg.DagsterEventType.ASSET_MATERIALIZATION)

    assert len({int(event.timestamp * 1000) for event in events}) == len(events) == len(BUILT)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=5))
def test_moments_are_each_a_millisecond_later_than_the_one_before(counts: list[int]) -> None:
    taking = Moments()
    taken = [moment for count in counts for moment in taking.take(count)]

    for text in (str, "{:.3f}".format, "{:.6f}".format):  # as a database may have them
        shown = [int(float(text(moment)) * 1000) for moment in taken]
        assert all(one < other for one, other in pairwise(shown))


def test_moments_end_now_where_enough_time_has_passed() -> None:
    before = time.time()
    taken = Moments().take(500)

    assert before - 1 < taken[0] < taken[-1] <= time.time() + 0.001


def test_a_check_counts_for_the_materialization_that_it_is_about(home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        for _ in range(2):
            run(instance)
        found = instance.event_log_storage.get_asset_check_partition_info([CHECKED])
        of = {info.partition_key: info for info in found}

        assert all(of[key].is_current for key in BUILT)
        assert of[BUILT[0]].latest_target_materialization_storage_id
        assert of[BUILT[1]].latest_execution_status.value == "FAILED"


def test_a_check_of_a_partition_that_was_materialized_in_another_run_names_that_one(
    home: Path,
) -> None:
    with dg.DagsterInstance.get() as instance:
        run(instance)
        first = instance.fetch_materializations(KEY, limit=1).records[0]
        log = Log(instance, KEY)
        log.findings([Finding("rules", False, True, "told again", partition=BUILT[-1])])

        [newest] = instance.event_log_storage.get_asset_check_execution_history(CHECKED, limit=1)

    assert newest.evaluation and newest.evaluation.target_materialization_data
    assert newest.evaluation.target_materialization_data.storage_id == first.storage_id
    assert newest.evaluation.target_materialization_data.run_id == first.run_id
    assert newest.evaluation.target_materialization_data.timestamp == first.timestamp


def test_checks_that_belong_to_no_run_are_told_again_and_the_newest_counts(home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        run(instance)
        for passed in (False, True, False):
            for partition in (*BUILT, None):
                found = Finding("rules", passed, True, "told again", partition=partition)
                Log(instance, KEY).findings([found])
        found = instance.event_log_storage.get_asset_check_partition_info([CHECKED])

    of = {info.partition_key: info for info in found}
    assert {of[key].latest_execution_status.value for key in BUILT} == {"FAILED"}
    assert all(of[key].is_current for key in BUILT)


def test_the_page_of_a_partition_that_is_held_back_says_why(home: Path) -> None:
    said = {"held_back_for": "rules: too many", "meanwhile": "nothing is published"}
    with dg.DagsterInstance.get() as instance:
        Log(instance, KEY).held_back({BUILT[1]: said})
        [found] = instance.fetch_observations(KEY, limit=9).records

    event = found.asset_observation
    assert event and event.partition == BUILT[1]
    assert {name: value.value for name, value in event.metadata.items()} == said


def test_what_failed_is_told_last_since_a_page_shows_the_newest(home: Path) -> None:
    _, events = logged(dg.DagsterEventType.ASSET_CHECK_EVALUATION)

    assert [partition_of(event) for event in events][-1] == BUILT[1]
    assert all(event.message.startswith(f"rules of {partition_of(event)} ") for event in events)


def partition_of(event: dg.EventLogEntry) -> str | None:
    return event.get_dagster_event().asset_check_evaluation_data.partition


class Refusing(BatchingSqliteEventLogStorage):
    """Cannot store the evaluation of one partition within a batch."""

    def _store_evaluations(self, connection, evaluations) -> None:
        if "2011-03-04" in {partition_of(stored.event) for stored in evaluations}:
            raise sqlite3.OperationalError("disk I/O error")
        super()._store_evaluations(connection, evaluations)


def test_a_batch_that_fails_is_stored_event_by_event(
    home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shipped = (home / "dagster.yaml").read_text()
    refusing = shipped.replace("data_platform.platform_defs.event_log", __name__).replace(
        "BatchingSqliteEventLogStorage", "Refusing"
    )
    (home / "dagster.yaml").write_text(refusing)

    with dg.DagsterInstance.get() as instance:
        assert run(instance).success
        assert instance.get_materialized_partitions(KEY) == set(BUILT)

    assert "disk I/O error" in capfd.readouterr().err
    with closing(sqlite3.connect(home / "history" / "runs" / "index.db")) as connection:
        (stored,) = connection.execute(
            "select count(*) from event_logs where dagster_event_type = 'ASSET_CHECK_EVALUATION'"
        )
    assert stored == (len(BUILT),)  # each once


def test_a_failing_batch_leaves_nothing_behind(home: Path) -> None:
    run_id, events = logged(dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    storage = Refusing(str(home / "other"))

    with pytest.raises(sqlite3.OperationalError):
        storage.store_event_batch(events)

    assert storage.get_logs_for_run(run_id) == []
    storage.store_event_batch([e for e in events if partition_of(e) != BUILT[1]])
    assert len(storage.get_logs_for_run(run_id)) == len(BUILT) - 1


def test_evaluations_that_no_run_planned_are_stored_at_once_as_well(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, events = logged(dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    storage = BatchingSqliteEventLogStorage(str(home / "other"))
    one_by_one = []
    monkeypatch.setattr(storage, "store_asset_check_event", lambda *args: one_by_one.append(args))

    storage.store_event_batch(events)

    assert one_by_one == []
    found = storage.get_asset_check_execution_history(CHECKED, limit=9)
    statuses = {record.partition: record.status.value for record in found}
    assert statuses == {
        BUILT[0]: "SUCCEEDED",
        BUILT[1]: "FAILED",
        BUILT[2]: "SUCCEEDED",
    }


def test_readers_and_batches_of_several_threads_wait_for_each_other(home: Path) -> None:
    run_id, events = logged(dg.DagsterEventType.ASSET_MATERIALIZATION)
    storage = BatchingSqliteEventLogStorage(str(home / "other"))
    plain = SqliteEventLogStorage(str(home / "other"))

    with ThreadPoolExecutor(4) as pool:
        writing = [pool.submit(storage.store_event_batch, events) for _ in range(8)]
        reading = [pool.submit(storage.get_logs_for_run, run_id) for _ in range(8)]
        for future in writing:
            future.result(timeout=60)
        seen = [len(future.result(timeout=60)) for future in reading]

    assert all(count % len(events) == 0 for count in seen)  # whole batches
    assert len(plain.get_logs_for_run(run_id)) == 8 * len(events)
