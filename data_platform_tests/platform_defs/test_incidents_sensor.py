"""Dagster's sensor opens and closes incidents, which the command line shows."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from pyspark.sql import SparkSession

from data_platform.platform_defs import bucket_audit, incidents_sensor
from data_platform.platform_defs.assembly import definitions
from data_platform.telemetry.incidents import Kind, incidents
from data_platform_tests.support.homes import SILVER, Home, csv, home_at, key_of, shop_lines
from data_platform_tests.support.tables import TABLES

DAY = "2011-03-28"


@pytest.fixture
def home(spark: SparkSession, tmp_path: Path) -> Iterator[Home]:
    with home_at(tmp_path / "home", TABLES[:2]) as home:
        yield home


def tick(home: Home) -> str:
    """What the sensor says after a tick."""
    sensor = home.definitions.get_repository_def().get_sensor_def(incidents_sensor.NAME)
    with dg.build_sensor_context(
        instance=home.instance, resources={"platform": home.platform}
    ) as context:
        return sensor.evaluate_tick(context).skip_message or ""


def test_an_incident_is_opened_once_and_closed_by_itself(home: Home) -> None:
    home.land(key_of(DAY), csv([line.replace(",1.25,", ",?,") for line in shop_lines(DAY)]))
    home.run()

    said = [tick(home), tick(home)]
    [opened] = incidents(home.platform.builds.database)
    home.land(key_of(DAY), csv(shop_lines(DAY)))
    home.run()
    said.append(tick(home))

    assert said == [
        f"incident 1 opened: {SILVER}: 1 partition held back by rules; 1 incident open",
        "1 incident open",
        f"incident 1 closed: {SILVER}: 1 partition held back by rules; no incident is open",
    ]
    assert opened.partitions == DAY
    assert incidents(home.platform.builds.database) == []


def test_the_checks_of_buckets_and_of_other_assets_are_looked_at(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dg.asset(check_specs=[dg.AssetCheckSpec("whole", asset="report")], owners=["team:finance"])
    def report() -> dg.MaterializeResult: ...

    audit = bucket_audit.bucket_audit(home.settings)

    found = {
        (check.key.asset_key.to_user_string(), check.kind): check.owner
        for check in incidents_sensor.checks_of([report, audit])
    }

    assert found == {
        ("report", Kind.CHECK): "team:finance",
        ("platform/buckets_audit", Kind.BUCKET): bucket_audit.OWNER,
    }
    declared = definitions(home.tables, home.settings, others=[report])
    assert declared.get_repository_def().get_sensor_def(incidents_sensor.NAME)
