"""Processes started by a code server build tables on their home's warm engine."""

import json
import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_platform.build.platform import Platform
from data_platform.engine import connect
from data_platform.engine.java import chosen_java
from data_platform.engine.session import is_warm
from data_platform.engine.warm.place import Place as EnginePlace
from data_platform.operations.repair import instance_of
from data_platform.runs.home import prepare_home
from data_platform.settings.engine import Engine
from data_platform.settings.environment import settings_at
from data_platform_tests.support.homes import SALES, Home, csv, key_of, shop_lines
from data_platform_tests.support.places import Place
from data_platform_tests.support.tables import TABLES

pytestmark = pytest.mark.connect_only


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    engine = EnginePlace(tmp_path / "engine")
    if (found := engine.read()) and engine.is_locked("server"):
        os.killpg(found.pid, signal.SIGKILL)


def _load(directory: Path, spark: str, day: str) -> None:
    """Load a day, as a run's process does, and write down the result."""
    settings = settings_at(directory, spark=Engine(spark), spark_idle=10)
    prepare_home(settings)
    with instance_of(Platform(settings)) as instance:
        home = Home(settings, instance, tuple(TABLES), Place.directory(directory))
        home.land(key_of(day), csv(shop_lines(day)))
        failures = [why for ran in home.run() for why in ran.failures]
        used = connect._current[0].engine
        told = {
            "warm": is_warm(settings),
            "failures": failures,
            "days": list(home.counts(SALES)),
            "engine": used and used.pid,
        }
    (directory / f"{day}.json").write_text(json.dumps(told))


def _loaded_by_a_process(directory: Path, spark: str, day: str) -> dict:
    child = multiprocessing.get_context("spawn").Process(target=_load, args=(directory, spark, day))
    child.start()
    child.join()
    assert child.exitcode == 0
    return json.loads((directory / f"{day}.json").read_text())


@pytest.mark.parametrize("spark", ["sail", pytest.param("local[1]", marks=pytest.mark.soak)])
def test_consecutive_runs_use_one_engine(directory: Path, spark: str) -> None:
    if spark != "sail" and chosen_java() is None:
        assert not os.environ.get("CI")
        pytest.skip("there is no Java 17 or 21 for Spark")

    first = _loaded_by_a_process(directory, spark, "2011-03-01")
    second = _loaded_by_a_process(directory, spark, "2011-03-02")

    assert first["warm"] and second["warm"] and not first["failures"] and not second["failures"]
    assert sorted(second["days"]) == ["2011-03-01", "2011-03-02"]
    assert first["engine"] == second["engine"] is not None


def test_other_processes_do_not_use_the_warm_engine(tmp_path: Path) -> None:
    assert not is_warm(settings_at(tmp_path, spark_idle=10))
