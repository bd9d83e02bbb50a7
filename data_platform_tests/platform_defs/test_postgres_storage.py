"""Dagster's storage on a real server: after a run it holds what Dagster's own would hold."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
import yaml
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable

from data_platform.databases.urls import with_driver
from data_platform.platform_defs import postgres_storage
from data_platform.platform_defs.postgres_storage import (
    BatchingPostgresEventLogStorage,
    BatchingPostgresStorage,
)
from data_platform.runs.home import prepare_home
from data_platform.settings.environment import enter_home, settings_at
from data_platform_tests.platform_defs.test_event_log import (
    BUILT,
    CHECKED,
    KEY,
    RANGE,
    index_queries,
    partition_of,
    run,
)
from data_platform_tests.support.databases import Databases

pytestmark = pytest.mark.integration

EVALUATION = dg.DagsterEventType.ASSET_CHECK_EVALUATION
MATERIALIZATION = dg.DagsterEventType.ASSET_MATERIALIZATION


@pytest.fixture
def home(tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DAGSTER_HOME", "DAGSTER_EVENT_BATCH_SIZE"):
        monkeypatch.setenv(name, "")  # so that it is put back after the test
    settings = settings_at(tmp_path / "home", dagster_database=postgres_url)
    prepare_home(settings)
    enter_home(settings)
    return settings.dagster_home


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.get() as instance:
        yield instance


def rows(url: str) -> dict[str, list[tuple]]:
    engine = sa.create_engine(with_driver(url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        found = {k: connection.execute(sa.text(q)).all() for k, q in index_queries().items()}
        return {k: sorted(map(tuple, of_query), key=str) for k, of_query in found.items()}


def test_all_of_dagsters_state_is_on_the_server_and_the_rest_is_as_shipped(
    home: Path, instance: dg.DagsterInstance
) -> None:
    result = run(instance)

    assert result.success
    assert isinstance(instance.event_log_storage, BatchingPostgresEventLogStorage)
    assert not list(home.rglob("*.db"))
    assert instance.nux_enabled is False
    assert instance.telemetry_enabled is False
    assert instance.run_retries_enabled
    stored = instance.get_run_by_id(result.run_id)
    assert stored and stored.tags.items() >= RANGE.items()
    assert instance.get_materialized_partitions(KEY) == set(BUILT)
    assert instance.all_instigator_state() == []


def test_the_configuration_has_no_password(home: Path) -> None:
    written = (home / "dagster.yaml").read_text()

    assert os.environ["PGPASSWORD"] not in written
    assert "postgres_url" in written


def test_batches_leave_the_records_that_dagsters_own_storage_leaves(
    home: Path, postgres_url: str, new_postgres_url, capfd, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dg.DagsterInstance.get() as instance:
        run(instance)
    assert "Falling back" not in capfd.readouterr().err
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "0")
    theirs = new_postgres_url()
    stock = {"storage": {"postgres": {"postgres_url": with_driver(theirs)}}}
    (home / "dagster.yaml").write_text(yaml.safe_dump(stock))
    with dg.DagsterInstance.get() as instance:
        assert not isinstance(instance.event_log_storage, BatchingPostgresEventLogStorage)
        run(instance)

    found = rows(postgres_url)
    assert found == rows(theirs)
    assert len(found["checks"]) > len(BUILT)
    assert len(found["tags"]) >= len(BUILT)


def test_a_check_has_a_result_for_each_partition(instance: dg.DagsterInstance) -> None:
    run(instance)

    history = instance.event_log_storage.get_asset_check_execution_history(CHECKED, limit=9)
    statuses = {record.partition: record.status.value for record in history}
    assert {key: statuses[key] for key in BUILT} == {
        BUILT[0]: "SUCCEEDED",
        BUILT[1]: "FAILED",
        BUILT[2]: "SUCCEEDED",
    }


def events_of(instance: dg.DagsterInstance, kind: dg.DagsterEventType) -> list[dg.EventLogEntry]:
    return [e for e in instance.all_logs(run(instance).run_id) if e.dagster_event_type == kind]


class Refusing(BatchingPostgresEventLogStorage):
    """Cannot store the evaluation of one partition within a batch."""

    def _store_evaluations(self, connection, evaluations) -> None:
        if BUILT[1] in {partition_of(stored.event) for stored in evaluations}:
            raise OSError("disk I/O error")
        super()._store_evaluations(connection, evaluations)


class RefusingStorage(BatchingPostgresStorage):
    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **options)
        self._event_log_storage = Refusing(self.postgres_url)


def test_a_batch_that_fails_is_stored_event_by_event_each_once(
    home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    configuration = yaml.safe_load((home / "dagster.yaml").read_text())
    custom = configuration["storage"]["custom"]
    custom |= {"module": __name__, "class": RefusingStorage.__name__}
    (home / "dagster.yaml").write_text(yaml.safe_dump(configuration))

    with dg.DagsterInstance.get() as instance:
        events = events_of(instance, EVALUATION)
        assert instance.get_materialized_partitions(KEY) == set(BUILT)

    assert "disk I/O error" in capfd.readouterr().err
    # what failed is logged last
    assert [partition_of(event) for event in events] == [BUILT[0], BUILT[2], BUILT[1]]


def test_a_failing_batch_leaves_nothing_behind(
    instance: dg.DagsterInstance, new_postgres_url
) -> None:
    events = events_of(instance, EVALUATION)
    storage = Refusing(with_driver(new_postgres_url()))

    with pytest.raises(OSError, match="disk"):
        storage.store_event_batch(events)

    assert storage.get_logs_for_run(events[0].run_id) == []
    storage.store_event_batch([e for e in events if partition_of(e) != BUILT[1]])
    assert len(storage.get_logs_for_run(events[0].run_id)) == len(BUILT) - 1


def test_evaluations_that_no_run_planned_are_stored_as_well(
    instance: dg.DagsterInstance, new_postgres_url
) -> None:
    storage = BatchingPostgresEventLogStorage(with_driver(new_postgres_url()))

    storage.store_event_batch(events_of(instance, EVALUATION))

    found = storage.get_asset_check_execution_history(CHECKED, limit=9)
    assert {record.partition for record in found} == set(BUILT)


def test_a_batch_is_numbered_in_the_order_of_its_events(
    instance: dg.DagsterInstance, new_postgres_url
) -> None:
    events = events_of(instance, MATERIALIZATION)
    storage = BatchingPostgresEventLogStorage(with_driver(new_postgres_url()))

    storage.store_event_batch(events)

    with storage.index_connection() as connection:
        log = SqlEventLogStorageTable.c
        ordered = connection.execute(sa.select(log.partition).order_by(log.id)).scalars()
        assert list(ordered) == list(BUILT)


def rows_as_planned(storage: BatchingPostgresEventLogStorage) -> float:
    """How many events PostgreSQL plans with; -1 without statistics."""
    with storage.index_connection() as connection:
        estimate = sa.text("SELECT reltuples FROM pg_class WHERE relname = 'event_logs'")
        return connection.execute(estimate).scalar_one()


def test_after_a_large_batch_the_log_has_statistics(
    instance: dg.DagsterInstance, new_postgres_url
) -> None:
    events = events_of(instance, MATERIALIZATION)
    storage = BatchingPostgresEventLogStorage(with_driver(new_postgres_url()))

    storage.store_event_batch(events)
    assert rows_as_planned(storage) == -1
    storage.store_event_batch(events * 200)

    assert rows_as_planned(storage) >= 200 * len(events)


def test_that_a_user_may_not_analyze_the_log_is_said_once(
    instance: dg.DagsterInstance, databases: Databases, caplog: pytest.LogCaptureFixture
) -> None:
    url, user = databases.empty(), f"user_{uuid.uuid4().hex[:8]}"
    owners = BatchingPostgresEventLogStorage(with_driver(url))
    databases.new_user(user, os.environ["PGPASSWORD"])
    with owners.index_connection() as connection:
        for rights in ("ALL ON ALL TABLES", "ALL ON ALL SEQUENCES"):
            connection.execute(sa.text(f"GRANT {rights} IN SCHEMA public TO {user}"))
    of_user = sa.make_url(url).set(username=user).render_as_string()
    storage = BatchingPostgresEventLogStorage(with_driver(of_user))
    events = events_of(instance, MATERIALIZATION) * 200

    storage.store_event_batch(events)
    storage.store_event_batch(events)

    assert caplog.text.count("let its user own the table event_logs") == 1


def test_a_log_that_cannot_be_analyzed_has_its_batch_once(
    instance: dg.DagsterInstance, new_postgres_url, monkeypatch, caplog: pytest.LogCaptureFixture
) -> None:
    events = events_of(instance, MATERIALIZATION)
    storage = BatchingPostgresEventLogStorage(with_driver(new_postgres_url()))
    monkeypatch.setattr(postgres_storage, "_NOT_ANALYZED", sa.text("SELECT 1 / 0"))

    storage.store_event_batch(events * 200)

    assert "not analyzed" in caplog.text
    assert "division by zero" in caplog.text
    assert len(storage.get_logs_for_run(events[0].run_id)) == 200 * len(events)


def test_readers_and_batches_of_several_threads_do_not_disturb_each_other(
    instance: dg.DagsterInstance, new_postgres_url
) -> None:
    events = events_of(instance, MATERIALIZATION)
    run_id = events[0].run_id
    storage = BatchingPostgresEventLogStorage(with_driver(new_postgres_url()))

    with ThreadPoolExecutor(4) as pool:
        writing = [pool.submit(storage.store_event_batch, events) for _ in range(8)]
        reading = [pool.submit(storage.get_logs_for_run, run_id) for _ in range(8)]
        for future in writing:
            future.result(timeout=60)
        seen = [len(future.result(timeout=60)) for future in reading]

    assert all(count % len(events) == 0 for count in seen)  # whole batches
    assert len(storage.get_logs_for_run(run_id)) == 8 * len(events)


def test_another_process_goes_on_with_the_state(home: Path, instance: dg.DagsterInstance) -> None:
    run_id = run(instance).run_id
    look = (
        "import sys, dagster as dg\n"
        "with dg.DagsterInstance.get() as instance:\n"
        "    print(instance.get_run_by_id(sys.argv[1]).status.value)"
    )
    command = [sys.executable, "-c", look, run_id]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "SUCCESS"
