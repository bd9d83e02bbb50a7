"""Values of rows are in no log line and no span, whatever becomes of the rows."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from data_platform.assets import JudgedTable
from data_platform.contracts.contract import Contract
from data_platform.domains.retail.silver import order_lines
from data_platform.telemetry import otlp
from data_platform.telemetry.ids import trace_of
from data_platform.telemetry.logs import LogFormat, log_as
from data_platform_tests.support.homes import BRONZE, Home, csv, home_at, key_of, shop_lines
from data_platform_tests.support.queues import eventually
from data_platform_tests.support.tables import TABLES
from tools.collector import Collector

NEEDLE = "918273"  # in each value of the column that is marked personal
SOUND, BROKEN, WITHOUT_HEADER, RAGGED = (f"2011-03-{day}" for day in (28, 29, 30, 31))


@pytest.fixture
def home(
    spark: SparkSession,
    tmp_path: Path,
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Home]:
    otlp.stop()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
    with home_at(tmp_path / "home", TABLES[:2]) as home:
        yield home
    otlp.stop()


def rows(day: str, customer: str) -> list[str]:
    return [line.replace("12346.0", customer) for line in shop_lines(day, 4)]


def land(home: Home) -> None:
    """Sound rows, rows that break a rule of the column, a file without its header, one whose rows
    have too many fields."""
    home.land(key_of(SOUND), csv(rows(SOUND, NEEDLE)))
    home.land(key_of(BROKEN), csv(rows(BROKEN, f"no number {NEEDLE}")))
    headless = "\n".join(rows(WITHOUT_HEADER, NEEDLE)).encode()
    home.land(key_of(WITHOUT_HEADER), headless)
    home.land(key_of(RAGGED), csv([f"{row},{NEEDLE},x" for row in rows(RAGGED, NEEDLE)]))


def quoting(bronze: DataFrame) -> DataFrame:
    """A function whose own error quotes a row."""
    raise ValueError(f"no such customer: {NEEDLE}")


def failing_on_a_row(bronze: DataFrame) -> DataFrame:
    """A function whose rows the engine refuses, with an error that quotes one."""
    customer = F.concat(F.lit("a customer "), F.col("CustomerID"))
    failing = F.when(F.col("CustomerID").isNotNull(), F.raise_error(customer).cast("string"))
    country = F.coalesce(failing, F.col("Country"))
    return order_lines.function(bronze.withColumn("Country", country))


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_log_line_and_no_span_has_a_value_of_a_row(
    log_format: LogFormat, home: Home, collector: Collector, capfd: pytest.CaptureFixture[str]
) -> None:
    silver = home.tables[1]
    assert isinstance(silver, JudgedTable)
    assert "customer_id" in personal(silver.contract)
    days = (SOUND, BROKEN, WITHOUT_HEADER, RAGGED)
    home = Home(
        replace(home.settings, log_format=log_format), home.instance, home.tables, home.place
    )
    land(home)

    home.record()
    ran = [home.build(home.tables[0], *days), home.build(silver, SOUND, BROKEN, RAGGED)]
    for failing in (quoting, failing_on_a_row):
        changed = replace(silver, function=failing)
        ran.append(home.declaring(changed).build(changed, SOUND))
    otlp.stop()
    log_as("text")

    shown, logged = capfd.readouterr().err, written(home)
    assert [each.success for each in ran] == [False, False, False, False]
    assert logged.count("failed: ") == len(ran)
    for said in (f"{BRONZE}: 1 of 4 partitions", "customer_id.typed 4", "ValueError at "):
        assert said in logged  # what is searched has what became of the rows
    assert NEEDLE in str(home.quarantined(BROKEN))
    quoted = [run for run in ran if NEEDLE in str(home.instance.all_logs(run.run_id))]
    assert quoted == ran[2:]  # the run's own pages have the texts of errors
    exported = collector.folder / "traces.json"
    traces = {trace_of(run.run_id) for run in ran}
    eventually(lambda: traces <= {span["traceId"] for span in collector.spans()})
    assert NEEDLE not in logged + shown
    assert NEEDLE not in exported.read_text("utf-8")
    if log_format == "json":
        lines = [json.loads(line) for line in logged.splitlines()]
        assert {line["run"] for line in lines} == {run.run_id for run in ran}


def written(home: Home) -> str:
    """What the runs have written to standard error, as Dagster keeps it: its mirror to the console
    may miss the last lines of a step on a busy machine."""
    kept = sorted(home.settings.dagster_home.rglob("*.err"))
    return "".join(file.read_text("utf-8") for file in kept)


def personal(contract: Contract) -> set[str]:
    return {column.name for column in contract.columns if column.sensitivity == "personal"}
