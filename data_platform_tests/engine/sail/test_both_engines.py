"""Random expressions of the functions that tables use: Sail computes what Spark does, or fails."""

import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession

from data_platform.engine.sail.agreement import agreed
from data_platform.engine.sail.difference import EngineDifference
from data_platform_tests.support.expressions import ROWS, SCHEMA, anything

pytestmark = pytest.mark.connect_only

FAILED = "failed"


@given(expression=anything, row=st.sampled_from(ROWS))
def test_sail_computes_what_spark_does_or_fails(
    expression: Column, row: tuple[Any, ...], spark: SparkSession, spark_of_java: SparkSession
) -> None:
    frame = spark.createDataFrame([row], SCHEMA).select(expression.alias("x"))
    if not is_valid(frame):  # there are functions that Sail lacks: the run fails
        event("lacking")
        return
    try:
        written = agreed(frame)
    except EngineDifference:
        event("refused")
        return
    assert is_valid(written)
    on_sail = computed(written)
    if on_sail == FAILED:  # it does not skip what Spark skips beside a NULL
        event("failed on Sail")
        return
    event("computed")
    other = spark_of_java.createDataFrame([row], SCHEMA).select(expression.alias("x"))
    assert on_sail == computed(other)


def is_valid(frame: DataFrame) -> bool:
    """Whether the engine takes the plan."""
    try:
        return bool(frame.schema.fields)
    except PySparkException:
        return False


def computed(frame: DataFrame) -> object:
    """The type and the value of the only column and row, doubles to twelve digits."""
    try:
        (found,) = frame.collect()
    except PySparkException:
        return FAILED
    except OverflowError:  # a day after those of Python
        found = frame.toArrow().column(0).cast(pa.string()).to_pylist()
    value = found[0]
    if isinstance(value, float):
        value = "NaN" if math.isnan(value) else float(f"{value:.12g}")
    return frame.schema[0].dataType.simpleString(), value
