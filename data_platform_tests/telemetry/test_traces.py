"""A run is one trace at a real collector, from the run to its commits, whoever ends it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pyspark.sql import DataFrame, SparkSession

from data_platform.assets import JudgedTable
from data_platform.platform_defs import run_spans
from data_platform.runs.tags import DECIDED
from data_platform.settings.environment import variables_of
from data_platform.telemetry import otlp
from data_platform.telemetry.collector import target
from data_platform.telemetry.export import Telemetry
from data_platform.telemetry.ids import run_of, trace_of
from data_platform.telemetry.tracing import objects_named
from data_platform_tests.support.homes import (
    BRONZE,
    SILVER,
    Home,
    csv,
    home_at,
    key_of,
    shop_lines,
)
from data_platform_tests.support.queues import eventually
from data_platform_tests.support.tables import TABLES
from tools.collector import Collector, values

DAY = "2011-03-29"
Span = dict[str, Any]


@pytest.fixture
def home(spark: SparkSession, tmp_path: Path) -> Iterator[Home]:
    with home_at(tmp_path / "home", TABLES[:2]) as home:
        yield home


def spans_of(collector: Collector, run_id: str) -> list[Span]:
    """The spans of a run once its own is there, which ends last."""
    found: list[Span] = []

    def is_whole() -> bool:
        found[:] = [span for span in collector.spans() if span["traceId"] == trace_of(run_id)]
        return any(not span.get("parentSpanId") for span in found)

    eventually(is_whole)
    return found


def named(spans: list[Span], name: str, table: str) -> Span:
    [found] = [
        span
        for span in spans
        if span["name"] == name and values(span).get("data_platform.table") == table
    ]
    return found


def test_a_run_its_steps_and_their_phases_are_one_trace(
    home: Home, collector: Collector, exported
) -> None:
    exported(collector.endpoint)
    home.land(key_of(DAY), csv([*shop_lines(DAY, 4), *shop_lines(DAY, 1)]))

    [run_id] = [ran.run_id for ran in home.run()]
    otlp.stop()

    spans = spans_of(collector, run_id)
    assert len({span["spanId"] for span in spans}) == len(spans)
    [root] = [span for span in spans if not span.get("parentSpanId")]
    assert root["name"] == "run retail_daily"
    assert values(root)["data_platform.status"] == "success"
    assert "code" not in root.get("status", {})
    for table, work in ((BRONZE, "parse"), (SILVER, "compute")):
        [step] = [span for span in spans if span["name"] == f"step {table}"]
        assert step["parentSpanId"] == root["spanId"]
        inside = [span for span in spans if span.get("parentSpanId") == step["spanId"]]
        assert [span["name"] for span in inside] == ["plan", work, "audit", "commit"]
        times = [int(span[end]) for span in inside for end in _ENDS]
        assert times == sorted(times)
        assert int(root[_ENDS[0]]) <= times[0] <= times[-1] <= int(root[_ENDS[1]])


_ENDS = ("startTimeUnixNano", "endTimeUnixNano")


def test_a_commits_span_has_what_was_published(home: Home, collector: Collector, exported) -> None:
    exported(collector.endpoint)
    home.land(key_of(DAY), csv(shop_lines(DAY, 4)))

    [run_id] = [ran.run_id for ran in home.run()]
    otlp.stop()

    said = values(named(spans_of(collector, run_id), "commit", SILVER))
    assert said["data_platform.rows"] == str(home.counts(SILVER)[DAY]) == "4"
    assert said["data_platform.attempt"] == home.versions()[SILVER][DAY]
    assert int(said["data_platform.bytes"]) > 0


def test_a_runs_span_names_the_landed_objects_that_caused_it(
    home: Home, collector: Collector, exported
) -> None:
    exported(collector.endpoint)
    home.land(key_of(DAY), csv(shop_lines(DAY, 4)))
    home.run()
    home.land(key_of(DAY, "-late"), csv(shop_lines(DAY, 1, first=9)))

    [run_id] = [ran.run_id for ran in home.run()]
    otlp.stop()

    spans = spans_of(collector, run_id)
    [root] = [span for span in spans if not span.get("parentSpanId")]
    for span in (root, named(spans, "parse", BRONZE)):
        assert values(span)["data_platform.objects"] == "1"
        keys = values(span)["data_platform.object_keys"]["values"]
        assert [key["stringValue"] for key in keys] == [key_of(DAY, "-late")]


def test_a_span_names_the_first_of_many_objects_and_the_end_of_a_long_key() -> None:
    said = objects_named([f"{'folder/' * 100}{number:03}.csv" for number in range(500)])

    assert said["objects"] == 500
    keys = said["object_keys"]
    assert isinstance(keys, list) and len(keys) == 128
    assert keys[0].startswith("…") and keys[0].endswith("/000.csv")
    assert {len(key) for key in keys} == {256}


def test_a_run_is_found_by_its_trace_and_its_trace_by_its_run(
    home: Home, collector: Collector, exported
) -> None:
    exported(collector.endpoint)
    home.land(key_of(DAY), csv(shop_lines(DAY)))

    [run_id, *_] = [ran.run_id for ran in home.run()]

    run = home.instance.get_run_by_id(run_id)
    assert run and run.tags["trace_id"] == trace_of(run_id)
    assert run_of(trace_of(run_id)) == run_id


SECRET = "WILLOW-4711"


def quoting(bronze: DataFrame) -> DataFrame:
    """A function whose error quotes a row."""
    raise ValueError(f"no such stock code: {SECRET}")


def test_an_error_that_quotes_a_row_is_in_spans_by_its_type_alone(
    home: Home, collector: Collector, exported
) -> None:
    exported(collector.endpoint)
    silver = home.tables[1]
    assert isinstance(silver, JudgedTable)
    home.land(key_of(DAY), csv(shop_lines(DAY)))

    ran, *_ = home.declaring(replace(silver, function=quoting)).run()
    otlp.stop()

    spans = spans_of(collector, ran.run_id)
    assert SECRET in str(home.instance.all_logs(ran.run_id))
    assert SECRET not in (collector.folder / "traces.json").read_text()
    failed = {span["name"] for span in spans if span.get("status", {}).get("code") == 2}
    assert failed == {"run retail_daily", f"step {SILVER}", "compute"}
    types = {s["name"]: s["status"]["message"] for s in spans if s["name"] in failed}
    assert types["compute"] == types[f"step {SILVER}"] == "ValueError"


def test_a_run_that_died_has_its_span_from_whoever_notices(
    home: Home, collector: Collector, exported
) -> None:
    exported(collector.endpoint)
    job = home.definitions.resolve_job_def("retail_daily")
    run = home.instance.create_run_for_job(job, tags={"dagster/partition": DAY})
    home.instance.report_run_failed(run, "its machine is gone")

    otlp.stop()

    [root] = [s for s in spans_of(collector, run.run_id) if not s.get("parentSpanId")]
    assert root["status"]["code"] == 2
    assert values(root)["data_platform.partition"] == DAY


def test_a_step_of_a_run_that_died_is_interrupted(
    home: Home, collector: Collector, exported
) -> None:
    exported(collector.endpoint)
    run = home.instance.create_run_for_job(home.definitions.resolve_job_def("retail_daily"))
    started = dg.DagsterEvent("STEP_START", "retail_daily", step_key="silver__retail__order_lines")
    home.instance.report_dagster_event(started, run.run_id)
    home.instance.report_run_failed(run, "its machine is gone")

    otlp.stop()

    [step] = [s for s in spans_of(collector, run.run_id) if s["name"] == f"step {SILVER}"]
    assert values(step)["data_platform.status"] == "interrupted"


def test_a_retry_has_a_trace_of_its_own_without_the_decision_for_the_first_run(
    home: Home, collector: Collector, exported
) -> None:
    exported(collector.endpoint)
    job = home.definitions.resolve_job_def("retail_daily")
    first = home.instance.create_run_for_job(job, tags={DECIDED: "1000000000.0"})
    home.instance.report_run_failed(first, "its machine is gone")
    again = home.instance.get_run_by_id(first.run_id)
    assert again and again.tags["trace_id"] == trace_of(first.run_id)

    retry = home.instance.create_run_for_job(
        job, tags=dict(again.tags), parent_run_id=first.run_id, root_run_id=first.run_id
    )
    home.instance.report_run_failed(retry, "once more")
    otlp.stop()

    assert "decide" in {span["name"] for span in spans_of(collector, first.run_id)}
    assert "decide" not in {span["name"] for span in spans_of(collector, retry.run_id)}
    ended = home.instance.get_run_by_id(retry.run_id)
    assert ended and ended.tags["trace_id"] == trace_of(retry.run_id)


@pytest.mark.parametrize(
    "wrong",
    [
        {"OTEL_EXPORTER_OTLP_TIMEOUT": "10s"},
        {"OTEL_BSP_MAX_QUEUE_SIZE": "100"},
        {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "x"},
    ],
    ids=str,
)
def test_a_wrong_variable_fails_no_run_and_is_logged_once(
    wrong: dict[str, str], home: Home, exported, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    exported("http://127.0.0.1:9")
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)

    run = home.instance.create_run_for_job(home.definitions.resolve_job_def("retail_daily"))
    home.instance.report_run_failed(run, "its machine is gone")

    failed = home.instance.get_run_by_id(run.run_id)
    assert failed and failed.is_failure
    assert caplog.text.count("no traces are exported") == 1


def test_a_run_without_a_collector_succeeds_and_is_sent_later(
    home: Home, collector: Collector, exported
) -> None:
    exported("http://127.0.0.1:9")  # where nothing listens
    home.land(key_of(DAY), csv(shop_lines(DAY)))

    runs = [ran.run_id for ran in home.run()]
    otlp.stop()

    assert home.counts(SILVER) == {DAY: 3}
    assert not collector.spans()
    exported(collector.endpoint)
    traces = target("traces", variables_of(("OTEL_",)))
    assert traces
    later = Telemetry(home.settings.dagster_home / "telemetry", traces)
    assert all(spans_of(collector, run_id) for run_id in runs)
    later.stop()


def test_without_an_endpoint_nothing_is_written(home: Home, exported) -> None:
    home.land(key_of(DAY), csv(shop_lines(DAY)))

    home.run()

    assert otlp.telemetry() is None
    assert not (home.settings.dagster_home / "telemetry").exists()
    [run, *_] = home.instance.get_runs()
    assert "trace_id" not in run.tags


def test_a_span_that_cannot_be_recorded_fails_no_run(
    home: Home, collector: Collector, exported, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    exported(collector.endpoint)

    def broken(*_: object) -> None:
        raise OSError("no space left on device")

    run = home.instance.create_run_for_job(home.definitions.resolve_job_def("retail_daily"))
    monkeypatch.setattr(run_spans, "record", broken)
    home.instance.report_run_failed(run, "its machine is gone")

    failed = home.instance.get_run_by_id(run.run_id)
    assert failed and failed.is_failure
    assert "a span is missing" in caplog.text
