"""Plans of Spark Connect as trees. What is proved of them is in `quality/test_locality.py`."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from data_platform.engine.logical_plan import Node, is_boundary, marked, with_boundary
from data_platform.engine.plan_columns import output
from data_platform.engine.plan_reading import analyzed
from data_platform.quality.locality import proof, row_by_row

pytestmark = pytest.mark.connect_only

Function = Callable[[DataFrame], DataFrame]


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> DataFrame:
    return marked(spark.createDataFrame([("a", 1)], "k string, v int"), "rows")


def _plan(frame: DataFrame) -> Node:
    plan = analyzed(frame)
    assert plan
    return plan


COLUMNS: dict[str, Function] = {
    "selected": lambda rows: rows.select("K", F.upper("k"), F.col("v") + 1, F.lit(1).alias("x")),
    "exploded": lambda rows: rows.select("v", F.posexplode(F.array("k"))),
    "of a map": lambda rows: rows.select(F.explode(F.create_map("k", "v")), "k"),
    "of a map, named": lambda rows: rows.select(F.explode(F.create_map("k", "v")).alias("a", "b")),
    "of a struct": lambda rows: rows.select(F.struct("k", "v").alias("s")).select("s.*", "s.k"),
    "with columns": lambda rows: rows.withColumns({"V": F.lit(1), "x": F.lit(2), "K": F.lit(3)}),
    "renamed": lambda rows: rows.withColumnsRenamed({"k": "a", "none": "b"}),
    "dropped": lambda rows: rows.withColumn("x", F.lit(1)).drop("K").drop(F.col("none")),
    "dropped of a frame": lambda rows: rows.drop(rows["v"]),
    "named anew": lambda rows: rows.toDF("a", "b"),
    "as a schema": lambda rows: rows.to(rows.select("v", "k").schema),
    "grouped": lambda rows: rows.groupBy("k", F.col("v") + 1).agg(F.max("v"), F.count("*")),
    "pivoted": lambda rows: rows.groupBy("k").pivot("v", [1, 2]).count(),
    "in pandas": lambda rows: rows.groupBy("k").applyInPandas(lambda of: of, "k string, n int"),
    "joined using": lambda rows: rows.join(rows.withColumn("x", F.lit(1)), ["v"], "left"),
    "full join": lambda rows: rows.join(rows.select("k", F.col("v").alias("x")), "k", "full"),
    "right join": lambda rows: rows.join(rows.withColumn("x", F.lit(1)), ["v"], "right"),
    "left semi": lambda rows: rows.join(rows, ["v"], "left_semi"),
    "joined": lambda rows: rows.crossJoin(rows.toDF("a", "b")),
    "united by name": lambda rows: rows.unionByName(
        rows.select("v", F.lit(1).alias("x")), allowMissingColumns=True
    ),
    "in windows": lambda rows: rows.select("*", F.sum("v").over(Window.partitionBy("k"))),
    "in SQL": lambda rows: rows.selectExpr("*", "v + 1", "v AS x", "explode(array(v))"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_relation_has_the_columns_that_the_server_gives_it(rows: DataFrame, name: str) -> None:
    frame = COLUMNS[name](rows)

    found = [column for _, column in output(_plan(frame)) or ()]

    assert [of.casefold() for of in found] == [of.casefold() for of in frame.columns]


def test_a_mark_and_a_boundary_are_found(rows: DataFrame) -> None:
    plan = _plan(with_boundary(rows.where("v > 1")).select("k"))

    assert [node.kind for node in plan.walk()] == [
        *("Project", "SubqueryAlias", "Filter", "SubqueryAlias", "LogicalRelation")
    ]
    assert [is_boundary(node) for node in plan.walk()] == [False, True, False, False, False]


OF_ITS_ROW: dict[str, Function] = {
    "selected": lambda rows: rows.select("k", F.upper("k"), F.col("v") + 1),
    "filtered": lambda rows: rows.where("v > 1").withColumnRenamed("k", "a").drop("a").alias("b"),
    "moved": lambda rows: rows.repartition("k").withColumn("n", F.col("v").try_cast("string")),
    "parsed": lambda rows: rows.withColumn("v", F.unix_timestamp("k", "yyyy")),
}
NEW_ROWS: dict[str, Function] = {
    "exploded": lambda rows: rows.select(F.explode(F.array("v"))),
    "exploded in SQL": lambda rows: rows.selectExpr("explode(array(v))"),
    "total": lambda rows: rows.select(F.sum("v")),
    "total in SQL": lambda rows: rows.selectExpr("sum(v)"),
    "of any function": lambda rows: rows.select(F.call_function("shop.made", "v")),
    "joined": lambda rows: rows.join(rows, "k"),
    "united": lambda rows: rows.union(rows),
    "in windows": lambda rows: rows.select(F.rank().over(Window.partitionBy("k").orderBy("v"))),
    "mapped": lambda rows: rows.mapInPandas(lambda batches: batches, "k string, v int"),
}


OF_OTHER_ROWS: dict[str, Function] = {
    **NEW_ROWS,
    "by chance": lambda rows: rows.withColumn("v", F.rand()),
    "by a filter of chance": lambda rows: rows.where(F.rand() < 0.5),
    "by position": lambda rows: rows.withColumn("v", F.monotonically_increasing_id()),
    "by time": lambda rows: rows.withColumn("at", F.current_timestamp()),
    "by day": lambda rows: rows.where(F.current_date() > "2026-01-01"),
    "by seconds": lambda rows: rows.withColumn("v", F.unix_timestamp()),
    "by time in SQL": lambda rows: rows.selectExpr("k", "v", "now() AS at"),
    "by time as a word": lambda rows: rows.where("current_date > DATE '2026-01-01'"),
    "by an unsteady function": lambda rows: rows.select(
        F.udf(lambda v: v, "int").asNondeterministic()("v")  # type: ignore[attr-defined]
    ),
    "in pandas": lambda rows: rows.select(F.pandas_udf(lambda v: v, "int")("v")),  # type: ignore[call-overload]
    "sampled": lambda rows: rows.sample(0.5),
    "some": lambda rows: rows.limit(1),
}


@pytest.mark.parametrize("name", OF_ITS_ROW)
def test_values_of_a_row_depend_on_nothing_else(rows: DataFrame, name: str) -> None:
    assert row_by_row(_plan(OF_ITS_ROW[name](rows)))
    assert row_by_row(_plan(OF_ITS_ROW[name](with_boundary(rows))))


@pytest.mark.parametrize("name", OF_OTHER_ROWS)
def test_values_may_depend_on_other_rows_on_chance_or_on_time(rows: DataFrame, name: str) -> None:
    assert not row_by_row(_plan(OF_OTHER_ROWS[name](rows)))
    assert not row_by_row(_plan(OF_OTHER_ROWS[name](with_boundary(rows))))


def test_rows_that_come_from_no_input_may_be_any(spark: SparkSession) -> None:
    assert not row_by_row(_plan(spark.range(3).toDF("v")))


def test_what_is_around_a_generator_counts(rows: DataFrame) -> None:
    """Spark refuses a generator within an expression, Sail takes it."""
    with suppress(PySparkException):
        frame = rows.select(F.coalesce(F.explode(F.array("v")), F.rand(1)))
        assert not proof(_plan(frame), {"rows": ("k",)}).apart
        frame = rows.select(F.coalesce(F.explode(F.array("v")), F.col("v")))
        assert proof(_plan(frame), {"rows": ("k",)}).apart
