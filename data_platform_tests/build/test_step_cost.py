"""What a silver step costs: Spark jobs that do not grow with the days, tasks that do with rows."""

from collections import Counter
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from data_platform.build.planning import plan
from data_platform.build.steps import build, prepared
from data_platform.domains.retail.bronze import order_lines as bronze
from data_platform.domains.retail.silver import order_lines as silver
from data_platform.engine.parallelism import parallelism
from data_platform.quality import spread
from data_platform.tables.outcomes import DATA, DUPLICATES, QUARANTINE
from data_platform_tests.support.homes import Home, csv, home_at, key_of, shop_lines
from data_platform_tests.support.local_spark import record_and_publish

DAYS = [f"2011-03-0{number}" for number in range(1, 6)]


def _received(home: Home) -> None:
    """Five days in bronze; each with a row that is rejected and one that comes twice."""
    for day in DAYS:
        lines = shop_lines(day, 4)
        home.land(key_of(day), csv([*lines, lines[0], f"{lines[1]},extra"]))
    record_and_publish(home, DAYS)


def _jobs(home: Home, spark: SparkSession, days: list[str]) -> int:
    """How many Spark jobs it takes to compute and stage these days."""
    planned = plan(silver, home.platform, days, only_stale=True)
    assert planned.keys == tuple(days)
    group = f"silver of {len(days)}"
    spark.sparkContext.setJobGroup(group, group)
    write = build(silver, planned, home.platform, spark, "run").write
    assert sum(f.rows for files in write.staged.files.values() for f in files) == 6 * len(days)
    return len(spark.sparkContext.statusTracker().getJobIdsForGroup(group))


@pytest.mark.spark_only("about Spark's jobs and tasks")
def test_a_silver_step_takes_as_many_spark_jobs_for_five_days_as_for_one(
    spark: SparkSession, tmp_path: Path
) -> None:
    with home_at(tmp_path / "home", (bronze, silver)) as home:
        _received(home)

        assert _jobs(home, spark, DAYS) == _jobs(home, spark, DAYS[:1]) > 0


@pytest.mark.spark_only("about Spark's jobs and tasks")
def test_the_tasks_and_files_of_a_large_partition_follow_its_rows(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spread, "LEAST_ROWS", 100)
    monkeypatch.setattr(spread, "TASK_ROWS", 200)
    rows = {DAYS[0]: 1_500, DAYS[1]: 10}
    with home_at(tmp_path / "home", (bronze, silver)) as home:
        for day, count in rows.items():
            home.land(key_of(day), csv(shop_lines(day, count)))
        record_and_publish(home, list(rows))

        planned = plan(silver, home.platform, list(rows), only_stale=True)
        staged = build(silver, planned, home.platform, spark, "run").write.staged

        assert staged.rows(DATA) == rows
        files = Counter(file.key for file in staged.files[DATA])
        tasks = spread.Spread.of(rows, parallelism(spark)).tasks
        assert tasks >= 8
        assert files == {DAYS[0]: tasks, DAYS[1]: 1}
        largest = max(file.rows for file in staged.files[DATA])
        assert largest < 2 * rows[DAYS[0]] / tasks


def test_the_rows_of_one_large_partition_are_written_where_they_are_read_but_for_repeats(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spread, "LEAST_ROWS", 100)
    monkeypatch.setattr(spread, "TASK_ROWS", 100)
    with home_at(tmp_path / "home", (bronze, silver)) as home:
        lines = shop_lines(DAYS[0], 1_500)
        home.land(key_of(DAYS[0]), csv([*lines, *lines[:3], f"{lines[3]},extra"]))
        record_and_publish(home, DAYS[:1])

        planned = plan(silver, home.platform, DAYS[:1], only_stale=True)
        staged = build(silver, planned, home.platform, spark, "run").write.staged

        assert spread.Spread.of({DAYS[0]: 1_504}, parallelism(spark)).tasks >= 16
        rows = {o: dict(staged.rows(o)) for o in (DATA, DUPLICATES, QUARANTINE)}
        assert rows == {DATA: {DAYS[0]: 1_500}, DUPLICATES: {DAYS[0]: 3}, QUARANTINE: {DAYS[0]: 1}}
        assert len(staged.files[DATA]) == 1  # the one file of bronze is read by one task
        assert len(staged.files[DUPLICATES]) == 1


@pytest.mark.parametrize(("kind", "early"), [("date", True), ("string", False)])
def test_rows_of_a_large_partition_meet_as_received_where_they_name_it_in_the_tables_own_type(
    spark: SparkSession, kind: str, early: bool
) -> None:
    received = spark.createDataFrame(
        [],
        "InvoiceNo string, StockCode string, Description string, "
        "Quantity string, InvoiceDate string, UnitPrice string, CustomerID string, Country string, "
        f"day {kind}",
    )

    frame = prepared(silver, spread.Spread(4, {4: (DAYS[0],)}), received)

    assert ("_task" in frame.columns) == early
    assert frame.collect() == []
