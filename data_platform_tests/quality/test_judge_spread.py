"""Rows of a partition spread over tasks: those of one key meet, and each is moved once."""

import datetime as dt
import json
from dataclasses import replace

import pytest
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from data_platform.contracts.contract import Contract
from data_platform.quality.judge import in_shares, judged
from data_platform.tables.outcomes import DATA, QUARANTINE
from data_platform_tests.support.judged_lines import (
    DAY,
    RECEIVED,
    Lines,
    Totals,
    received_lines,
    typed_lines,
)


def _spread(bronze: DataFrame, of: Contract, tasks: int, shares: Column, when: str) -> DataFrame:
    """The rows judged, spread over tasks as received or typed."""
    if when == "as received":
        bronze = in_shares(bronze, of, tasks, shares)
    return judged(typed_lines(bronze), of, tasks=tasks, shares=shares)


@pytest.mark.parametrize("when", ["as received", "typed"])
@pytest.mark.parametrize("tasks", [1, 3, 8])
def test_rows_of_one_key_meet_however_a_partition_is_spread(
    spark: SparkSession, tasks: int, when: str
) -> None:
    rows = [(f"item {n % 20}", "1" if n else "x", "a", n) for n in range(101)]

    frame = _spread(received_lines(spark, *rows).repartition(4), Lines, tasks, F.lit(tasks), when)
    found = frame.withColumn("task", F.spark_partition_id()).collect()

    (bad,) = (row for row in found if row["_outcome"] == QUARANTINE)
    assert set(json.loads(bad["_received"])) == {field.split()[0] for field in RECEIVED.split(", ")}

    winners = [row["_row_number"] for row in found if row["_outcome"] == DATA]
    assert sorted(winners) == list(range(81, 101))
    used = {row["task"] for row in found}
    assert used <= set(range(tasks))
    assert len(used) > tasks // 2
    assert "_task" not in frame.columns


@pytest.mark.spark_only("Sail deals rows to tasks by a hash of the number")
@pytest.mark.parametrize("when", ["as received", "typed"])
def test_a_small_partition_beside_a_spread_one_stays_in_one_task(
    spark: SparkSession, when: str
) -> None:
    later = DAY + dt.timedelta(days=1)
    rows = [(DAY if n < 100 else later, "tea", "1", "a", n) for n in range(200)]
    keyless = replace(Lines, key=())

    shares = F.when(F.col("day") == DAY, 4).otherwise(1)
    frame = _spread(spark.createDataFrame(rows, RECEIVED), keyless, 4, shares, when)
    found = frame.withColumn("task", F.spark_partition_id()).collect()

    tasks = {day: {row["task"] for row in found if row["day"] == day} for day in (DAY, later)}
    assert (len(tasks[DAY]), len(tasks[later])) == (4, 1)


@pytest.mark.spark_only("reads the plan of the JVM")
@pytest.mark.parametrize("when", ["as received", "typed", "computed"])
def test_a_spread_partition_is_shuffled_once(spark: SparkSession, when: str) -> None:
    if when == "computed":
        rows = spark.createDataFrame([(DAY, "tea", 1)], "day date, name string, total bigint")
        frame = judged(rows, Totals, tasks=4, shares=F.lit(4))
    else:
        frame = _spread(received_lines(spark, ("tea", "1", "a", 1)), Lines, 4, F.lit(4), when)

    plan = frame._jdf.queryExecution()  # type: ignore[operator]

    assert plan.executedPlan().toString().count("Exchange") == 1
