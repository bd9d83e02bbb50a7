"""What function names stand for, compared with the functions that Spark has."""

from typing import Any

import pytest
from pyspark.sql import SparkSession

from data_platform.engine.function_names import AGGREGATES, GENERATORS, OF_A_ROW, OF_A_WINDOW

pytestmark = pytest.mark.spark_only("asks the JVM")

_CATALYST = "org.apache.spark.sql.catalyst.expressions"
_BY_GROUP = {"agg_funcs": AGGREGATES, "window_funcs": OF_A_WINDOW, "generator_funcs": GENERATORS}
# Spark lists these with functions of rows, by what they take.
_LISTED_ELSEWHERE = {"json_tuple", "schema_of_variant_agg"}
# Known to the parser, not to the registry.
_OF_THE_PARSER = {"<=>", "!=", "timestampadd", "timestampdiff"}


@pytest.fixture(scope="module")
def registry(spark: SparkSession) -> dict[str, tuple[str, str]]:
    """The group and the class of each of Spark's functions."""
    found = {}
    functions = _java(spark).org.apache.spark.sql.catalyst.analysis.FunctionRegistry.expressions()
    entries = functions.iterator()
    while entries.hasNext():
        entry = entries.next()
        of = entry._2()._1()
        found[entry._1()] = (of.getGroup(), of.getClassName())
    return found


def test_functions_of_several_rows_are_those_that_spark_lists_as_such(
    registry: dict[str, tuple[str, str]],
) -> None:
    for listed, names in _BY_GROUP.items():
        assert {name for name in names if registry[name][0] != listed} <= _LISTED_ELSEWHERE


def test_a_function_of_a_row_is_neither_an_aggregate_nor_a_generator_nor_random(
    spark: SparkSession, registry: dict[str, tuple[str, str]]
) -> None:
    assert {name for name in OF_A_ROW if name not in registry} <= _OF_THE_PARSER
    of_java = _java(spark).java.lang.Class
    not_of_a_row = [
        of_java.forName(f"{_CATALYST}.{name}")
        for name in (
            *("aggregate.AggregateFunction", "Generator", "WindowFunction", "Nondeterministic"),
            *("CallMethodViaReflection", "InputFileName", "TimeWindow", "SessionWindow"),
        )
    ]
    for name in OF_A_ROW & registry.keys():
        group, of_class = registry[name]
        assert group not in _BY_GROUP, name
        built = of_java.forName(of_class)
        assert not any(kind.isAssignableFrom(built) for kind in not_of_a_row), name


def _java(spark: SparkSession) -> Any:
    return spark._jvm
