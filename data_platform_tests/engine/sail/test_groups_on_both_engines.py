"""Random aggregates and windows: Sail computes what Spark does, or fails."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from data_platform.engine.sail.agreement import agreed
from data_platform.engine.sail.difference import EngineDifference
from data_platform_tests.support.expressions import ROWS, SCHEMA
from data_platform_tests.support.groups import KEYS, NUMBER, aggregates, windows

pytestmark = pytest.mark.connect_only

FAILED = "failed"

# Days and moments that Python has in every zone.
_rows = st.lists(st.sampled_from([*ROWS[:3], *ROWS[4:]]), min_size=1, max_size=6)
Rows = list[tuple[Any, ...]]


@settings(max_examples=settings().max_examples * 2 // 5)
@given(of=aggregates, key=st.sampled_from(KEYS), rows=_rows)
def test_sail_aggregates_as_spark_does_or_fails(
    of: Column, key: str, rows: Rows, spark: SparkSession, spark_of_java: SparkSession
) -> None:
    require_same(lambda frame: frame.groupBy(key).agg(of.alias("x")), rows, spark, spark_of_java)


@settings(max_examples=settings().max_examples * 2 // 5)
@given(of=windows(), rows=_rows)
def test_sail_computes_a_window_as_spark_does_or_fails(
    of: Column, rows: Rows, spark: SparkSession, spark_of_java: SparkSession
) -> None:
    require_same(lambda frame: frame.select(NUMBER, of.alias("x")), rows, spark, spark_of_java)


@settings(max_examples=settings().max_examples * 2 // 5)
@given(key=st.sampled_from(KEYS), rows=_rows, ascending=st.booleans())
def test_sail_sorts_and_drops_repeats_as_spark_does(
    key: str, rows: Rows, ascending: bool, spark: SparkSession, spark_of_java: SparkSession
) -> None:
    def sorted_(frame: DataFrame) -> DataFrame:
        kept = frame.select(key).distinct().sort(key, ascending=ascending)
        return kept.select(F.lit(0), F.col(key))

    require_same(sorted_, rows, spark, spark_of_java, in_order=True)


def require_same(
    of: Callable[[DataFrame], DataFrame],
    rows: Rows,
    spark: SparkSession,
    spark_of_java: SparkSession,
    *,
    in_order: bool = False,
) -> None:
    """Both engines have the same rows and types, unless Sail fails or is refused the plan."""

    def made(session: SparkSession) -> DataFrame:
        numbered = [(number, *row) for number, row in enumerate(rows)]
        return of(session.createDataFrame(numbered, f"{NUMBER} int, {SCHEMA}"))

    frame = made(spark)
    try:
        _ = frame.schema
        frame = agreed(frame)
    except (EngineDifference, PySparkException):
        event("refused, or lacking")
        return
    on_sail = computed(frame, in_order=in_order)
    if on_sail == FAILED:
        event("failed on Sail")
        return
    event("computed")
    assert on_sail == computed(made(spark_of_java), in_order=in_order)


def computed(frame: DataFrame, *, in_order: bool) -> object:
    """The types and rows, doubles to nine digits."""
    try:
        found = [tuple(map(_plain, row)) for row in frame.collect()]
    except PySparkException:
        return FAILED
    types = [field.dataType.simpleString() for field in frame.schema]
    return types, found if in_order else sorted(found, key=repr)


def _plain(value: object) -> object:
    if not isinstance(value, float):
        return value
    return "NaN" if math.isnan(value) else float(f"{value:.9g}")
