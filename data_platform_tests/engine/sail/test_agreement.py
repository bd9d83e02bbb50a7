"""What Sail would compute differently from Spark is written so that it does not, or refused."""

import datetime as dt
from decimal import Decimal

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql.connect.column import Column as ConnectColumn

from data_platform.engine.pyspark_internals import connect_relation
from data_platform.engine.sail.agreement import agreed
from data_platform.engine.sail.difference import EngineDifference

pytestmark = pytest.mark.connect_only


def _text(value: Column) -> Column:
    return value.cast("string")


_SCHEMA = "y tinyint, h smallint, i int, l bigint, m decimal(12,3), w decimal(38,10), s string"
_ROW = (1, 2, 2**31 - 1, 2**63 - 1, Decimal("2.345"), Decimal("1.1"), "a\n")


@pytest.fixture
def frame(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame([_ROW, (None,) * 7], _SCHEMA)


def values(frame: DataFrame) -> list[object]:
    return [row[0] for row in agreed(frame).collect()]


@pytest.mark.parametrize(
    "overflowing",
    [
        lambda: F.col("i") + 1,
        lambda: F.col("l") * 2,
        lambda: -F.col("i") - 2,
        lambda: F.col("h") * F.lit(30000).cast("smallint"),
        lambda: F.col("y") + F.lit(127).cast("tinyint"),
        lambda: F.when(F.col("i") > 0, F.col("i") + 1),
        lambda: F.array(F.col("l") + 1),
    ],
)
def test_an_integer_that_overflows_is_an_error(frame: DataFrame, overflowing) -> None:
    assert frame.select(overflowing()).collect()  # Sail would wrap around

    with pytest.raises(PySparkException, match=r"OVERFLOW|Can't cast value"):
        agreed(frame.select(overflowing())).collect()


def test_integers_that_do_not_overflow_keep_their_types_and_nulls(frame: DataFrame) -> None:
    small = frame.select(
        F.col("i") - 1, F.col("l") - F.col("i"), F.col("h") + F.col("y"), -F.col("h")
    )

    made = agreed(small)

    assert [f.dataType.simpleString() for f in made.schema] == [
        *("int", "bigint", "smallint", "smallint")
    ]
    assert made.columns == small.columns
    assert made.collect() == [(2**31 - 2, 2**63 - 2**31, 3, -2), (None,) * 4]


def test_a_sum_of_bigints_that_overflows_is_an_error(spark: SparkSession) -> None:
    of_two = spark.createDataFrame([(2**63 - 1,), (1,)], "l bigint")
    window = Window.orderBy("l").rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)

    for summed in (of_two.agg(F.sum("l")), of_two.select(F.sum("l").over(window))):
        assert summed.collect()[0][0] < 0
        with pytest.raises(PySparkException):
            agreed(summed).collect()
    assert values(of_two.agg(F.sum(F.col("l") - 2**62))) == [2**63 - 2**62 - 1 + 1 - 2**62]
    assert agreed(of_two.agg(F.sum("l"))).schema[0].dataType.simpleString() == "bigint"


def test_a_decimal_of_more_than_38_digits_is_an_error(spark: SparkSession) -> None:
    nines = Decimal("6" + "0" * 35 + ".00")
    frame = spark.createDataFrame([(nines, 0), (nines, 0)], "w decimal(38,2), i int")
    w, window = F.col("w"), Window.partitionBy("i")

    for large in (w + w, w * 2, F.sum(w), F.sum(w).over(window)):
        with pytest.raises(PySparkException, match=r"more than 38 digits|too large|verflow"):
            agreed(frame.select(large)).collect()
    small = frame.select(w - nines + 1)
    for sound in (
        small.select(F.sum(small[0])),
        small.select(F.sum(small[0]).over(Window.partitionBy())),
    ):
        assert set(values(sound)) == {2}
        assert agreed(sound).schema[0].dataType.simpleString() == "decimal(38,2)"


@pytest.mark.parametrize(
    ("expression", "type_"),
    [
        (lambda: F.col("m") * 3, "decimal(14,3)"),
        (lambda: F.col("m") + F.col("i"), "decimal(14,3)"),
        (lambda: F.col("m") % F.col("h"), "decimal(8,3)"),
        (lambda: F.round("m", 1), "decimal(11,1)"),
        (lambda: F.round("m", -2), "decimal(10,0)"),
        (lambda: F.floor(F.floor("m")), "decimal(10,0)"),
        (lambda: F.datediff(F.current_date(), F.current_date()), "int"),
        (lambda: F.nullif("h", "i"), "smallint"),
        (lambda: F.when(F.col("i") > 0, F.col("m")).otherwise(0), "decimal(13,3)"),
        (lambda: F.least(F.col("m"), F.lit(1.5)), "double"),
        (lambda: F.when(F.col("i") > 0, F.col("i")).otherwise(F.col("l")), "bigint"),
        (lambda: F.when(F.col("i") > 0, F.col("i")).otherwise(F.lit(1.5)), "double"),
        (lambda: F.coalesce("i", F.lit(1).cast("float")), "double"),
        (lambda: F.call_function("round", F.col("m"), F.lit(1)), "decimal(11,1)"),
        (lambda: F.transform(F.array("m"), lambda of: of * 3), "array<decimal(14,3)>"),
    ],
)
def test_results_have_the_types_of_spark(frame: DataFrame, expression, type_: str) -> None:
    assert agreed(frame.select(expression())).schema[0].dataType.simpleString() == type_


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        (lambda: F.col("w") * F.col("w"), "more than 38 digits"),
        (lambda: F.col("m") / 3, "cast one side to a double"),
        (lambda: F.initcap("s"), "initcap"),
        (lambda: F.rlike("s", F.col("s")), "a pattern that is a column"),
        (lambda: F.regexp_replace("s", "a$", ""), r"write \z"),
        (lambda: F.regexp_replace("s", "(a)", "$2"), "groups"),
        (lambda: F.split("s", ""), "the empty text"),
        (lambda: F.col("m").cast("double").cast("string"), "as text"),
        (lambda: F.concat("s", F.col("m").cast("double")), "as text"),
        (lambda: F.coalesce("s", "i"), "text and numbers"),
        (lambda: F.col("s") + 1, "cast the text to a number"),
        (lambda: F.transform(F.map_keys(F.create_map("s", "i")), F.initcap), "initcap"),
        (lambda: F.zip_with(F.array("i"), F.array("i"), lambda a, b: a + b), "not known"),
        (lambda: F.transform(F.array(F.col("m").cast("double")), _text), "as text"),
        (lambda: F.array(F.col("m").cast("double")).cast("array<string>"), "as text"),
        (lambda: F.array("i").cast("string"), "F.to_json"),
        (lambda: F.to_json(F.struct(F.col("m").cast("float"))), "as text"),
        (lambda: F.expr("coalesce(s, i)"), "'coalesce'"),
        (lambda: F.call_function("rlike", F.col("s"), F.col("s")), "rlike by a pattern"),
        (lambda: F.pmod("m", F.lit(2)), "pmod of a decimal"),
        (lambda: F.when(F.col("i") > 0, 1).otherwise("x"), "text and numbers"),
        (lambda: F.split("s", r"\b"), "a word boundary"),
        (lambda: F.expr("i + 1"), "'+'"),
        (lambda: F.expr("sum(l)"), "'sum'"),
        (lambda: F.lit(dt.date(2026, 1, 1)) - F.lit(dt.date(2026, 1, 2)), "datediff"),
        (lambda: F.when(F.col("i") > 0, F.array("i")).otherwise(F.array("l")), "to one type"),
        (lambda: F.bround("m", 1), "use round"),
        (lambda: F.bround(F.col("m").cast("double"), 1), "use round"),
        (lambda: F.round(F.col("m").cast("double"), F.col("i")), "give a number"),
        (lambda: F.array(F.lit(1.5)).cast("array<decimal(9,2)>"), "cast its parts"),
    ],
)
def test_what_cannot_be_written_is_refused_with_a_way_out(
    frame: DataFrame, expression, why
) -> None:
    with pytest.raises(EngineDifference) as refused:
        agreed(frame.select(expression()))

    assert why in str(refused.value) and "DATA_PLATFORM_SPARK to local[*]" in str(refused.value)


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        *(("cast(d as string)", "'string'"), ("s || d", "'|'"), ("upper(d)", "'upper'")),
        ("cast(d as decimal(18,2))", "'decimal'"),
    ],
)
def test_sql_of_doubles_as_text_or_decimals_is_refused(
    frame: DataFrame, sql: str, what: str
) -> None:
    of_doubles = frame.withColumn("d", F.lit(1e7))

    with pytest.raises(EngineDifference, match=what):
        agreed(of_doubles.select(F.expr(sql)))
    assert len(values(frame.select(F.expr(sql.replace("(d", "(i").replace("|| d", "|| s"))))) == 2


def test_every_operation_of_a_plan_is_written(frame: DataFrame, spark: SparkSession) -> None:
    over = F.col("i") + 1 > 0
    plans: list[DataFrame] = [
        frame.where(over),
        frame.withColumn("x", F.col("i") + 1),
        frame.groupBy("s").agg(F.max(F.col("i") + 1)),
        frame.groupBy(F.col("i") + 1).count(),
        frame.join(frame.select("h"), F.col("i") + 1 > 0),
        frame.orderBy(F.col("i") + 1),
        frame.select(F.row_number().over(Window.partitionBy("s").orderBy(F.col("i") + 1))),
        frame.where(over).union(frame).select("s"),
        frame.where(over).alias("a").dropDuplicates(["s"]).limit(1).drop("m"),
    ]
    for plan in plans:
        plan.collect()  # Sail would wrap around
        with pytest.raises(PySparkException, match="OVERFLOW"):
            agreed(plan).collect()


def test_columns_of_one_of_two_joined_frames_are_typed(
    frame: DataFrame, spark: SparkSession
) -> None:
    other = spark.createDataFrame([(2, 5)], "h smallint, i int")
    joined = frame.join(other, frame["h"] == other["h"]).select(frame["i"] - other["i"])

    assert values(joined) == [2**31 - 6]


def test_a_pattern_matches_what_it_matches_on_spark(spark: SparkSession) -> None:
    of = spark.createDataFrame([("\u0661",), ("1",), ("\u00a0",), ("é",), ("1\n",)], "s string")

    def found(column: Column) -> list[object]:
        return values(of.select(column))

    assert found(F.col("s").rlike(r"^\d")) == [False, True, False, False, True]
    assert found(F.col("s").rlike(r"^1$")) == [False, True, False, False, True]
    assert found(F.regexp_replace("s", r"\s|\w", "-")) == ["\u0661", "-", "\u00a0", "é", "--"]
    assert found(F.regexp_extract("s", ".", 0)) == ["\u0661", "1", "\u00a0", "é", "1"]
    assert found(F.array_contains(F.array("s", F.lit(None)), "1")) == [None, True] + [None] * 3


def test_a_pattern_of_the_whole_text_extracts_all_of_it_or_nothing(spark: SparkSession) -> None:
    texts = [("12",), ("1",), ("12\n",), ("",), (None,), ("x12",), ("y",)]
    of = spark.createDataFrame(texts, "s string")
    whole, either = r"^(?:[0-9]{2}|y)\z", r"^(?:1)|(?:y)\z"
    given = F.when(F.col("s").rlike("1"), F.col("s"))

    assert values(of.select(F.regexp_extract("s", whole, 0))) == ["12", *[""] * 3, None, "", "y"]
    assert values(of.select(F.regexp_extract(given, whole, 0))) == [
        "12",
        "",
        "",
        *[None] * 2,
        "",
        None,
    ]
    assert values(of.select(F.regexp_extract("s", r"^(?:[^\D]+)\z", 0)))[0] == "12"
    assert values(of.select(F.regexp_extract("s", either, 0))) == ["1"] * 3 + ["", None, "", "y"]
    assert values(of.select(F.length(F.regexp_extract(F.upper("s"), whole, 0))))[:2] == [2, 0]


def test_null_is_not_nan(spark: SparkSession) -> None:
    of = spark.createDataFrame([(None,), (1.0,), (float("nan"),)], "d double")

    assert values(of.select(F.isnan("d"))) == [False, False, True]


def test_a_plan_without_differences_is_left_as_it_is(frame: DataFrame) -> None:
    plain = frame.where(F.col("i") > 0).select(F.upper("s"), F.col("m") > 1)

    assert agreed(plain) is plain
    assert isinstance(plain["upper(s)"], ConnectColumn)


def test_a_long_sum_is_written_once(spark: SparkSession) -> None:
    names = [f"c{number}" for number in range(30)]
    for type_, value in (("int", 1), ("decimal(12,2)", Decimal(1)), ("double", 1.0)):
        frame = spark.createDataFrame([(value,) * 30], ", ".join(f"{n} {type_}" for n in names))
        total = sum((F.col(name) for name in names[1:]), F.col(names[0]))

        written = agreed(frame.select(total))

        assert written.collect()[0][0] == 30
        relations = (connect_relation(of) for of in (frame.select(total), written))
        before, after = (of.ByteSize() for of in relations)  # type: ignore[union-attr]
        assert after < 4 * before


def test_what_is_nested_too_much_is_refused(frame: DataFrame) -> None:
    nested = F.col("i")
    for _ in range(12):
        nested = F.abs(nested + 1) + F.coalesce(nested, F.lit(0))

    with pytest.raises(EngineDifference, match="withColumn"):
        agreed(frame.select(nested))


def test_plans_that_sail_executes_are_executed_as_before(
    frame: DataFrame, spark: SparkSession
) -> None:
    y, s = F.col("y"), F.col("s")
    plans: list[DataFrame] = [
        frame.select("s").where(y - 1 >= 0),
        frame.select("s").orderBy(y - 1),
        frame.select(F.posexplode(F.split("s", "a"))),
        frame.select(F.inline(F.array(F.struct((y - 1).alias("a"), s)))),
        frame.select(F.explode(F.create_map(F.lit("k"), y - 1))),
        frame.groupBy(y - 1).agg((y - 1).alias("again"), F.sum("l")),
        frame.groupBy("s").pivot("y", [1, 2]).agg(F.sum("l")),
        frame.select(y - frame.select(F.max("y")).scalar()),
        frame.select(F.aggregate(F.array("i"), F.lit(0), lambda sum_, of: sum_ - of)),
        frame.select(F.exists(F.array("s"), lambda of: F.upper(of) == "A")),
    ]
    for plan in plans:
        assert agreed(plan).columns == plan.columns
        assert sorted(map(str, agreed(plan).collect())) == sorted(map(str, plan.collect()))


def test_nan_is_the_greatest_number(spark: SparkSession) -> None:
    frame = spark.createDataFrame([(float("inf"), float("nan"))], "d double, n double")
    d, n, f = F.col("d"), F.col("n"), F.col("d").cast("float")

    for nan in (d - d, d * 0, -n, f - f, F.sqrt(-d), F.sin(d)):
        assert values(frame.select(nan > 0)) == [True]


def test_a_union_of_different_types_is_refused(frame: DataFrame) -> None:
    for name, by_name in (("union", False), ("unionByName", True)):
        other = frame.withColumn("m", F.col("i"))
        with pytest.raises(EngineDifference, match="a union of m as decimal"):
            agreed(getattr(frame, name)(other))
        assert agreed(getattr(frame, name)(frame)).count() == 4, by_name


def test_rows_of_a_checkpoint_are_refused(frame: DataFrame) -> None:
    with pytest.raises(EngineDifference, match="a checkpoint"):
        agreed(frame.localCheckpoint())
