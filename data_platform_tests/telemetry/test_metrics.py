"""Metrics as a real collector gets them, from Dagster's sensor to the OTLP exporter."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from data_platform.platform_defs import metrics_sensor
from data_platform.telemetry import otlp
from data_platform.telemetry.metrics import METRICS, NULL_RATE, ROW_COUNT, Observation
from data_platform_tests.support.exported_metrics import evaluated
from data_platform_tests.support.homes import (
    SILVER,
    Home,
    csv,
    home_at,
    key_of,
    shop_lines,
)
from data_platform_tests.support.queues import eventually
from data_platform_tests.support.tables import TABLES
from tools.collector import Collector, Point

DAY = "2011-03-29"


@pytest.fixture
def home(spark: SparkSession, tmp_path: Path) -> Iterator[Home]:
    with home_at(tmp_path / "home", TABLES[:2]) as home:
        yield home


def test_the_sensor_sends_the_metrics_with_their_units_and_labels(
    home: Home, collector: Collector, exported
) -> None:
    exported(collector.endpoint)
    home.land(key_of(DAY), csv(shop_lines(DAY, 4)))
    home.run()

    said = evaluated(home)
    otlp.stop()

    eventually(lambda: bool(collector.points()))
    points = collector.points()
    assert said == f"{len(points)} values exported"
    [rows] = [p for p in points if p.name == "pipeline.row_count" and p.labels["table"] == SILVER]
    assert rows.value == home.read(SILVER).num_rows == 4
    declared = {each.name: each for each in METRICS}
    assert {(p.name, p.kind, p.unit, tuple(sorted(p.labels))) for p in points} <= {
        (each.name, each.kind, each.unit, tuple(sorted(each.labels))) for each in METRICS
    }
    assert {p.name for p in points} <= declared.keys()


def test_a_total_goes_on_in_another_process(home: Home, collector: Collector, exported) -> None:
    exported(collector.endpoint)
    for count, day in enumerate((DAY, "2011-03-30"), start=1):
        home.land(key_of(day), csv(shop_lines(day, 4)))
        home.run()
        evaluated(home)
        otlp.stop()  # as when the code server is replaced
        eventually(lambda expected=count: len(published(collector)) == expected)

    assert published(collector) == [4, 8]


def test_a_total_is_never_sent_as_a_difference(
    home: Home, collector: Collector, exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process would send the whole of it once."""
    exported(collector.endpoint)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")
    home.land(key_of(DAY), csv(shop_lines(DAY, 4)))
    home.run()
    for count in (1, 2):
        evaluated(home)
        otlp.stop()
        eventually(lambda expected=count: len(published(collector)) == expected)

    assert published(collector) == [4, 4]
    assert "AGGREGATION_TEMPORALITY_DELTA" not in (collector.folder / "metrics.json").read_text()
    assert '"aggregationTemporality":2' in (collector.folder / "metrics.json").read_text()


def published(collector: Collector) -> list[float]:
    labels = {"table": SILVER, "outcome": "published"}
    found: list[Point] = collector.points()
    return [p.value for p in found if p.name == "pipeline.rows" and p.labels == labels]


def test_without_a_collector_there_is_no_sensor(home: Home) -> None:
    otlp.stop()
    names = [sensor.name for sensor in home.definitions.sensors or ()]
    assert metrics_sensor.NAME not in names


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_SDK_DISABLED": "true"},
        {"OTEL_METRICS_EXPORTER": "none"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    ],
    ids=str,
)
def test_there_is_no_sensor_where_metrics_are_not_exported(
    variables: dict[str, str], home: Home, exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported("http://127.0.0.1:9")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    names = [sensor.name for sensor in home.definitions.sensors or ()]

    assert metrics_sensor.NAME not in names


@pytest.mark.parametrize(
    ("given", "seconds"), [("", 60), ("30000", 30), ("1", 5), ("soon", 60)], ids=str
)
def test_the_interval_is_opentelemetrys(
    given: str, seconds: int, home: Home, exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported("http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", given)

    sensor = home.definitions.get_repository_def().get_sensor_def(metrics_sensor.NAME)

    assert sensor.minimum_interval_seconds == seconds


def test_metrics_wait_for_a_collector_that_is_away(
    home: Home, collector: Collector, exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported("http://127.0.0.1:9")  # where nothing listens
    evaluated(home)
    otlp.stop()

    exported(collector.endpoint)
    otlp.meters()

    eventually(lambda: bool(collector.points()))


def test_an_observation_has_the_labels_of_its_metric() -> None:
    with pytest.raises(ValueError, match="row_count"):
        Observation(ROW_COUNT, 1, {"table": SILVER, "partition": DAY})


def test_no_label_is_of_a_partition_or_an_object() -> None:
    labels = {label for metric in METRICS for label in metric.labels}

    assert labels == {"table", "column", "outcome", "phase", "source", "state", "sensor"}


def test_names_are_unique() -> None:
    assert len({each.name for each in METRICS}) == len(METRICS) > 20


def test_every_column_of_many_tables_has_its_own_value(
    home: Home, collector: Collector, exported
) -> None:
    exported(collector.endpoint)
    exporting = otlp.meters()
    assert exporting
    labels = [{"table": f"gold/x/t{n}", "column": "c"} for n in range(5000)]

    exporting.export(Observation(NULL_RATE, 0.5, each) for each in labels)
    otlp.stop()

    eventually(lambda: bool(collector.points()))
    assert {point.labels["table"] for point in collector.points()} == {
        each["table"] for each in labels
    }


def test_times_are_of_now(home: Home, collector: Collector, exported) -> None:
    exported(collector.endpoint)
    home.land(key_of(DAY), csv(shop_lines(DAY)))
    home.run()
    began = dt.datetime.now(dt.UTC)
    evaluated(home)
    otlp.stop()

    eventually(lambda: bool(collector.points()))
    [age] = [
        p.value
        for p in collector.points()
        if p.name == "pipeline.data_age_seconds" and p.labels == {"table": SILVER}
    ]
    end = dt.datetime(2011, 3, 30, tzinfo=dt.UTC)
    assert age >= (began - end).total_seconds()
