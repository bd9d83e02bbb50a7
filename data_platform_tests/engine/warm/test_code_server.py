"""Runs that a Dagster webserver launches through its code server use their home's warm engine."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import dagster as dg
import pytest
from dagster_graphql import DagsterGraphQLClient

from benchmarks.dagster_dev import without_queue
from data_platform.assets import BronzeTable
from data_platform.build.platform import Platform
from data_platform.engine.warm.place import Place as EnginePlace
from data_platform.engine.warm.place import reserved_port
from data_platform.operations.repair import instance_of
from data_platform.runs.requests import job_name, range_tags
from data_platform.settings.environment import settings_at
from data_platform.settings.model import CHECKOUT, Settings
from data_platform_tests.support.homes import (
    BRONZE,
    DEMAND,
    SALES,
    SILVER,
    Home,
    csv,
    key_of,
    shop_lines,
)
from data_platform_tests.support.listening import until_it_listens
from data_platform_tests.support.places import Place
from data_platform_tests.support.tables import TABLES
from data_platform_tests.support.warm_engines import end, soon

pytestmark = pytest.mark.connect_only

DAYS = ("2011-03-01", "2011-03-02")
(RECEIVED,) = (table for table in TABLES if isinstance(table, BronzeTable))


def test_runs_of_a_code_server_share_an_engine_which_ends_with_it(tmp_path: Path) -> None:
    settings = settings_at(tmp_path)
    engine, pids = EnginePlace(tmp_path / "engine"), list[int]()
    with instance_of(Platform(settings)) as instance:
        without_queue(settings)
        home = Home(settings, instance, tuple(TABLES), Place.directory(tmp_path))
        try:
            with _webserver(settings) as client:
                for day in DAYS:
                    home.land(key_of(day), csv(shop_lines(day)))
                    home.record()
                    _run(client, day, engine)
                    found = engine.read()
                    assert found and engine.is_locked("server")
                    pids.append(found.pid)

            assert pids[0] == pids[1]
            assert sorted(home.counts(SALES)) == [*DAYS]
            soon(lambda: not engine.is_locked("server"))
            assert "Traceback" not in (engine.directory / "log.txt").read_text()
        finally:
            end(engine)


def test_a_run_whose_engine_is_killed_twice_ends_well_on_a_third_and_says_why(
    tmp_path: Path,
) -> None:
    settings, (day, *_) = settings_at(tmp_path), DAYS
    engine, lost = EnginePlace(tmp_path / "engine"), list[int]()
    lines = shop_lines(day, 20_000)
    with instance_of(Platform(settings)) as instance:
        without_queue(settings)
        home = Home(settings, instance, tuple(TABLES), Place.directory(tmp_path))
        home.land(key_of(day), csv(lines))
        home.record()
        try:
            with _webserver(settings) as client:
                run = _submitted(client, day)
                for table in (BRONZE, SILVER):
                    soon(partial(_is_writing, settings, table))
                    soon(lambda: _pid(engine) not in (None, *lost))
                    lost.append(_pid(engine) or 0)
                    os.kill(lost[-1], signal.SIGKILL)
                _require_success(client, run)
                now = engine.read()

            reasons = _reasons_to_retry(instance, run)
            for pid, reason in zip(lost, reasons, strict=True):
                assert f"the warm engine (process {pid}) has ended" in reason
            assert now and now.pid not in lost
            for table, column in ((BRONZE, "InvoiceNo"), (SILVER, "invoice_no")):
                assert sorted(home.read(table)[column].to_pylist()) == [
                    line.partition(",")[0] for line in lines
                ]
            assert home.counts(SALES) == {day: 1}
            assert home.counts(DEMAND) == {day: len(lines)}  # each of another product
        finally:
            end(engine)


def _pid(engine: EnginePlace) -> int | None:
    found = engine.read()
    return found.pid if found else None


def _is_writing(settings: Settings, table: str) -> bool:
    """Whether an attempt at a table has begun to write files."""
    directory = Path(settings.warehouse_uri.removeprefix("file://")) / table
    return any(directory.glob("data/*/*.parquet"))


def _reasons_to_retry(instance: dg.DagsterInstance, run: str) -> list[str]:
    """Why steps were retried, as Dagster's UI shows it: the first cause of each request."""
    events = instance.all_logs(run, of_type=dg.DagsterEventType.STEP_UP_FOR_RETRY)
    errors = [entry.get_dagster_event().step_retry_data.error for entry in events]
    return [error.cause.message for error in errors if error and error.cause]


def _run(client: DagsterGraphQLClient, day: str, engine: EnginePlace) -> None:
    """Build a day's tables by a run, which must have used the engine."""
    run = _submitted(client, day)
    soon(lambda: _users(engine) == 1)
    soon(lambda: _users(engine) == 0)
    _require_success(client, run)


def _submitted(client: DagsterGraphQLClient, day: str) -> str:
    tags = dict(range_tags([day], RECEIVED.partitions))
    return client.submit_job_execution(job_name(RECEIVED), tags=tags)


def _require_success(client: DagsterGraphQLClient, run: str) -> None:
    ended = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE)
    soon(lambda: client.get_run_status(run) in ended)
    assert client.get_run_status(run) is dg.DagsterRunStatus.SUCCESS


def _users(engine: EnginePlace) -> int:
    users = engine.directory / "users"
    return len(list(users.iterdir())) if users.exists() else 0


@contextmanager
def _webserver(settings: Settings) -> Iterator[DagsterGraphQLClient]:
    variables = {
        "PYTHONPATH": str(CHECKOUT),
        "DAGSTER_HOME": str(settings.dagster_home),
        "DATA_PLATFORM_HOME": str(settings.home),
        "DATA_PLATFORM_LANDING": settings.landing_uri,
        "DATA_PLATFORM_WAREHOUSE": settings.warehouse_uri,
    }
    ours = ("DATA_PLATFORM_", "SPARK_CONNECT_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    program = str(Path(sys.executable).with_name("dagster-webserver"))
    log = settings.home / "webserver.txt"
    with reserved_port() as port, log.open("w") as output:
        words = ["-m", "data_platform.definitions", "-h", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(
            [program, *words], env=inherited | variables, stdout=output, stderr=output
        )
        try:
            until_it_listens(process, port, log)
            yield DagsterGraphQLClient("127.0.0.1", port_number=port)
        finally:
            process.terminate()
            process.wait()
