"""A sensor logs the check of freshness without a run, and only what is new; incidents follow."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from pyspark.sql import SparkSession

from data_platform.health.causes import SENSOR
from data_platform.platform_defs import freshness_sensor
from data_platform.telemetry.incidents import incidents
from data_platform_tests.support.homes import BRONZE, SILVER, Home
from data_platform_tests.support.recent_shop import days_ago, load, recent_shop

CHECK = dg.AssetCheckKey(dg.AssetKey(SILVER.split("/")), "freshness")


@pytest.fixture
def home(spark: SparkSession, tmp_path: Path) -> Iterator[Home]:
    with recent_shop(tmp_path / "home") as home:
        yield home


class Sensor:
    """A sensor of the home's definitions, with its cursor."""

    def __init__(self, home: Home, name: str = freshness_sensor.NAME) -> None:
        self._home, self._cursor = home, None
        self._sensor = home.definitions.get_repository_def().get_sensor_def(name)

    def tick(self) -> str:
        with dg.build_sensor_context(
            instance=self._home.instance,
            resources={"platform": self._home.platform},
            cursor=self._cursor,
        ) as context:
            found = self._sensor.evaluate_tick(context)
        self._cursor = found.cursor
        return found.skip_message or ""


def newest(home: Home) -> dg.EventLogEntry:
    """The last result of the check, as Dagster has logged it."""
    storage = home.instance.event_log_storage
    [record] = storage.get_asset_check_execution_history(CHECK, limit=1)
    assert record.event
    return record.event


def test_nothing_is_logged_of_a_table_without_data(home: Home) -> None:
    said = Sensor(home).tick()

    assert f"{BRONZE}: nothing is there yet; {SILVER}: nothing is there yet" in said
    assert home.check(SILVER, "freshness", None) is None


def test_a_run_evaluates_the_check_of_what_it_has_published(home: Home) -> None:
    load(home, 3, 2, 1)

    result = home.check(SILVER, "freshness", None)

    assert result
    assert result.passed
    assert result.target_materialization_data


def test_a_late_table_fails_without_a_run_and_is_logged_once(home: Home) -> None:
    load(home, 4)
    sensor = Sensor(home)

    said = [sensor.tick()]
    once = newest(home)
    said.append(sensor.tick())

    result = home.check(SILVER, "freshness", None)
    assert result
    assert not result.passed
    assert result.severity is dg.AssetCheckSeverity.ERROR
    assert result.metadata["missing"].value == f"{days_ago(3)}..{days_ago(2)}"
    assert result.target_materialization_data
    assert newest(home) == once
    assert not once.run_id
    assert f"missing: {days_ago(3)}..{days_ago(2)}" in said[0]
    assert said[1] == "2 tables as before"


def test_it_is_logged_again_after_a_few_hours(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    load(home, 4)
    sensor = Sensor(home)
    sensor.tick()
    before = newest(home)
    monkeypatch.setattr(freshness_sensor, "_AGAIN", freshness_sensor._AGAIN * 0)

    sensor.tick()

    after = newest(home)
    assert after.timestamp > before.timestamp
    assert not after.run_id


def test_the_sensor_takes_a_pass_back_when_the_table_is_late_and_gives_it_when_it_is_not(
    home: Home,
) -> None:
    load(home, 4)
    sensor = Sensor(home)
    sensor.tick()
    load(home, 3, 2, 1)
    sensor.tick()

    result = home.check(SILVER, "freshness", None)
    assert result
    assert result.passed


def test_a_table_that_cannot_be_measured_does_not_hide_the_others(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(home, 4)

    def fails(*_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(type(home.platform.ledger), "last_arrival", fails)

    said = Sensor(home).tick()
    assert SILVER in said
    assert BRONZE not in said


def test_an_overdue_table_is_an_incident_until_it_is_fresh_again(home: Home) -> None:
    load(home, 4)
    sensor, database = Sensor(home, SENSOR), home.platform.builds.database

    sensor.tick()
    [opened] = incidents(database)
    load(home, 3, 2, 1)
    closed = sensor.tick()

    assert (opened.kind, opened.subject, opened.rule) == ("freshness", SILVER, "freshness")
    assert (opened.severity, opened.owner) == ("error", "team:retail")
    assert opened.partitions == f"{days_ago(3)}..{days_ago(2)}"
    assert "newer data was expected by" in opened.title
    assert opened.look == f"data-platform freshness {SILVER}"
    assert incidents(database) == []
    assert "incident 1 closed" in closed


def test_an_incident_stays_while_its_table_cannot_be_measured(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(home, 4)
    sensor, database = Sensor(home, SENSOR), home.platform.builds.database
    sensor.tick()

    def fails(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(type(home.platform.lake), "find", fails)
        Sensor(home, SENSOR).tick()
        assert len(incidents(database)) == 1


def test_definitions_without_a_rule_have_no_sensor() -> None:
    assert freshness_sensor.freshness_sensors([]) == []
