"""A process's session of Spark Connect, on its home's warm engine or its own engine."""

import logging
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pyspark.errors import IllegalArgumentException
from pyspark.errors.exceptions.connect import SparkConnectGrpcException
from pyspark.sql import SparkSession

from data_platform.build.failures import failures_explained
from data_platform.engine import connect
from data_platform.engine.java import chosen_java
from data_platform.engine.session import prepare_environment, spark_config
from data_platform.engine.warm import attach, liveness
from data_platform.engine.warm.attach import EngineLost
from data_platform.engine.warm.key import key_of
from data_platform.engine.warm.place import Place
from data_platform.settings.engine import Engine
from data_platform.settings.environment import settings_at
from data_platform_tests.support.warm_engines import end, soon

pytestmark = pytest.mark.connect_only


@pytest.fixture(autouse=True)
def _no_session_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "_current", [])


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """The directory of the home's engine."""
    place = Place(tmp_path / "engine")
    yield place
    if place.directory.is_dir():
        end(place)


def _connected(home: Path, engine: str = "sail") -> SparkSession:
    """Connect as a run launched by a code server does."""
    settings = settings_at(home, spark=Engine(engine), spark_idle=1)
    if not settings.spark.has_jvm:
        return connect.connected(settings, {})
    if chosen_java() is None:
        assert not os.environ.get("CI")
        pytest.skip("there is no Java 17 or 21 for Spark")
    prepare_environment(settings, connect=True)
    return connect.connected(settings, spark_config(settings))


def test_a_run_starts_its_own_engine_if_the_home_cannot_have_one(tmp_path: Path) -> None:
    (tmp_path / "engine").write_text("in the way")

    session = _connected(tmp_path)

    assert session.range(2).count() == 2
    session.stop()


def test_a_run_starts_its_own_engine_if_another_process_keeps_the_lock(
    tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attach, "_ATTACHES_WITHIN", 0.2)
    place.make()

    with place.locked("attach", 60):
        session = _connected(tmp_path)

    assert session.range(2).count() == 2
    assert place.read() is None
    session.stop()


def test_a_step_that_lost_its_engine_is_retried_on_another(tmp_path: Path, place: Place) -> None:
    first = _connected(tmp_path)
    found = place.read()
    assert found
    with pytest.raises(dg.RetryRequested) as retried, failures_explained():
        os.kill(found.pid, signal.SIGKILL)
        first.range(2).count()
    why = retried.value.__cause__
    assert isinstance(why, EngineLost) and f"process {found.pid}" in str(why)
    assert isinstance(why.__cause__, SparkConnectGrpcException)

    second = _connected(tmp_path)

    assert SparkSession.getActiveSession() is not first
    assert second is not first and second.range(2).count() == 2
    second.stop()


@pytest.mark.parametrize("engine", ["sail", "local[1]"])
def test_a_step_whose_engine_freezes_during_a_query_is_retried_on_another(
    tmp_path: Path, place: Place, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "_ASKED_EVERY", 0.1)
    session, started = _connected(tmp_path, engine), tmp_path / "started"
    found = place.read()
    assert found

    def waiting(batches):
        for batch in batches:
            started.touch()
            time.sleep(600)
            yield batch

    def step() -> None:
        with failures_explained():
            session.range(1).mapInArrow(waiting, "id long").count()

    with ThreadPoolExecutor(1) as pool, monkeypatch.context() as impatient:
        failed = pool.submit(step)
        soon(started.exists)
        os.killpg(found.pid, signal.SIGSTOP)
        impatient.setattr(liveness, "BUSY_ANSWERS_WITHIN", 2)
        try:
            with pytest.raises(dg.RetryRequested):
                failed.result(60)
            assert not place.is_locked("server")
        finally:
            end(place)  # otherwise a step that hangs would keep the pool

    second = _connected(tmp_path, engine)
    assert second.range(2).count() == 2
    second.stop()


def test_a_step_whose_engine_freezes_before_its_session_starts_is_retried_on_another(
    tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "_ASKED_EVERY", 0.1)

    with monkeypatch.context() as patch:

        def freezing(*arguments: Any) -> attach.Attached | None:
            engine = attach.attached(*arguments)
            assert engine
            os.killpg(engine.pid, signal.SIGSTOP)
            patch.setattr(liveness, "BUSY_ANSWERS_WITHIN", 2)
            return engine

        patch.setattr(connect, "attached", freezing)
        with pytest.raises(dg.RetryRequested), failures_explained():
            _connected(tmp_path)

    second = _connected(tmp_path)
    assert second.range(2).count() == 2
    second.stop()


def test_a_session_that_could_not_be_configured_is_not_used(
    tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {**connect._SESSION, "spark.sql.session.timeZone": None}  # which Sail refuses
    with monkeypatch.context() as patch:
        patch.setattr(connect, "_SESSION", wrong)
        with pytest.raises(IllegalArgumentException, match="timeZone"):
            _connected(tmp_path)
        assert connect._current == []

    session = _connected(tmp_path)

    found = {name: session.conf.get(name) for name in connect._SESSION}
    assert found == connect._SESSION
    session.stop()


def test_a_session_whose_engine_was_lost_before_it_was_configured_is_not_used(
    tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*arguments: Any) -> attach.Attached | None:
        engine = attach.attached(*arguments)
        assert engine
        os.killpg(engine.pid, signal.SIGKILL)
        return engine

    with monkeypatch.context() as patch:
        patch.setattr(connect, "attached", killed)
        for _ in range(2):  # the second call finds the session of the first
            with pytest.raises(SparkConnectGrpcException):
                _connected(tmp_path)
    assert connect.lost()
    connect.drop()

    session = _connected(tmp_path)

    assert session.conf.get("spark.sql.session.timeZone") == "UTC"
    session.stop()


def test_an_engine_with_all_cores_busy_is_not_lost(
    tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "_ASKED_EVERY", 0.1)
    session, enough = _connected(tmp_path), tmp_path / "enough"
    tasks = 2 * (os.cpu_count() or 1)

    def computing(batches):
        for batch in batches:
            (tmp_path / f"started-{batch[0][0]}").touch()
            while not enough.exists():
                sum(range(10_000))
            yield batch

    with ThreadPoolExecutor(1) as pool:
        rows = session.range(0, tasks, 1, tasks).mapInArrow(computing, "id long")
        query = pool.submit(rows.count)
        soon(lambda: len(list(tmp_path.glob("started-*"))) > 1)
        lost = connect.lost()
        enough.touch()

        assert query.result() == tasks
    assert not lost and not connect.lost()
    session.stop()


def test_the_token_of_a_remote_server_is_not_used_for_a_local_engine(
    tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_CONNECT_AUTHENTICATE_TOKEN", "elsewhere")

    session = _connected(tmp_path)

    assert session.range(2).count() == 2
    session.stop()


def test_an_error_in_a_function_is_not_a_lost_engine(tmp_path: Path, place: Place) -> None:
    session = _connected(tmp_path)
    with pytest.raises(ZeroDivisionError), failures_explained():
        assert session.range(2).count() // 0

    assert not connect.lost()
    session.stop()


def test_a_stopped_session_is_replaced(tmp_path: Path) -> None:
    settings = settings_at(tmp_path)
    first = connect.connected(settings)
    assert connect.connected(settings) is first
    first.stop()

    second = connect.connected(settings)

    assert second.range(2).count() == 2
    second.stop()


@pytest.mark.parametrize("variable", ["AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"])
def test_a_changed_file_of_credentials_changes_the_key(
    tmp_path: Path, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, settings = tmp_path / "aws", settings_at(tmp_path)
    file.write_text("[default]")
    monkeypatch.setenv(variable, str(file))
    before = key_of(settings, {}, {}, connect._own_files())
    assert key_of(settings, {}, {}, connect._own_files()) == before

    file.write_text("[default]\naws_access_key_id = other")

    assert key_of(settings, {}, {}, connect._own_files()) != before


def test_the_log_of_spark_connect_repeats_no_error() -> None:
    log = logging.getLogger("pyspark.sql.connect.logging")
    log.setLevel(logging.WARNING)  # as the module does that is imported before the engine is known
    connect.prepare_connect()
    assert not log.isEnabledFor(logging.ERROR)
