"""Random expressions of the functions that tables use: Sail computes what Spark does, or fails."""

import math
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from pyspark.errors import PySparkException
from pyspark.sql import Column, SparkSession

from data_platform.engine.agreement import agreed
from data_platform.engine.sail_plan import EngineDifference
from data_platform_tests.support.expressions import ROWS, SCHEMA, anything

pytest_plugins = ["data_platform_tests.support.spark_server"]
pytestmark = pytest.mark.connect_only

FAILED = "failed"


@given(expression=anything, row=st.sampled_from(ROWS))
def test_sail_computes_what_spark_does_or_fails(
    expression: Column, row: tuple[Any, ...], spark: SparkSession, spark_of_java: SparkSession
) -> None:
    try:
        on_sail = computed(spark, expression, row)
    except EngineDifference:
        event("refused")
        return
    if on_sail == FAILED:  # there are functions that Sail lacks: the run fails
        event("failed on Sail")
        return
    event("computed")
    assert on_sail == computed(spark_of_java, expression, row)


def computed(spark: SparkSession, expression: Column, row: tuple[Any, ...]) -> object:
    """The type and the value, doubles to twelve digits."""
    try:
        made = agreed(spark.createDataFrame([row], SCHEMA).select(expression.alias("x")))
        (found,) = made.collect()
    except PySparkException:
        return FAILED
    value = found[0]
    if isinstance(value, float):
        value = "NaN" if math.isnan(value) else float(f"{value:.12g}")
    return made.schema[0].dataType.simpleString(), value
