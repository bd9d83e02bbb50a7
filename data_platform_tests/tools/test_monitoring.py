"""The committed dashboard and alert rules are those of the code, about what is really sent, and as
SigNoz takes them."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
import yaml
from pyspark.sql import SparkSession

from data_platform.telemetry import metrics as m
from data_platform.telemetry import otlp
from data_platform.telemetry.alert_rules import ALERT_RULES
from data_platform.telemetry.metrics import METRICS
from data_platform_tests.support.exported_metrics import evaluated
from data_platform_tests.support.homes import csv, home_at, key_of, shop_lines
from data_platform_tests.support.queues import eventually, new_queue
from data_platform_tests.support.servers import running
from data_platform_tests.support.tables import TABLES
from tools import signoz
from tools.collector import Point, collector
from tools.jars import ROOT
from tools.monitoring import files
from tools.prometheus_rules import alert_name, prometheus_name
from tools.queue_server import QueueServer

DASHBOARD = json.loads((ROOT / "docker/signoz/dashboard.json").read_text("utf-8"))
ALERTS = json.loads((ROOT / "docker/signoz/alerts.json").read_text("utf-8"))
RULES = yaml.safe_load((ROOT / "docker/prometheus/alerts.yaml").read_text("utf-8"))
PANELS: dict[str, Any] = DASHBOARD["spec"]["panels"]

IN_FILTER = re.compile(r"(\w+) (?:= '(\w+)'|IN \$(\w+))")
IN_PROMQL = re.compile(r"(pipeline_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)="(\w+)"')


@pytest.mark.parametrize("file", files(), ids=lambda file: file.name)
def test_the_committed_files_are_those_that_the_code_makes(file: Path) -> None:
    assert file.read_text("utf-8") == files()[file], "run `python -m tools.monitoring`"


def test_each_metric_is_shown_once() -> None:
    panels = [panel for section in signoz.SECTIONS.values() for panel in section]
    shown = [metric.name for panel in panels for metric in panel.metrics]

    assert sorted(shown) == sorted(metric.name for metric in METRICS)
    assert {query["aggregations"][0]["metricName"] for query in queries(PANELS)} == {*shown}


def test_each_alert_rule_is_in_both_files() -> None:
    [group] = RULES["groups"]

    assert [rule["alert"] for rule in group["rules"]] == [alert_name(rule) for rule in ALERT_RULES]
    assert [rule["alert"] for rule in ALERTS] == [rule.name for rule in ALERT_RULES]


# --- what is really sent ------------------------------------------------------------------


@pytest.fixture(scope="module")
def sent(
    spark: SparkSession, elasticmq: QueueServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Point]]:
    """What a collector gets from a home with a queue, and with a sensor that a daemon evaluated."""
    folder, day = tmp_path_factory.mktemp("sent"), "2011-03-29"
    with (
        pytest.MonkeyPatch.context() as patch,
        contextmanager(running)(collector(folder / "collector")) as got,
        home_at(folder / "home", TABLES[:2]) as home,
    ):
        otlp.stop()
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", got.endpoint)
        home.land(key_of(day), csv(shop_lines(day)))
        home.land(key_of("2011-03-30"), b"not,the,header\n1,2,3\n")
        home.run()
        # A home has neither.
        home.platform.__dict__["intake"] = new_queue(elasticmq).intake(home.platform.bucket)
        ticked = SimpleNamespace(last_tick_timestamp=1.0)
        sensor = SimpleNamespace(instigator_data=ticked, is_running=True, instigator_name="landing")
        patch.setattr(dg.DagsterInstance, "all_instigator_state", lambda *_: [sensor])

        evaluated(home)
        otlp.stop()
        eventually(lambda: bool(got.points()))
        yield got.points()


def test_dashboard_and_rules_are_about_what_is_sent(sent: list[Point]) -> None:
    named = {point.name: point for point in sent}
    values = {(point.name, *pair) for point in sent for pair in point.labels.items()}

    assert named.keys() == {metric.name for metric in METRICS}
    for query in [*queries(PANELS), *queries(ALERTS)]:
        [of] = query["aggregations"]
        point = named[of["metricName"]]
        grows = of["timeAggregation"] == "increase"
        assert grows == (point.kind == "counter")
        labels = {each["name"] for each in query["groupBy"]}
        for label, value, chosen in IN_FILTER.findall(query["filter"]["expression"]):
            labels.add(label)
            assert chosen == label if chosen else (point.name, label, value) in values
        assert labels <= point.labels.keys()
    for rule in ALERTS:
        assert {*rule["notificationSettings"]["groupBy"]} <= {
            each["name"] for query in queries(rule) for each in query["groupBy"]
        }


def test_units_are_those_that_are_sent(sent: list[Point]) -> None:
    units = {"By": "By", "s": "s", "1": "percentunit"}
    named = {point.name: units.get(point.unit, "none") for point in sent}

    for panel in PANELS.values():
        shown = next(queries(panel))["aggregations"][0]["metricName"]
        assert panel["spec"]["plugin"]["spec"]["formatting"]["unit"] == named[shown]


def test_the_rules_of_prometheus_are_about_what_is_sent(sent: list[Point]) -> None:
    declared = {metric.name: metric for metric in METRICS}
    by_name = {prometheus_name(declared[point.name]): point.name for point in sent}
    values = {(point.name, *pair) for point in sent for pair in point.labels.items()}
    [group] = RULES["groups"]

    for rule in group["rules"]:
        selectors = IN_PROMQL.findall(rule["expr"])
        assert selectors
        for name, matchers in selectors:
            for label, value in MATCHER.findall(matchers):
                assert (by_name[name], label, value) in values
            labels = {label for metric, label, _ in values if metric == by_name[name]}
            assert {*re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])} <= labels


# --- what SigNoz requires -----------------------------------------------------------------


def test_panels_have_what_signoz_requires() -> None:
    name = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

    assert DASHBOARD.keys() == {"schemaVersion", "name", "tags", "spec"}
    assert DASHBOARD["schemaVersion"] == "v6"
    assert name.fullmatch(DASHBOARD["name"])
    assert len(DASHBOARD["tags"]) <= 10
    for key, panel in PANELS.items():
        assert re.fullmatch(r"[a-zA-Z0-9_-]{1,75}", key)
        assert 0 < len(panel["spec"]["display"]["name"]) <= 128
        [query] = panel["spec"]["queries"]
        assert query["kind"] == "time_series"
        names = {each["name"] for each in queries(query)}
        for formula in formulas(query):
            assert {*re.findall(r"[A-Z]", formula["expression"])} == names


def test_panels_are_placed_once_and_do_not_overlap() -> None:
    grids = [layout["spec"]["items"] for layout in DASHBOARD["spec"]["layouts"]]
    placed = [item["content"]["$ref"] for items in grids for item in items]

    assert sorted(placed) == sorted(f"#/spec/panels/{key}" for key in PANELS)
    for items in grids:
        assert all(item["x"] + item["width"] <= 12 for item in items)
        for one, other in combinations(items, 2):
            assert (
                abs(one["x"] - other["x"]) >= one["width"]
                or abs(one["y"] - other["y"]) >= one["height"]
            )


def test_the_variable_is_one_that_the_filters_name() -> None:
    [variable] = DASHBOARD["spec"]["variables"]
    chosen = {
        found[2]
        for query in queries(PANELS)
        for found in IN_FILTER.findall(query["filter"]["expression"])
    }

    assert chosen == {variable["spec"]["name"]} == {m.HELD_BACK.labels[0]}


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_rules_have_what_signoz_requires(rule: dict[str, Any]) -> None:
    condition = rule["condition"]
    [query] = queries(rule)
    [threshold] = condition["thresholds"]["spec"]

    assert (rule["version"], rule["schemaVersion"]) == ("v5", "v2alpha1")
    assert condition["selectedQueryName"] == query["name"]
    assert threshold["name"] == rule["labels"]["severity"] in {"critical", "warning"}
    assert threshold["op"] in {"above", "below"}
    assert threshold["matchType"] in {"all_the_times", "in_total", "at_least_once"}
    assert re.fullmatch(r"\d+m", rule["evaluation"]["spec"]["evalWindow"])


def queries(within: object) -> Iterator[dict[str, Any]]:
    """The builder's queries anywhere in a document."""
    for each in _objects(within):
        if "aggregations" in each:
            yield each


def formulas(within: object) -> Iterator[dict[str, Any]]:
    """The formulas anywhere in a document."""
    for each in _objects(within):
        if each.get("type") == "builder_formula":
            yield each["spec"]


def _objects(within: object) -> Iterator[dict[str, Any]]:
    inner: object = ()
    if isinstance(within, dict):
        yield within
        inner = within.values()
    elif isinstance(within, list):
        inner = within
    for each in inner:  # type: ignore[attr-defined]
        yield from _objects(each)
