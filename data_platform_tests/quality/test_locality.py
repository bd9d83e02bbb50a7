"""What is proved of plans: functions whose rows stay apart by partition, and others."""

import datetime as dt
from collections.abc import Callable
from typing import Literal

import pandas as pd
import pytest
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql.utils import is_remote

from data_platform.engine.logical_plan import input_of, marked
from data_platform.engine.plan_reading import analyzed
from data_platform.engine.pyspark_internals import jobs_run
from data_platform.quality.locality import Dated, Input, Proof, proof

DAY = ("day",)
Function = Callable[..., DataFrame]


def _lower(text: str) -> str:
    return text.lower()


def _centred(values: pd.Series) -> pd.Series:
    return values - values.mean()


def _mean(values: pd.Series) -> float:
    return float(values.mean())


def _pandas(function: Callable, name: str) -> Column:
    return F.pandas_udf(function, "double")(name)  # type: ignore[call-overload]


def _over(*names: str) -> Callable[[DataFrame], DataFrame]:
    by = Window.partitionBy(*names).orderBy("v")
    return lambda sales: sales.withColumn("before", F.lag("v").over(by))


# Functions of `sales` (each partition its own) and `rates` (read alike by all), whose result's
# day is the partition's.
HOLDS_DAY: dict[str, Function] = {
    "filtered": lambda sales, rates: sales.where("v > 1").where(F.col("k").isNotNull()),
    "typed": lambda sales, rates: sales.withColumn("v", F.col("v").cast("double")),
    "selected": lambda sales, rates: sales.select("day", F.upper("k").alias("k")),
    "renamed": lambda sales, rates: sales.select(F.col("day").alias("d")).select(
        F.col("d").alias("day")
    ),
    "exploded": lambda sales, rates: sales.withColumn("n", F.explode(F.sequence(F.lit(1), "v"))),
    "sorted": lambda sales, rates: sales.orderBy("v").repartition(3, "k").hint("rebalance"),
    "summed by day": lambda sales, rates: sales.groupBy("day", "k").agg(F.sum("v")),
    "summed by day alone": lambda sales, rates: sales.groupBy("day").agg(F.collect_set("k")),
    "distinct": lambda sales, rates: sales.select("k", "day").distinct(),
    "without repeats": lambda sales, rates: sales.dropDuplicates(["day", "k"]),
    "lag in the day": lambda sales, rates: _over("day", "k")(sales),
    "joined to rates": lambda sales, rates: sales.join(rates, "k"),
    "joined to rates, left": lambda sales, rates: sales.join(rates, "k", "left"),
    "rates joined, right": lambda sales, rates: rates.join(sales, "k", "right"),
    "only with rates": lambda sales, rates: sales.join(rates, "k", "left_semi"),
    "only without rates": lambda sales, rates: sales.join(rates, "k", "left_anti"),
    "each with each rate": lambda sales, rates: sales.crossJoin(rates.select("rate")),
    "most used rate": lambda sales, rates: sales.join(
        rates.orderBy(F.desc("rate")).limit(1).select("k"), "k"
    ),
    "joined to itself": lambda sales, rates: sales.join(
        sales.groupBy("day").agg(F.sum("v").alias("all")), "day", "left"
    ),
    "full join with itself": lambda sales, rates: (
        sales.alias("a")
        .join(
            sales.alias("b"),
            (F.col("a.day") == F.col("b.day")) & (F.col("a.k") == F.col("b.k")),
            "left",
        )
        .select("a.day", "b.v")
    ),
    "united": lambda sales, rates: sales.where("v > 1").unionByName(
        sales.select("w", "v", "k", "day")
    ),
    "python": lambda sales, rates: sales.withColumn(
        "k", F.udf(_lower, "string", useArrow=False)("k")
    ),
    "pivot": lambda sales, rates: sales.groupBy("day").pivot("k", ["a", "b"]).sum("v"),
    "mean in pandas": lambda sales, rates: sales.groupBy("day", "k").agg(_pandas(_mean, "w")),
    "all columns": lambda sales, rates: sales.alias("a").select("a.*").select("*", F.lit(1)),
    "in other cases": lambda sales, rates: (
        sales.select("DAY", "K").groupBy("Day").count().select(F.col("DAY").alias("day"))
    ),
    "columns of a frame": lambda sales, rates: sales.join(
        rates.withColumnRenamed("k", "other"), sales["k"] == F.col("other")
    ).select(sales["day"], sales["k"]),
    "in SQL": lambda sales, rates: sales.selectExpr("day", "upper(k) AS k", "v + 1 AS v").where(
        "v > 1 AND k IN ('a', 'select')"
    ),
    "all in SQL": lambda sales, rates: (
        sales.selectExpr("*", "day AS d").drop("day").selectExpr("d AS day")
    ),
    "summed in SQL": lambda sales, rates: sales.groupBy("day").agg(F.expr("sum(v) AS v")),
    "part of the day": lambda sales, rates: sales.withColumn(
        "part", F.col("v") / F.sum("v").over(Window.partitionBy("day"))
    ),
    "parts of both": lambda sales, rates: sales.select(
        "day",
        F.sum("v").over(Window.partitionBy("day")),
        F.rank().over(Window.partitionBy("k", "day").orderBy("v")),
    ),
    "exploded unnamed": lambda sales, rates: sales.select(
        F.posexplode(F.sequence(F.lit(1), "v")), "day"
    ),
    "by position": lambda sales, rates: sales.select("k", "day").union(
        sales.select("w", "day").where("w > 1").withColumn("w", F.lit("a"))
    ),
    "without a column": lambda sales, rates: sales.withColumn("x", F.lit(1)).drop("x", "v", "none"),
    "filled": lambda sales, rates: sales.fillna("").fillna(0).replace("a", "b").dropna(),
    "to names": lambda sales, rates: sales.toDF("day", "b", "c", "d"),
    "with nested fields": lambda sales, rates: sales.withColumn("s", F.struct("k", "v")).select(
        "day", "s.k", F.col("s")["v"], "s.*"
    ),
    "joined in SQL": lambda sales, rates: (
        sales.alias("a").join(sales.alias("b"), F.expr("a.day = b.day AND a.k = b.k")).select("a.*")
    ),
    "best rate": lambda sales, rates: sales.crossJoin(rates.select(F.max("rate"))),
    "best rate in SQL": lambda sales, rates: sales.crossJoin(rates.selectExpr("max(rate)")),
    "rates rolled up": lambda sales, rates: sales.join(rates.rollup("k").count(), "k"),
}

APART: dict[str, Function] = {
    "by a struct with the day": lambda sales, rates: sales.groupBy(
        F.struct("k", "day").alias("s")
    ).agg(F.max("day").alias("day")),
    "without the day": lambda sales, rates: sales.select("k", "v"),
    "another day": lambda sales, rates: sales.withColumn("day", F.date_add("day", 1)),
    "a day of the row": lambda sales, rates: sales.withColumn("day", F.to_date("k")),
    "a constant day": lambda sales, rates: sales.withColumn("day", F.lit(dt.date(2011, 3, 1))),
    "first of its month": lambda sales, rates: sales.select(F.trunc("day", "month").alias("day")),
    "in pandas by day": lambda sales, rates: sales.groupBy("day").applyInPandas(
        lambda rows: rows[["day"]], "day date"
    ),
    "united with times": lambda sales, rates: sales.select("day").union(
        sales.select(F.col("day").cast("timestamp").alias("day"))
    ),
    "a day of the same name": lambda sales, rates: sales.withColumn(
        "day", F.max("day").over(Window.partitionBy("day"))
    ),
    "full join by day": lambda sales, rates: (
        sales.alias("a")
        .join(sales.alias("b"), F.col("a.day") == F.col("b.day"), "full")
        .select(F.coalesce("a.day", "b.day").alias("day"))
    ),
}

MIXED: dict[str, Function] = {
    "summed": lambda sales, rates: sales.groupBy("k").agg(F.sum("v"), F.max("day").alias("day")),
    "total": lambda sales, rates: sales.agg(F.sum("v"), F.max("day").alias("day")),
    "summed by month": lambda sales, rates: sales.groupBy(
        F.trunc("day", "month").alias("day")
    ).count(),
    "lag over days": lambda sales, rates: _over("k")(sales),
    "rolled up": lambda sales, rates: sales.rollup("day", "k").count(),
    "without repeats of k": lambda sales, rates: sales.dropDuplicates(["k"]),
    "distinct without day": lambda sales, rates: (
        sales.select("k").distinct().withColumn("day", F.current_date())
    ),
    "first three": lambda sales, rates: sales.limit(3),
    "sampled": lambda sales, rates: sales.sample(0.5, seed=1),
    "numbered": lambda sales, rates: sales.withColumn("n", F.monotonically_increasing_id()),
    "by chance": lambda sales, rates: sales.withColumn("n", F.rand(1)),
    "of which file": lambda sales, rates: sales.withColumn("n", F.input_file_name()),
    "joined by k": lambda sales, rates: sales.join(sales.select("k"), "k"),
    "joined by other days": lambda sales, rates: (
        sales.alias("a")
        .join(sales.alias("b"), F.col("a.day") == F.date_add("b.day", 1))
        .select("a.day")
    ),
    "joined by either": lambda sales, rates: (
        sales.alias("a")
        .join(sales.alias("b"), (F.col("a.day") == F.col("b.day")) | (F.col("a.k") == F.col("b.k")))
        .select("a.day")
    ),
    "all rates": lambda sales, rates: rates.join(sales, "k", "left"),
    "all of both": lambda sales, rates: sales.join(rates, "k", "full"),
    "rates that were used": lambda sales, rates: rates.join(sales, "k", "left_semi").withColumn(
        "day", F.current_date()
    ),
    "with rates below": lambda sales, rates: sales.unionByName(rates, allowMissingColumns=True),
    "above the mean": lambda sales, rates: sales.where(
        F.col("v") > sales.select(F.avg("v")).scalar()
    ),
    "where there is a sale": lambda sales, rates: rates.where(sales.exists()),
    "in pandas by batch": lambda sales, rates: sales.withColumn("w", _pandas(_centred, "w")),
    "map in pandas": lambda sales, rates: sales.mapInPandas(lambda b: b, sales.schema),
    "in pandas by k": lambda sales, rates: sales.groupBy("k").applyInPandas(
        lambda rows: rows, sales.schema
    ),
    "by way of a checkpoint": lambda sales, rates: (
        sales.groupBy("k").agg(F.sum("v"), F.max("day").alias("day")).localCheckpoint()
    ),
    "rates alone": lambda sales, rates: rates,
    "transposed": lambda sales, rates: sales.unpivot("day", ["v"], "name", "value"),
    "total in a selection": lambda sales, rates: sales.select(
        F.sum("v"), F.max("day").alias("day")
    ),
    "total in SQL": lambda sales, rates: sales.selectExpr("max(day) AS day", "sum(v)"),
    "part of all": lambda sales, rates: sales.withColumn(
        "part", F.col("v") / F.sum("v").over(Window.partitionBy("k"))
    ),
    "part of all in SQL": lambda sales, rates: sales.selectExpr(
        "day", "v / sum(v) OVER (PARTITION BY k) AS part"
    ),
    "one window of two": lambda sales, rates: sales.select(
        "day",
        F.sum("v").over(Window.partitionBy("day")),
        F.sum("v").over(Window.partitionBy("k")),
    ),
    "by chance among generated": lambda sales, rates: sales.select(
        F.explode(F.array("v", F.rand(1))), "day"
    ),
    "by chance in SQL": lambda sales, rates: sales.selectExpr("*", "rand() AS n"),
    "above the mean in SQL": lambda sales, rates: (
        sales.where("v > (SELECT avg(id) FROM range(3))").groupBy("k").count()
    ),
    "renamed to the day": lambda sales, rates: (
        sales.select(F.to_date("k").alias("day"), F.col("day").alias("d")).groupBy("day").count()
    ),
    "by position with other days": lambda sales, rates: (
        sales.withColumn("d", F.to_date("k"))
        .select("day", "d")
        .union(sales.withColumn("d", F.to_date("k")).select("d", "day"))
        .groupBy("day")
        .count()
    ),
    "in another": lambda sales, rates: sales.intersect(sales),
}
if is_remote():  # Sail checkpoints to an object store, if it has one
    del MIXED["by way of a checkpoint"]
# Of plans of Spark Connect less is proved: why.
WEAKER_ON_CONNECT = {
    "joined in SQL": "equal columns within a text are not looked for",
}


@pytest.fixture(scope="module")
def frames(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[str, DataFrame]:
    folder = tmp_path_factory.mktemp("frames")
    day = dt.date(2011, 3, 1)
    sales = spark.createDataFrame([(day, "a", 1, 1.0)], "day date, k string, v int, w double")
    rates = spark.createDataFrame([("a", 1.0)], "k string, rate double")
    times = spark.createDataFrame(
        [(dt.datetime(2011, 3, 1, 5), "a", 1)], "at timestamp, k string, v int"
    )
    found = {}
    for name, frame in {"sales": sales, "rates": rates, "times": times}.items():
        frame.write.parquet(f"{folder}/{name}")
        read = spark.read.schema(frame.schema).parquet(f"{folder}/{name}")
        found[name] = marked(read, name)
    return found


def _proof(
    function: Function, frames: dict[str, DataFrame], sales: Input = DAY, rates: Input = "alike"
) -> Proof:
    plan = analyzed(function(frames["sales"], frames["rates"]))
    assert plan
    return proof(plan, {"sales": sales, "rates": rates})


@pytest.mark.parametrize("name", HOLDS_DAY)
def test_one_call_is_as_good_as_one_for_each_where_rows_of_days_never_meet(
    frames: dict[str, DataFrame], name: str
) -> None:
    weaker = name in WEAKER_ON_CONNECT and is_remote()

    assert _proof(HOLDS_DAY[name], frames).holds("day") != weaker


@pytest.mark.parametrize("name", APART)
def test_rows_may_stay_apart_and_no_longer_say_of_which_day_they_are(
    frames: dict[str, DataFrame], name: str
) -> None:
    found = _proof(APART[name], frames)

    assert found.apart
    assert not found.holds("day")


@pytest.mark.parametrize("name", MIXED)
def test_nothing_is_proved_where_rows_of_days_meet_or_where_it_cannot_be_told(
    frames: dict[str, DataFrame], name: str
) -> None:
    assert not _proof(MIXED[name], frames).apart


def test_an_input_of_which_partitions_share_some_proves_nothing(
    frames: dict[str, DataFrame],
) -> None:
    assert not _proof(HOLDS_DAY["filtered"], frames, sales="mixed").apart
    assert not _proof(HOLDS_DAY["joined to rates"], frames, rates="mixed").apart


def test_two_inputs_of_the_partition_are_joined_by_it(frames: dict[str, DataFrame]) -> None:
    def joined(sales: DataFrame, rates: DataFrame) -> DataFrame:
        return sales.join(rates.withColumnRenamed("k", "other"), F.col("k") == F.col("other"))

    assert not _proof(joined, frames, rates=("k",)).apart  # a day is no k
    assert not _proof(joined, frames, rates=("rate",)).apart
    assert _proof(joined, frames, sales=("k",), rates=("k",)).holds("k")


def test_all_columns_of_a_partition_must_be_among_those_that_rows_are_grouped_by(
    frames: dict[str, DataFrame],
) -> None:
    both: Input = ("day", "k")

    assert _proof(HOLDS_DAY["summed by day"], frames, sales=both).holds("day", "k")
    assert not _proof(HOLDS_DAY["summed by day"], frames, sales=both).holds("k", "day")
    assert not _proof(HOLDS_DAY["summed by day alone"], frames, sales=both).apart


BY_TIME: dict[str, tuple[Function, Literal["day", "month"], bool]] = {
    "by the date": (lambda at: at.groupBy(F.to_date("at").alias("day")).count(), "day", True),
    "by the moment": (
        lambda at: at.groupBy("at", F.to_date("at").alias("day")).count(), "day", True,
    ),
    "lag of the date": (
        lambda at: _over("day", "k")(at.withColumn("day", F.to_date("at"))), "day", True,
    ),
    "lag of the moment": (
        lambda at: _over("at", "k")(at).withColumn("day", F.col("at").cast("date")), "day", True,
    ),
    "by the date in a month": (
        lambda at: at.groupBy(F.to_date("at").alias("d")).count().select(
            F.trunc("d", "MM").alias("day")
        ), "month", True,
    ),
    "by the month": (
        lambda at: at.groupBy(F.trunc("at", "month").alias("day")).count(), "month", True,
    ),
    "once each": (lambda at: at.select(F.to_date("at").alias("day"), "k").distinct(), "day", True),
    "to its date": (
        lambda at: at.withColumn("day", F.to_date("at")).join(
            at.groupBy(F.to_date("at").alias("day")).count(), "day"
        ), "day", True,
    ),
    "filtered": (lambda at: at.where("v > 1").withColumn("day", F.to_date("at")), "day", True),
    "by the month of days": (
        lambda at: at.groupBy(F.trunc("at", "month").alias("day")).count(), "day", False,
    ),
    "by k": (lambda at: at.groupBy("k").agg(F.max(F.to_date("at")).alias("day")), "day", False),
    "lag": (lambda at: _over("k")(at).withColumn("day", F.to_date("at")), "day", False),
    "by the day after": (
        lambda at: at.groupBy(F.date_add(F.to_date("at"), 1).alias("day")).count(), "day", False,
    ),
    "by the time of another zone": (
        lambda at: at.groupBy(
            F.to_date(F.from_utc_timestamp("at", "Asia/Tokyo")).alias("day")
        ).count(), "day", False,
    ),
    "by another time": (
        lambda at: at.groupBy(F.expr("make_date(2011, 3, v) AS day")).count(), "day", False,
    ),
    "with other dates": (
        lambda at: at.alias("a").join(
            at.alias("b"), F.to_date("a.at") == F.date_add(F.to_date("b.at"), 1)
        ).select(F.to_date("a.at").alias("day")), "day", False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_TIME)
def test_rows_of_different_times_stay_apart_where_they_meet_by_that_time_or_its_date(
    frames: dict[str, DataFrame], name: str
) -> None:
    function, unit, proved = BY_TIME[name]

    plan = analyzed(function(frames["times"]))

    assert plan
    assert proof(plan, {"times": Dated("at", unit, dated=False)}).holds("day") == proved


def test_of_rows_by_the_days_in_a_date_the_date_itself_is_the_day(
    frames: dict[str, DataFrame],
) -> None:
    by_day = Dated("day", "day", dated=True)

    for name in ("summed by day", "lag in the day", "joined to itself", "without repeats"):
        assert _proof(HOLDS_DAY[name], frames, sales=by_day).holds("day")
    by_month = Dated("day", "month", dated=True)
    assert not _proof(HOLDS_DAY["filtered"], frames, sales=by_month).holds("day")
    for name in sorted({*MIXED} - {"rates alone"}):
        assert not _proof(MIXED[name], frames, sales=by_day).apart, name


def test_a_row_as_received_holds_its_partition_whatever_becomes_of_the_column(
    frames: dict[str, DataFrame],
) -> None:
    def retyped(sales: DataFrame, rates: DataFrame) -> DataFrame:
        received = sales.withColumn("_received", F.struct(*sales.columns))
        return received.withColumn("day", F.to_date("k"))

    found = _proof(retyped, frames)

    assert found.holds("_received") and not found.holds("day")


def test_spark_says_what_a_plan_is_made_of_as_it_did(
    spark: SparkSession, frames: dict[str, DataFrame]
) -> None:
    """What is relied on of Spark's internals: fails where an upgrade moves it."""
    sales = frames["sales"]
    plan = analyzed(sales.where("v > 1").groupBy("day").agg(F.sum("v").alias("v")))

    assert plan and [node.kind for node in plan.walk()] == [
        "Aggregate",
        "Filter",
        "SubqueryAlias",
        "LogicalRelation",
    ]
    relation, mark = list(plan.walk())[3], list(plan.walk())[2]
    [by] = plan.expressions("groupingExpressions")
    day, total = plan.expressions("aggregateExpressions")
    assert input_of(mark) == "sales" and input_of(relation) is None
    assert [e.fields["name"] for e in relation.expressions("output")] == ["day", "k", "v", "w"]
    assert by.id == day.id == relation.expressions("output")[0].id
    assert (total.kind, total.fields["name"]) == ("Alias", "v")
    kinds = [e.kind for e in total.walk()][1:]  # a client does not know the aggregate's class
    assert [kind for kind in kinds if kind != "Sum"] == [
        "AggregateExpression",
        "AttributeReference",
    ]


def test_a_job_of_a_function_is_seen(spark: SparkSession, frames: dict[str, DataFrame]) -> None:
    before = jobs_run(spark)
    frames["sales"].groupBy("k").count()
    assert before is not None and jobs_run(spark) == before

    frames["sales"].groupBy("k").count().collect()
    after = jobs_run(spark)
    assert after is not None and after > before


def test_of_a_session_without_a_jvm_nothing_is_known() -> None:
    assert analyzed(object()) is None  # type: ignore[arg-type]
    assert jobs_run(object()) is None  # type: ignore[arg-type]


def test_an_unknown_operator_over_what_all_read_alike_is_read_alike(
    frames: dict[str, DataFrame],
) -> None:
    def function(sales: DataFrame, rates: DataFrame) -> DataFrame:
        return sales.join(rates.unpivot("k", ["rate"], "name", "value"), "k")

    assert _proof(function, frames).holds("day")
