"""What columns are made from, by the plans of Spark and of Sail."""

from collections.abc import Callable

import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from data_platform.engine.column_lineage import ColumnLineage, column_lineage
from data_platform.engine.logical_plan import marked
from data_platform.engine.plan_reading import analyzed

SALES = "day date, k string, v int, note string"
RATES = "k string, rate double"


def lineage(spark: SparkSession, function: Callable[..., DataFrame]) -> ColumnLineage:
    sales = marked(spark.createDataFrame([], SALES), "sales")
    rates = marked(spark.createDataFrame([], RATES), "rates")
    plan = analyzed(function(sales, rates))
    assert plan
    return column_lineage(plan)


def made(found: ColumnLineage, column: str) -> dict[str, str]:
    of = found.columns[column]
    assert not of.unknown
    return {f"{c.input}.{c.column}": str(how) for c, how in of.columns.items()}


def deciding(found: ColumnLineage) -> dict[str, set[str]]:
    return {f"{c.input}.{c.column}": {*map(str, whys)} for c, whys in found.deciding.items()}


def test_a_column_that_is_passed_on_is_the_inputs_own(spark: SparkSession) -> None:
    found = lineage(spark, lambda sales, _: sales.select("day", F.col("k").alias("key")))

    assert made(found, "day") == {"sales.day": "identity"}
    assert made(found, "key") == {"sales.k": "identity"}
    assert deciding(found) == {}


def test_a_computed_column_is_made_from_all_that_it_reads(spark: SparkSession) -> None:
    found = lineage(
        spark,
        lambda sales, rates: (
            sales.join(rates, "k")
            .withColumn("value", F.col("v") * F.col("rate"))
            .withColumn("label", F.concat(F.upper("k"), F.lit("x")))
            .drop("note")
        ),
    )

    assert made(found, "value") == {"sales.v": "transformation", "rates.rate": "transformation"}
    assert made(found, "label") == {"sales.k": "transformation"}
    assert made(found, "v") == {"sales.v": "identity"}
    assert "note" not in found.columns
    assert deciding(found) == {"sales.k": {"join"}, "rates.k": {"join"}}


def test_sums_are_aggregations_and_groups_decide(spark: SparkSession) -> None:
    found = lineage(
        spark,
        lambda sales, _: (
            sales.where(F.col("note").isNotNull())
            .groupBy("day", F.upper("k").alias("key"))
            .agg(F.sum(F.col("v") + 1).alias("total"))
        ),
    )

    assert made(found, "total") == {"sales.v": "aggregation"}
    assert made(found, "day") == {"sales.day": "identity"}
    assert made(found, "key") == {"sales.k": "transformation"}
    assert deciding(found) == {
        "sales.note": {"filter"},
        "sales.day": {"group_by"},
        "sales.k": {"group_by"},
    }


def test_the_sides_of_a_union_are_one_by_position(spark: SparkSession) -> None:
    found = lineage(
        spark,
        lambda sales, rates: sales.select("k", F.col("v").cast("double")).union(
            rates.select("k", "rate")
        ),
    )

    assert made(found, "k") == {"sales.k": "identity", "rates.k": "identity"}
    assert set(made(found, "v")) == {"sales.v", "rates.rate"}


def test_a_window_reads_its_function_and_is_decided_by_its_groups(spark: SparkSession) -> None:
    by = Window.partitionBy("k").orderBy("day")
    found = lineage(spark, lambda sales, _: sales.withColumn("before", F.lag("v").over(by)))

    assert set(made(found, "before")) >= {"sales.v"}
    assert made(found, "note") == {"sales.note": "identity"}


def test_a_constant_is_made_from_nothing(spark: SparkSession) -> None:
    found = lineage(spark, lambda sales, _: sales.select(F.lit(1).alias("one")))

    assert made(found, "one") == {}


def test_a_semi_join_has_the_columns_of_its_left_side(spark: SparkSession) -> None:
    found = lineage(spark, lambda sales, rates: sales.join(rates, "k", "left_semi"))

    assert set(found.columns) == {"day", "k", "v", "note"}
    assert made(found, "k") == {"sales.k": "identity"}
    assert "join" in deciding(found)["rates.k"]


def test_an_exploded_column_is_made_from_what_is_exploded(spark: SparkSession) -> None:
    found = lineage(
        spark, lambda sales, _: sales.select("k", F.explode(F.split("note", ",")).alias("word"))
    )

    assert set(made(found, "word")) == {"sales.note"}


def test_the_fields_of_a_struct_are_made_from_what_the_struct_is(spark: SparkSession) -> None:
    found = lineage(
        spark,
        lambda sales, _: (
            sales.select("k", F.struct(F.col("v").alias("change"), "note").alias("event"))
            .select("k", "event.*")
            .select((F.col("change") + 1).alias("more"), F.lit(1).alias("one"))
        ),
    )

    assert "sales.v" in made(found, "more")
    assert not made(found, "more").keys() & {"sales.k", "sales.day"}
    assert made(found, "one") == {}


@pytest.mark.parametrize(
    ("function", "column", "why"),
    [
        (
            lambda sales, _: sales.groupBy("k").applyInPandas(lambda of: of, SALES),
            "v",
            "a Python function",
        ),
        (lambda sales, _: sales.mapInPandas(lambda of: of, "v int"), "v", ""),
    ],
    ids=["of groups", "of batches"],
)
def test_what_a_python_function_makes_of_rows_is_unknown(
    function: Callable[..., DataFrame], column: str, why: str, spark: SparkSession
) -> None:
    found = lineage(spark, function)

    assert column not in found.columns or why in found.columns[column].unknown
    assert not any(of.columns and not of.unknown for of in found.columns.values())


def test_a_python_function_of_columns_is_a_transformation(spark: SparkSession) -> None:
    def doubled(values: pd.Series) -> pd.Series:
        return values * 2

    udf = F.pandas_udf(doubled, "int")  # type: ignore[call-overload]
    found = lineage(spark, lambda sales, _: sales.select(udf("v").alias("twice")))

    assert made(found, "twice") == {"sales.v": "transformation"}


def test_an_expression_in_text_is_never_taken_for_a_constant(spark: SparkSession) -> None:
    found = lineage(spark, lambda sales, _: sales.select(F.expr("v + length(note)").alias("n")))

    of = found.columns["n"]
    assert of.unknown or {c.column for c in of.columns} == {"v", "note"}
