"""What the catalogue in docs/reference/engines.md says of both engines, by name."""

import datetime as dt
import math
from collections.abc import Callable
from decimal import Decimal

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.engine.sail.agreement import agreed
from data_platform_tests.support.both_engines import Made, OnBoth, refusal

pytestmark = pytest.mark.connect_only

ODD = [math.nan, -math.nan, math.inf, -math.inf]
TIES = [1.005, 0.285, 2.675, -1.005, 4.35, 0.125, 2.5, -0.0, 1e-7, 123456789.125, None]


def doubles(values: list[float | None], type_: str = "double") -> Made:
    return lambda spark: spark.createDataFrame([(value,) for value in values], f"d {type_}")


# --- numbers ------------------------------------------------------------------------------


@pytest.mark.parametrize("type_", ["double", "float"])
@pytest.mark.parametrize("to", ["decimal(12,2)", "decimal(38,10)", T.DecimalType(20, 0)])
def test_a_double_becomes_the_decimal_that_it_is_written_as(
    on_both: OnBoth, spark: SparkSession, type_: str, to
) -> None:
    made = doubles([*ODD, *TIES], type_)

    cast = on_both(lambda spark: made(spark).select(F.col("d").cast(to).alias("x")))

    assert cast[:4] == [(None,)] * 4
    assert on_both(lambda spark: made(spark).select(F.col("d").try_cast(to).alias("x"))) == cast
    with pytest.raises(PySparkException):
        made(spark).select(F.col("d").cast(to)).collect()  # Sail fails at NaN
    large = doubles([1e38], type_)(spark).select(F.col("d").cast(to))
    with pytest.raises(PySparkException):
        agreed(large).collect()


def test_a_tie_is_one_of_the_digits_that_are_written(on_both: OnBoth, spark: SparkSession) -> None:
    made = doubles([1.005, -1.005])
    decimal = F.col("d").cast("decimal(12,2)")

    assert on_both(lambda spark: made(spark).select(decimal.alias("x"))) == [
        (Decimal("1.01"),),
        (Decimal("-1.01"),),
    ]
    assert on_both(lambda spark: made(spark).select(F.round("d", 2).alias("x"))) == [
        (1.01,),
        (-1.01,),
    ]
    alone = made(spark).select(decimal, F.round("d", 2))
    assert tuple(alone.collect()[0]) == (Decimal("1.00"), 1.0)


@pytest.mark.parametrize("type_", ["double", "float"])
@pytest.mark.parametrize("places", [-2, 0, 1, 2, 6])
def test_doubles_are_rounded_alike(on_both: OnBoth, type_: str, places: int) -> None:
    made = doubles([*TIES, math.inf, 1e20, 12345678901.657524], type_)

    assert on_both(lambda spark: made(spark).select(F.round("d", places).alias("x")))


@pytest.mark.parametrize("to", ["tinyint", "smallint", "int", "bigint"])
def test_nan_and_infinity_are_no_integers(
    on_both: OnBoth, spark: SparkSession, spark_of_java: SparkSession, to: str
) -> None:
    for value in ODD:
        made = doubles([value])
        cast = F.col("d").try_cast(to).alias("x")
        assert on_both(lambda spark, made=made, cast=cast: made(spark).select(cast)) == [(None,)]
        for frame in (agreed(made(spark)), made(spark_of_java)):
            with pytest.raises(PySparkException):
                frame.select(F.col("d").cast(to)).collect()


def test_div_in_sql_text_is_refused_and_the_function_is_not(
    on_both: OnBoth, spark: SparkSession
) -> None:
    def made(spark: SparkSession) -> DataFrame:
        rows = [(7, 2, Decimal("7.5")), (-7, 2, Decimal("-7.5")), (None, 2, None), (7, -2, None)]
        return spark.createDataFrame(rows, "i int, j int, m decimal(5,2)")

    def div(of: str) -> Column:
        return F.call_function("div", F.col(of), F.col("j")).alias("x")

    why = refusal(made(spark).select(F.expr("i div j")))
    assert "'div'" in why and "F.call_function('div', a, b)" in why
    for of in ("i", "m"):
        assert on_both(lambda spark, of=of: made(spark).select(div(of))) == [
            *((3,), (-3,), (None,)),
            (-3,) if of == "i" else (None,),
        ]
    assert "div of what" in refusal(doubles([1.5])(spark).select(F.call_function("div", "d", "d")))


# --- days ---------------------------------------------------------------------------------

DAYS = [
    *("0001-01-01", "1500-02-28", "1582-10-04", "1582-10-05", "1582-10-14", "1582-10-15"),
    "1900-02-28",
]
OF_DAYS: dict[str, Callable[[], Column]] = {
    "from text": lambda: F.col("s").cast("date"),
    "to text": lambda: F.col("day").cast("string"),
    "by a pattern": lambda: F.to_date("s", "yyyy-MM-dd"),
    "as a pattern": lambda: F.date_format("day", "dd.MM.yyyy"),
    "next": lambda: F.date_add("day", 1),
    "next month": lambda: F.add_months("day", 1),
    "days": lambda: F.datediff("day", F.lit(dt.date(2000, 1, 1))),
    "day of week": lambda: F.dayofweek("day"),
    "week": lambda: F.weekofyear("day"),
    "year": lambda: F.year("day"),
    "end": lambda: F.last_day("day"),
    "moment": lambda: F.col("day").cast("timestamp").cast("string"),
    "seconds": lambda: F.unix_timestamp("day"),
    "before": lambda: F.col("day") < F.lit(dt.date(1582, 10, 15)),
    "in another zone": lambda: F.from_utc_timestamp("day", "America/New_York").cast("string"),
}


def days(spark: SparkSession) -> DataFrame:
    rows = [(text, dt.date.fromisoformat(text)) for text in DAYS]
    return spark.createDataFrame(rows, "s string, day date")


@pytest.mark.parametrize("name", OF_DAYS)
def test_days_before_the_gregorian_calendar_are_the_same(on_both: OnBoth, name: str) -> None:
    rows = on_both(lambda spark: days(spark).select(OF_DAYS[name]().alias("x")))

    assert len(rows) == len(DAYS) and None not in {row[0] for row in rows}


@pytest.mark.parametrize(
    "literal", [dt.date(1582, 10, 5), dt.date(1582, 10, 14), dt.datetime(1582, 10, 10, 23)]
)
def test_a_literal_of_a_day_that_was_left_out_is_refused(
    spark: SparkSession, spark_of_java: SparkSession, literal: dt.date
) -> None:
    assert "cast the text '1582-10-" in refusal(spark.range(1).select(F.lit(literal)))
    [(taken,)] = spark_of_java.range(1).select(F.lit(literal).cast("string")).collect()
    assert taken.startswith("1582-10-15")
    for other in (dt.date(1582, 10, 4), dt.date(1582, 10, 15)):
        assert agreed(spark.range(1).select(F.lit(other))).collect() == [(other,)]


@pytest.mark.parametrize("of", [lambda: F.trunc("day", "month"), lambda: F.date_trunc("day", "s")])
def test_trunc_of_a_day_before_1677_or_after_2262_fails(spark: SparkSession, of) -> None:
    for day in (dt.date(1600, 1, 1), dt.date(9999, 12, 31)):
        frame = spark.createDataFrame(
            [(day, dt.datetime.combine(day, dt.time()))], "day date, s timestamp"
        )
        with pytest.raises(PySparkException, match=r"out of range|exceeds"):
            agreed(frame.select(of())).collect()


# --- JSON -----------------------------------------------------------------------------------

JSON = {
    "a number that is too large": ('{"a": 99999999999}', 1215752191, None),
    "single quotes": ("{'a': 1}", None, 1),
    "more after the end": ('{"a": 1} and', None, 1),
}


@pytest.mark.parametrize("name", JSON)
def test_json_is_not_read_alike(
    spark: SparkSession, spark_of_java: SparkSession, name: str
) -> None:
    text, on_sail, on_spark = JSON[name]

    def read(session: SparkSession) -> DataFrame:
        frame = session.createDataFrame([(text,)], "s string")
        return frame.select(F.from_json("s", "a int")["a"])

    assert read(spark).collect() == [(on_sail,)]
    assert read(spark_of_java).collect() == [(on_spark,)]


@pytest.mark.parametrize(
    "of",
    [
        lambda: F.from_json("s", "a int"),
        lambda: F.get_json_object("s", "$.a"),
        lambda: F.json_tuple("s", "a"),
        lambda: F.from_csv("s", "a int"),
        lambda: F.variant_get(F.parse_json("s"), "$.a", "int"),
        lambda: F.try_variant_get(F.try_parse_json("s"), "$.a", "string"),
        lambda: F.expr("from_json(s, 'a int')"),
    ],
)
def test_what_reads_json_is_refused(spark: SparkSession, of: Callable[[], Column]) -> None:
    frame = spark.createDataFrame([('{"a": 1}',)], "s string")

    assert "F.udf" in (why := refusal(frame.select(of()))) or "'from_json'" in why


def test_json_that_is_read_in_python_is_the_same(on_both: OnBoth) -> None:
    def of_a(text: str) -> int:
        import json

        return json.loads(text)["a"]

    assert on_both(
        lambda spark: spark.createDataFrame([('{"a": 1}',)], "s string").select(
            F.udf(of_a, "bigint")("s").alias("x")
        )
    ) == [(1,)]


def test_json_is_written_alike_or_refused(on_both: OnBoth, spark: SparkSession) -> None:
    def made(spark: SparkSession) -> DataFrame:
        row = (1, 'é"\n\\/\t', None, True, dt.date(2026, 1, 5), [1, None], {"k": 2})
        schema = "i int, s string, n int, b boolean, day date, l array<int>, m map<string, int>"
        return spark.createDataFrame([row], schema)

    def written(*of: Column | str, **options: str) -> Column:
        return F.to_json(F.struct(*of), options or None).alias("x")

    [(text,)] = on_both(lambda spark: made(spark).select(written("*")))
    assert str(text).startswith('{"i":1,')
    frame = made(spark)
    moment = F.lit("2026-01-05 01:02:03").cast("timestamp")
    for of, why in (
        (written(moment.alias("t")), "to_json of a timestamp"),
        (written(F.lit(Decimal("1.50")).alias("t")), "cast it to a string"),
        (written(F.lit(1.5).alias("t")), "to_json of a double"),
        (written("i", pretty="true"), "to_json with options"),
        (F.expr("to_json(struct(i))"), "'to_json'"),
    ):
        assert why in refusal(frame.select(of))


# --- collations -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of", "why"),
    [
        (lambda frame: frame.select(F.collate("s", "UTF8_LCASE")), "collate"),
        (lambda frame: frame.select(F.collation("s")), "collation"),
        (lambda frame: frame.where("s COLLATE UTF8_LCASE = 'a'"), "'collate'"),
        (lambda frame: frame.where("s = collate('a', 'UTF8_LCASE')"), "'collate'"),
        (lambda frame: frame.select(F.col("s").cast(T.StringType("UTF8_LCASE"))), "UTF8_LCASE"),
        (
            lambda frame: frame.to(T.StructType([T.StructField("s", T.StringType("UNICODE_CI"))])),
            "UNICODE_CI",
        ),
    ],
)
def test_collations_are_refused(spark: SparkSession, of, why: str) -> None:
    frame = spark.createDataFrame([("a",), ("A",)], "s string")

    assert why in refusal(of(frame))
    assert agreed(frame.select(F.col("s").cast(T.StringType()))).count() == 2


def test_sail_ignores_the_collation_of_a_type(
    spark: SparkSession, spark_of_java: SparkSession
) -> None:
    counts = []
    for session in (spark, spark_of_java):
        frame = session.createDataFrame([("a",), ("A",)], "s string")
        counts.append(frame.where(F.col("s").cast(T.StringType("UTF8_LCASE")) == "a").count())

    assert counts == [1, 2]
