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
from data_platform.quality.locality import makes_no_rows, proof, row_by_row

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


NO_NEW_ROWS: dict[str, Function] = {
    "selected": lambda rows: rows.select("k", F.upper("k"), F.col("v") + 1),
    "filtered": lambda rows: rows.where("v > 1").withColumnRenamed("k", "a").drop("a").alias("b"),
    "in pandas": lambda rows: rows.select(F.pandas_udf(lambda v: v, "int")("v")),  # type: ignore[call-overload]
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


@pytest.mark.parametrize("name", NO_NEW_ROWS)
def test_projections_and_filters_make_no_rows(rows: DataFrame, name: str) -> None:
    assert makes_no_rows(_plan(NO_NEW_ROWS[name](with_boundary(rows))))


@pytest.mark.parametrize("name", NEW_ROWS)
def test_whatever_else_may_make_rows(rows: DataFrame, name: str) -> None:
    assert not makes_no_rows(_plan(NEW_ROWS[name](with_boundary(rows))))


def test_values_of_a_row_depend_on_nothing_else(rows: DataFrame) -> None:
    typed = (
        rows.repartition("k")
        .where("v > 1")
        .withColumn("n", F.col("v").try_cast("string"))
        .alias("lines")
    )
    assert row_by_row(_plan(typed))


OF_OTHER_ROWS: dict[str, Function] = {
    **NEW_ROWS,
    "by chance": lambda rows: rows.withColumn("v", F.rand()),
    "by position": lambda rows: rows.withColumn("v", F.monotonically_increasing_id()),
    "in pandas": NO_NEW_ROWS["in pandas"],
    "sampled": lambda rows: rows.sample(0.5),
    "some": lambda rows: rows.limit(1),
    "without an input": lambda rows: rows.sparkSession.range(3).toDF("v"),
}


@pytest.mark.parametrize("name", OF_OTHER_ROWS)
def test_values_may_depend_on_other_rows_or_on_chance(rows: DataFrame, name: str) -> None:
    assert not row_by_row(_plan(OF_OTHER_ROWS[name](rows)))


def test_what_is_around_a_generator_counts(rows: DataFrame) -> None:
    """Spark refuses a generator within an expression, Sail takes it."""
    with suppress(PySparkException):
        frame = rows.select(F.coalesce(F.explode(F.array("v")), F.rand(1)))
        assert not proof(_plan(frame), {"rows": ("k",)}).apart
        frame = rows.select(F.coalesce(F.explode(F.array("v")), F.col("v")))
        assert proof(_plan(frame), {"rows": ("k",)}).apart
