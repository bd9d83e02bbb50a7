"""Types are asked with as little of a plan as will do, and are those of the whole plan."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, event, given
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from data_platform.engine.pyspark_internals import connect_relation, connect_schema
from data_platform.engine.sail import columns
from data_platform.engine.sail.agreement import agreed
from data_platform.engine.sail.difference import EngineDifference
from data_platform.engine.sail.plan import written_for_sail
from data_platform_tests.support.random_plans import Program, inputs, programs

pytestmark = pytest.mark.connect_only


@pytest.fixture
def read(spark: SparkSession, tmp_path: Path) -> DataFrame:
    """Columns i, j and s of a file."""
    table = pa.table({"i": pa.array([3], pa.int32()), "j": pa.array([2], pa.int64()), "s": ["a"]})
    pq.write_table(table, tmp_path / "rows.parquet")
    return spark.read.schema("i int, j bigint, s string").parquet(str(tmp_path))


def asked(frame: DataFrame) -> list[bytes]:
    """The relations whose columns are asked when a frame is written for Sail; none is refused."""
    found: list[bytes] = []

    def schema(relation: Any) -> Any:
        found.append(relation.SerializeToString())
        try:
            return connect_schema(frame, relation)
        except PySparkException as error:
            raise AssertionError(relation) from error

    written_for_sail(connect_relation(frame), schema)
    return found


def test_files_are_named_once_however_long_the_plan(read: DataFrame, tmp_path: Path) -> None:
    frame = read
    for at in range(5):
        frame = frame.filter(F.col("i") > at).withColumn("j", F.abs(F.col("j")) + F.col("i"))

    questions = asked(frame)

    assert len(questions) > 5  # what `abs` gives is not known here
    assert [str(tmp_path).encode() in question for question in questions].count(True) == 1


def test_columns_of_an_aggregation_that_is_renamed_are_its_own(read: DataFrame) -> None:
    sums = read.groupBy("s").agg(F.sum("j"), F.sum("i"), F.count("*"))

    questions = asked(sums.toDF("s", "j", "i", "n").withColumn("j", F.abs("j") + F.col("i")))

    assert questions


def test_columns_that_depend_on_rows_are_asked_of_the_rows(read: DataFrame) -> None:
    pivoted = read.groupBy("i").pivot("s").agg(F.sum("j"))

    made = agreed(pivoted.withColumn("twice", F.col("a") * 2))

    assert made.columns == ["i", "a", "twice"]
    assert [tuple(row) for row in made.collect()] == [(3, 2, 4)]


def test_what_is_known_here_is_not_asked(read: DataFrame) -> None:
    value = F.when(F.col("s").isNull(), F.lit(0)).otherwise(F.col("i").cast("int"))

    questions = asked(read.select((F.col("j") * value).alias("n"), (F.col("i") > 1) & F.lit(True)))

    assert len(questions) == 1  # the columns of the file


def test_columns_are_those_of_the_frame_that_names_them(read: DataFrame) -> None:
    left = read.filter("i > 0").alias("left")
    right = read.select(F.col("i").cast("bigint").alias("i"), "s").sort("i")
    joined = left.join(right, left["s"] == right["s"])

    made = agreed(joined.select((left["i"] + 1).alias("a"), (right["i"] + 1).alias("b")))

    assert [field.dataType.simpleString() for field in made.schema] == ["int", "bigint"]
    assert [tuple(row) for row in made.collect()] == [(4, 4)]


def test_a_frame_of_before_names_columns_as_they_were(read: DataFrame) -> None:
    wider = read.select(F.col("i").cast("bigint").alias("n"), "i")

    made = agreed(wider.sort("n").filter(read["i"] + 1 > 3).select(wider["n"] * 2))

    assert [tuple(row) for row in made.collect()] == [(6,)]


def test_columns_are_named_by_an_alias_over_empty_inputs_too(
    spark: SparkSession, read: DataFrame
) -> None:
    of_text = read.withColumn("a", F.struct(F.lit("text").alias("j"))).alias("a").filter("i > 0")

    made = agreed(of_text.withColumn("twice", F.col("a.j") * 2))

    assert [row["twice"] for row in made.collect()] == [4]


@given(program=programs())
def test_columns_over_empty_inputs_are_those_of_the_whole_plan(
    program: Program, spark: SparkSession
) -> None:
    try:
        frame = program.make(inputs(spark))
    except PySparkException:  # the engine refuses the function
        assume(False)
    compared = 0
    over_empty = columns.over_empty

    def schema(relation: Any) -> Any:
        return connect_schema(frame, relation)

    def both(relation: Any, below: Any, server: Any) -> Any:
        nonlocal compared
        made = over_empty(relation, below, server)
        if made is not None:
            with suppress(PySparkException):  # what is refused is asked of the whole plan
                assert schema(made) == schema(relation)
                compared += 1
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "over_empty", both)
        with suppress(EngineDifference):
            written_for_sail(connect_relation(frame), schema)
    event(f"compared {min(compared, 3)}")
