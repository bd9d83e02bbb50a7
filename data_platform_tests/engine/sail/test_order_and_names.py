"""NULLs have the same place, and names are found whatever their case, on both engines."""

import math
from collections.abc import Callable

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from data_platform.engine.sail.agreement import agreed
from data_platform_tests.support.both_engines import Made, OnBoth, refusal

pytestmark = pytest.mark.connect_only

# --- the order of NULLs ---------------------------------------------------------------------

ORDERS: dict[str, Callable[[str], Column]] = {
    "as it is": F.col,
    "asc": F.asc,
    "desc": F.desc,
    "nulls first": F.asc_nulls_first,
    "nulls last": F.asc_nulls_last,
    "desc, nulls first": F.desc_nulls_first,
    "desc, nulls last": F.desc_nulls_last,
}


def with_nulls(spark: SparkSession) -> DataFrame:
    rows = [
        (0, 3, "b", math.nan, (1, None)),
        (1, None, "a", 1.0, (None, 2)),
        (2, 1, None, None, (1, 2)),
        (3, 2, "B", math.inf, None),
    ]
    return spark.createDataFrame(rows, "n int, i int, s string, d double, p struct<a: int, b: int>")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("by", ["i", "s", "d"])
def test_nulls_have_the_same_place_in_sorts_and_windows(
    on_both: OnBoth, by: str, order: str
) -> None:
    over = Window.orderBy(ORDERS[order](by))

    in_order = on_both(lambda spark: with_nulls(spark).orderBy(ORDERS[order](by)).select("n"))
    numbered = on_both(
        lambda spark: (
            with_nulls(spark).select("n", F.row_number().over(over).alias("x")).orderBy("x")
        )
    )

    assert [row[0] for row in numbered] == [row[0] for row in in_order]
    null = {"i": 1, "s": 2, "d": 2}[by]
    first = "nulls first" in order or order in ("as it is", "asc")
    assert in_order[0 if first else -1] == (null,)


@pytest.mark.parametrize("order", ORDERS)
def test_nulls_within_structs_are_least_or_refused(
    on_both: OnBoth, spark: SparkSession, order: str
) -> None:
    def made(spark: SparkSession) -> DataFrame:
        return with_nulls(spark).orderBy(ORDERS[order]("p")).select("n")

    if order in ("nulls last", "desc, nulls first"):
        assert "sort by its parts" in refusal(made(spark))
    else:
        rows = [(3,), (1,), (0,), (2,)]
        assert on_both(made) == (rows[::-1] if "desc" in order else rows)


def test_nulls_are_left_out_or_least_in_lists_and_aggregates(on_both: OnBoth) -> None:
    assert on_both(
        lambda spark: with_nulls(spark).agg(
            *(F.min("i").alias("a"), F.max("s").alias("b"), F.max_by("s", "i").alias("c")),
            F.sort_array(F.collect_list("p")).alias("d"),
            F.max("p").alias("e"),
        )
    ) == [(1, "b", "b", [(None, 2), (1, None), (1, 2)], (1, 2))]
    of = "l array<int>"
    assert on_both(
        lambda spark: spark.createDataFrame([([3, None, 1],)], of).select(
            F.sort_array("l").alias("a"),
            F.sort_array("l", asc=False).alias("b"),
            F.array_sort("l").alias("c"),
            F.array_max("l").alias("d"),
        )
    ) == [([None, 1, 3], [3, 1, None], [1, 3, None], 3)]


def test_the_least_of_structs_is_refused(spark: SparkSession) -> None:
    frame = with_nulls(spark)
    whole = Window.partitionBy()

    [(alone,)] = frame.agg(F.min("p")).collect()
    assert alone == (1, None)  # and on Spark (None, 2)
    for of in (F.min("p"), F.min_by("n", "p")):
        assert "F.sort_array" in refusal(frame.agg(of))
    for of in (F.max("p").over(whole), F.least("p", "p"), F.array_min(F.array("p"))):
        assert "F.sort_array" in refusal(frame.select(of))
    assert "max of structs or arrays" in refusal(frame.agg(F.max(F.array("i"))))


def test_a_window_ordered_by_a_struct_needs_rows(on_both: OnBoth, spark: SparkSession) -> None:
    over = Window.orderBy("p")
    rows = over.rowsBetween(Window.unboundedPreceding, Window.currentRow)

    with pytest.raises(PySparkException, match="range queries"):
        agreed(with_nulls(spark).select(F.count("n").over(over))).collect()
    assert on_both(
        lambda spark: with_nulls(spark).select("n", F.count("n").over(rows).alias("x")).orderBy("x")
    ) == [(3, 1), (1, 2), (0, 3), (2, 4)]


# --- the case of names ----------------------------------------------------------------------


def sales(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame([(1, "x"), (2, "y")], "day int, Name string")


def prices(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame([(1, 10), (3, 30)], "DAY int, v int")


OF_NAMES: dict[str, Made] = {
    "a column": lambda spark: sales(spark).select(F.col("DAY"), "name", F.expr("Day AS x")),
    "a filter": lambda spark: sales(spark).where(F.col("DAY") > 1).where("NAME = 'y'"),
    "a column that is replaced": lambda spark: sales(spark).withColumn("DAY", F.lit(5)),
    "renamed": lambda spark: sales(spark).withColumnRenamed("DAY", "x"),
    "several renamed": lambda spark: sales(spark).withColumnsRenamed({"DAY": "x", "NAME": "y"}),
    "not there": lambda spark: sales(spark).withColumnRenamed("month", "x"),
    "dropped": lambda spark: sales(spark).drop("DAY"),
    "grouped": lambda spark: sales(spark).groupBy("DAY").agg(F.max("NAME").alias("x")),
    "without repeats": lambda spark: sales(spark).dropDuplicates(["DAY"]),
    "sorted": lambda spark: sales(spark).orderBy(F.desc("DAY")),
    "a field": lambda spark: sales(spark).select(F.struct("Name").alias("p")).select("p.NAME"),
    "unions": lambda spark: sales(spark).unionByName(
        sales(spark).select(F.col("name").alias("NAME"), F.col("day").alias("DAY"))
    ),
    "columns that are missing": lambda spark: sales(spark).unionByName(
        prices(spark), allowMissingColumns=True
    ),
    **{
        f"a {how} join": lambda spark, how=how: sales(spark).join(prices(spark), ["day"], how)
        for how in ("inner", "left", "right", "full", "left_semi", "left_anti")
    },
    "a join by the other": lambda spark: sales(spark).join(prices(spark), "DAY"),
    "a join by columns": lambda spark: (
        sales(spark).alias("a").join(prices(spark).alias("b"), F.col("a.DAY") == F.col("b.day"))
    ),
}


@pytest.mark.parametrize("name", OF_NAMES)
def test_columns_are_found_whatever_the_case(on_both: OnBoth, name: str) -> None:
    assert on_both(OF_NAMES[name], any_order=name != "sorted")


def test_a_name_in_two_cases_is_one_name(spark: SparkSession, spark_of_java: SparkSession) -> None:
    for session in (spark, spark_of_java):
        joined = sales(session).crossJoin(prices(session))
        with pytest.raises(PySparkException, match=r"(?i)ambiguous"):
            joined.select("day").collect()


def test_names_that_only_spark_finds(spark: SparkSession, spark_of_java: SparkSession) -> None:
    number = F.row_number().over(Window.partitionBy("day").orderBy("Name"))

    assert agreed(sales(spark).select(number)).columns == ["row_number()"]
    assert sales(spark_of_java).select(number).columns[0].startswith("row_number() OVER (")
    assert agreed(sales(spark).alias("a").select("A.*")).columns == []
    assert agreed(sales(spark).alias("a").select("a.*")).columns == ["day", "Name"]
    assert sales(spark_of_java).alias("a").select("A.*").columns == ["day", "Name"]


def test_a_field_of_a_struct_is_replaced_by_its_own_name_only(spark: SparkSession) -> None:
    frame = sales(spark).select(F.struct("Name", "day").alias("p"))

    for of in (F.col("p").withField("NAME", F.lit("z")), F.col("p").dropFields("name")):
        assert "exact name only; the fields are Name, day" in refusal(frame.select(of))
    replaced = frame.select(F.col("p").withField("Name", F.lit("z")).alias("p"))
    assert agreed(replaced).select("p.Name").distinct().collect() == [("z",)]


def test_values_are_replaced_in_a_column_by_its_own_name_only(
    on_both: OnBoth, spark: SparkSession, spark_of_java: SparkSession
) -> None:
    assert "replace in DAY: " in refusal(sales(spark).replace(1, 7, subset=["DAY"]))
    assert sales(spark).replace(1, 7, subset=["DAY"]).first() == (7, "x")
    assert sales(spark_of_java).replace(1, 7, subset=["DAY"]).first() == (1, "x")
    assert on_both(lambda spark: sales(spark).replace(1, 7, subset=["day"])) == [(7, "x"), (2, "y")]
    assert on_both(lambda spark: sales(spark).replace("x", "z")) == [(1, "z"), (2, "y")]


def test_a_column_that_a_union_adds_has_its_type(on_both: OnBoth) -> None:
    def made(spark: SparkSession) -> DataFrame:
        united = sales(spark).unionByName(prices(spark), allowMissingColumns=True)
        return united.select((F.col("v") + 1).alias("x")).where("x is not null").orderBy("x")

    assert on_both(made) == [(11,), (31,)]
