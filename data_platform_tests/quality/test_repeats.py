"""Which rows of a large partition may repeat another, and that no others are moved."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from data_platform.contracts.contract import Contract
from data_platform.quality import repeats
from data_platform.quality.judge import in_shares, judged
from data_platform.quality.repeats import MAY_REPEAT, with_repeats_marked
from data_platform.quality.winners import repeated_by
from data_platform_tests.support.judged_lines import DAY, RECEIVED, Lines, typed_lines

Row = tuple[str | None, str | None]

_COMPARED = ("_outcome", "_reasons", "_warnings", "_repeats_object", "_repeats_row", "_received")


def _bronze(spark: SparkSession, rows: Sequence[Row]) -> DataFrame:
    numbered = [(DAY, *row, "b" if n % 2 else "a", n) for n, row in enumerate(rows)]
    return spark.createDataFrame(numbered, RECEIVED).repartition(3)


def _key(of: Contract) -> list[Column]:
    return [F.col(name) for name in of.key]


def _marked(bronze: DataFrame, of: Contract = Lines) -> DataFrame:
    found = with_repeats_marked(bronze, _key(of), 4)
    assert found is not None
    return found


def _by_number(frame: DataFrame) -> dict[int, tuple]:
    return {row["_row_number"]: tuple(row[name] for name in _COMPARED) for row in frame.collect()}


def _exchanges(frame: DataFrame) -> int:
    plan = frame._jdf.queryExecution()  # type: ignore[operator]
    return plan.executedPlan().toString().count("Exchange")


_ROWS = st.lists(
    st.tuples(
        st.sampled_from(["tea", "mug", "refused", None]),
        st.sampled_from(["1", "2", "7", "200", "x", None]),
    ),
    min_size=1,
    max_size=30,
)


@hypothesis_settings(max_examples=hypothesis_settings().max_examples // 25)
@given(rows=_ROWS)
def test_rows_are_judged_the_same_where_only_those_meet_that_may_repeat(
    spark: SparkSession, rows: list[Row]
) -> None:
    bronze = _bronze(spark, rows)

    by_marks = judged(typed_lines(_marked(bronze)), Lines, one_partition=True, by_marks=True)

    assert MAY_REPEAT not in by_marks.columns
    assert _by_number(by_marks) == _by_number(judged(typed_lines(bronze), Lines))


@hypothesis_settings(max_examples=hypothesis_settings().max_examples // 25)
@given(
    rows=st.lists(st.tuples(st.integers(0, 2), _ROWS), min_size=1, max_size=4), typed=st.booleans()
)
def test_rows_of_many_partitions_are_judged_the_same(
    spark: SparkSession, rows: list[tuple[int, list[Row]]], typed: bool
) -> None:
    contract = replace(Lines, key=("name", "amount"), key_as_received=False) if typed else Lines
    numbered = [
        (DAY + timedelta(days), *row, f"{days}", n)
        for n, (days, row) in enumerate((days, row) for days, of in rows for row in of)
    ]
    lines = typed_lines(spark.createDataFrame(numbered, RECEIVED).repartition(3))

    marked = with_repeats_marked(lines, repeated_by(lines, contract), 4)

    assert marked
    found = judged(marked, contract, by_marks=True)
    assert _by_number(found) == _by_number(judged(lines, contract))


def test_rows_are_marked_whose_key_another_has(spark: SparkSession) -> None:
    rows: list[Row] = [
        ("tea", "1"),
        ("mug", "1"),
        ("tea", "1"),
        (None, "1"),
        (None, "1"),
        (None, None),
    ]

    found = _marked(_bronze(spark, rows)).collect()

    assert {row["_row_number"] for row in found if row[MAY_REPEAT]} == {0, 2, 3, 4}
    assert len(found) == len(rows)


@pytest.mark.spark_only("reads the plan of the JVM")
@pytest.mark.parametrize(
    ("rows", "of"),
    [
        ([("tea", "1"), ("mug", "1")], Lines),
        ([("tea", "1"), ("tea", "1")], replace(Lines, key=())),
    ],
    ids=["no repeats", "no key"],
)
def test_nothing_is_moved_where_no_row_repeats_another(
    spark: SparkSession, rows: Sequence[Row], of: Contract
) -> None:
    marked = typed_lines(_marked(_bronze(spark, rows).coalesce(1), of))
    frame = judged(marked, of, one_partition=True, by_marks=True)

    assert _exchanges(frame) == _exchanges(_bronze(spark, rows))
    assert [row["_outcome"] for row in frame.collect()] == [0, 0]


def test_marks_are_not_heeded_where_the_function_may_have_made_several_rows_of_one(
    spark: SparkSession,
) -> None:
    bronze = _marked(_bronze(spark, [("tea", "1"), ("mug", "2")]))
    doubled = typed_lines(bronze).withColumn("_", F.explode(F.array(F.lit(1), F.lit(2)))).drop("_")

    found = judged(doubled, Lines, tasks=2, shares=F.lit(2)).collect()

    assert sorted(row["_outcome"] for row in found) == [0, 0, 2, 2]


def test_more_repeats_than_one_task_sorts_are_not_marked(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [("tea", "1")] * 3 + [("mug", "1")] * 2 + [("cup", "1")]
    bronze = _bronze(spark, rows)

    monkeypatch.setattr(repeats, "MOST_MARKED", 4)
    assert with_repeats_marked(bronze, _key(Lines), 2) is None
    monkeypatch.setattr(repeats, "MOST_MARKED", 5)
    assert with_repeats_marked(bronze, _key(Lines), 2) is not None
    assert "_task" in in_shares(bronze, Lines, 2, F.lit(2)).columns


def test_columns_of_any_name_keep_their_values(spark: SparkSession) -> None:
    odd = {"_hash": 1, "_HASHED": 2, "_repeated": 3, "rows": 4}
    bronze = _bronze(spark, [("tea", "1"), ("tea", "1")])
    bronze = bronze.withColumns({name: F.lit(value) for name, value in odd.items()})

    found = _marked(bronze).collect()

    assert [{name: row[name] for name in odd} for row in found] == [odd, odd]
