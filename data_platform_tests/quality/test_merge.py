"""Which row of a key is kept, in Spark: small frames, one job each."""

from dataclasses import replace

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from data_platform.quality.merge import ranked, settled
from data_platform.tables.outcomes import DATA, OUTCOME, QUARANTINE, SUPERSEDED, Outcome
from data_platform_tests.support.clients import Client

JUDGED = "client bigint, changed bigint, city string, _outcome int, _reasons string"
Computed = replace(Client, arrival=False)
Row = tuple[int, int, str | None]


def _judged(spark: SparkSession, rows: list[Row], outcome: Outcome = DATA) -> DataFrame:
    reasons = None if outcome == DATA else "client.greater_than_or_equal_to"
    return spark.createDataFrame(
        [(*row, outcome.value, reasons, None) for row in rows], f"{JUDGED}, _warnings string"
    )


def _kept(ranked: DataFrame) -> DataFrame:
    return settled(ranked).where(F.col(OUTCOME) != SUPERSEDED)


def test_a_rejected_row_stays_and_takes_no_valid_row_s_place(spark: SparkSession) -> None:
    valid: list[Row] = [(1, 10, "oslo")]
    rejected: list[Row] = [(1, 20, "rome"), (1, 30, "bern")]
    changes = _judged(spark, valid).union(_judged(spark, rejected, QUARANTINE))

    found = _kept(ranked(changes, None, Computed)).collect()

    assert sorted((row["changed"], row["_outcome"]) for row in found) == [
        (10, DATA),
        (20, QUARANTINE),
        (30, QUARANTINE),
    ]


@pytest.mark.parametrize("turn", [0, 1, 2])
def test_rows_that_tie_are_told_apart_by_their_other_columns_wherever_they_are(
    spark: SparkSession, turn: int
) -> None:
    tied: list[Row] = [(1, 10, "oslo"), (1, 10, "rome"), (1, 10, None)]
    first, *others = tied[turn:] + tied[:turn]
    present = spark.createDataFrame([first], "client bigint, changed bigint, city string")

    [found] = _kept(ranked(_judged(spark, others), present, Computed)).collect()

    assert (found["client"], found["changed"], found["city"]) == (1, 10, "rome")
