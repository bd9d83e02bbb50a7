"""A real Prometheus takes the metrics, has them under the names that the rules use, and alerts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from data_platform.telemetry import otlp
from data_platform.telemetry.metrics import METRICS
from data_platform_tests.support.exported_metrics import evaluated
from data_platform_tests.support.homes import BRONZE, SILVER, Home, csv, home_at, key_of, shop_lines
from data_platform_tests.support.queues import eventually
from data_platform_tests.support.tables import TABLES
from tools.prometheus import Prometheus
from tools.prometheus_rules import prometheus_name

DAY, NEXT_DAY = "2011-03-29", "2011-03-30"


@pytest.fixture
def home(
    spark: SparkSession, tmp_path: Path, prometheus: Prometheus, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Home]:
    """A home whose metrics go to Prometheus."""
    otlp.stop()
    url = f"{prometheus.endpoint}/v1/metrics"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", url)
    with home_at(tmp_path / "home", TABLES[:2]) as home:
        yield home
    otlp.stop()


def broken(day: str) -> list[str]:
    """A row without a quantity."""
    return [f"599999,20600,MUG,,{day} 10:00:00,1.25,12346.0,EIRE"]


def firing(prometheus: Prometheus) -> set[tuple[str, str]]:
    """The name of each alert that fires, with its table."""
    return {(alert["alertname"], alert.get("table", "")) for alert in prometheus.firing()}


def test_an_alert_fires_and_resolves(home: Home, prometheus: Prometheus) -> None:
    assert firing(prometheus) <= {("NoMetrics", "")}
    home.land(key_of(DAY), csv(broken(DAY) + shop_lines(DAY, 1)))
    home.run()
    evaluated(home)

    held_back = {("PartitionsHeldBack", SILVER), ("ManyRowsQuarantined", SILVER)}
    eventually(lambda: firing(prometheus) == held_back)

    home.land(key_of(DAY), csv(shop_lines(DAY, 2)))
    home.run()
    evaluated(home)

    eventually(lambda: firing(prometheus) == set())
    rules = prometheus.rules()
    assert {(rule["health"], rule.get("lastError", "")) for rule in rules} == {("ok", "")}


def test_runs_that_fail_again_and_again_alert(home: Home, prometheus: Prometheus) -> None:
    evaluated(home)
    ended = 'pipeline_runs_ended_total{state="failure"}'
    eventually(lambda: [each.value for each in prometheus.query(ended)] == [0])
    for day in (DAY, NEXT_DAY, "2011-03-31"):
        home.land(key_of(day), b"not,the,header\n1,2,3\n")
        home.run()
    evaluated(home)

    unreadable = {("LandedObjectsFailed", ""), ("PartitionsHeldBack", BRONZE)}
    eventually(lambda: firing(prometheus) == {("RunsFail", ""), *unreadable})


def test_a_counter_has_the_sum_of_the_runs(home: Home, prometheus: Prometheus) -> None:
    published = f'pipeline_rows_total{{table="{SILVER}", outcome="published"}}'
    for rows, day in ((4, DAY), (7, NEXT_DAY)):
        home.land(key_of(day), csv(shop_lines(day, rows)))
        home.run()
        evaluated(home)
        otlp.stop()  # as when the code server is replaced

    eventually(lambda: [each.value for each in prometheus.query(published)] == [11])


def test_names_in_prometheus_are_those_that_the_rules_use(
    home: Home, prometheus: Prometheus
) -> None:
    home.land(key_of(DAY), csv(shop_lines(DAY)))
    home.run()
    evaluated(home)
    eventually(lambda: bool(prometheus.query("pipeline_row_count")))

    series = prometheus.query('{__name__=~"pipeline_.*"}')

    labels = {prometheus_name(metric): {*metric.labels} for metric in METRICS}
    absent = {"pipeline_queue_depth", "pipeline_sensor_lag_seconds"}  # a home has neither
    assert {each.name for each in series} == labels.keys() - absent
    for each in series:
        assert labels[each.name] == each.labels.keys() - {"job", "instance"}
