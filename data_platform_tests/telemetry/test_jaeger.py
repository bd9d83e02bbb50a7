"""A run's trace is found in Jaeger by the run's id, with the tree of its spans."""

from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from data_platform.telemetry import otlp
from data_platform.telemetry.ids import trace_of
from data_platform_tests.support.homes import BRONZE, SILVER, csv, home_at, key_of, shop_lines
from data_platform_tests.support.queues import eventually
from data_platform_tests.support.tables import TABLES
from tools.jaeger import Jaeger

DAY = "2011-03-29"
ROOT = "run retail_daily"


def test_jaeger_has_a_run_with_the_tree_of_its_spans(
    spark: SparkSession, tmp_path: Path, jaeger: Jaeger, exported
) -> None:
    exported(jaeger.endpoint)
    with home_at(tmp_path / "home", TABLES[:2]) as home:
        home.land(key_of(DAY), csv(shop_lines(DAY, 4)))
        [run_id] = [ran.run_id for ran in home.run()]
    otlp.stop()

    eventually(lambda: ROOT in {span["operationName"] for span in jaeger.trace(trace_of(run_id))})
    tree = set(paths(jaeger.trace(trace_of(run_id))))
    assert {
        (ROOT, f"step {table}", phase)
        for table, work in ((BRONZE, "parse"), (SILVER, "compute"))
        for phase in ("plan", work, "audit", "commit")
    } <= tree
    assert all(names[0] == ROOT for names in tree)


def paths(spans: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """The names from the root to each span."""
    by_id = {span["spanID"]: span for span in spans}

    def path(span: dict[str, Any]) -> tuple[str, ...]:
        above = [each["spanID"] for each in span["references"] if each["refType"] == "CHILD_OF"]
        return (*(path(by_id[above[0]]) if above else ()), span["operationName"])

    return [path(span) for span in spans]
