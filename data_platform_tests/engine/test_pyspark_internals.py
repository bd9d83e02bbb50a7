"""What `pyspark_internals` relies on is in the installed PySpark, and in the Spark behind it."""

import json
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import cast

import pytest
from pyspark import SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from data_platform.engine.pyspark_internals import (
    analyzed_json,
    connect_columns,
    connect_expression,
    connect_relation,
    cores,
    executors,
    jobs_run,
    running_context,
)
from data_platform_tests.support.upstream import is_pinned


def test_the_version_is_the_one_that_is_pinned() -> None:
    assert is_pinned("pyspark")


@pytest.mark.spark_only("asks the JVM")
def test_a_session_tells_its_context_its_plans_and_its_jobs(spark: SparkSession) -> None:
    frame = spark.range(3)
    before = jobs_run(spark)
    assert before is not None

    frame.collect()

    assert connect_relation(frame) is None
    [node] = json.loads(analyzed_json(frame) or "[]")
    assert node["class"] == "org.apache.spark.sql.catalyst.plans.logical.Range"
    assert (jobs_run(spark) or 0) > before
    assert running_context() is spark.sparkContext
    assert cores(spark) == spark.sparkContext.defaultParallelism == 2
    assert executors(spark.sparkContext) == 0  # all is in the driver


def test_a_context_has_no_java_before_its_machine_has_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(SparkContext, "_active_spark_context", None)
    assert running_context() is None
    monkeypatch.setattr(SparkContext, "_active_spark_context", SimpleNamespace(_jsc=None))
    assert running_context() is None


def test_a_session_without_java_tells_nothing() -> None:
    assert analyzed_json(cast(DataFrame, SimpleNamespace())) is None
    assert connect_relation(cast(DataFrame, SimpleNamespace())) is None
    assert jobs_run(cast(SparkSession, SimpleNamespace())) is None


@pytest.fixture
def remote(spark: SparkSession) -> SparkSession:
    """A session of Spark Connect."""
    return spark


@pytest.mark.connect_only
def test_a_client_tells_the_plan_it_sends_and_the_server_its_columns(remote: SparkSession) -> None:
    frame = remote.range(3).select(F.col("id").alias("n"))

    relation = connect_relation(frame)

    assert analyzed_json(frame) is None
    assert relation is not None
    assert relation.WhichOneof("rel_type") == "project"
    assert connect_columns(frame, relation) == [("n", "bigint")]
    assert connect_columns(frame, relation.project.input) == [("id", "bigint")]
    assert connect_columns(frame, connect_relation(frame.select("missing"))) is None


@pytest.mark.connect_only
def test_a_column_tells_its_expression_without_a_session() -> None:
    for column, kind in (
        (F.col("n"), "unresolved_attribute"),
        (F.exists(F.array("n"), lambda of: of + 1 > 0), "unresolved_function"),
        (F.expr("n > 1"), "expression_string"),
        (F.udf(str, "string")("n"), "common_inline_user_defined_function"),
        (F.col("n").try_cast("decimal(12,2)"), "cast"),
    ):
        assert connect_expression(column).WhichOneof("expr_type") == kind  # type: ignore[union-attr]
    assert connect_expression(cast(Column, SimpleNamespace())) is None


RUNS: dict[str, Callable[[DataFrame], object]] = {
    "collected": lambda frame: frame.collect(),
    "counted": lambda frame: frame.count(),
    "the first": lambda frame: frame.first(),
    "whether empty": lambda frame: frame.isEmpty(),
    "in pandas": lambda frame: frame.toPandas(),
    "in Arrow": lambda frame: frame.toArrow(),
    "row by row": lambda frame: list(frame.toLocalIterator()),
    "as a view": lambda frame: frame.createOrReplaceTempView("seen"),
    "in SQL": lambda frame: frame.sparkSession.sql("SELECT 1"),
    "columns of a pivot": lambda frame: frame.groupBy("k").pivot("n").count().columns,
    "columns of another pivot": lambda frame: (
        frame.groupBy("k").pivot("n").count().drop("x").schema
    ),
    "written": lambda frame: frame.write.format("noop").mode("overwrite").save(),
}


@pytest.mark.connect_only
@pytest.mark.parametrize("name", RUNS)
def test_what_may_have_read_rows_is_counted(remote: SparkSession, name: str) -> None:
    frame = remote.createDataFrame([("a", 1)], "k string, n int")
    before = jobs_run(remote)

    with suppress(PySparkException):  # the engine need not support it
        RUNS[name](frame)

    assert before is not None and (jobs_run(remote) or 0) > before


@pytest.mark.connect_only
def test_what_reads_no_rows_is_not_counted(remote: SparkSession) -> None:
    before = jobs_run(remote)

    frame = remote.createDataFrame([("a", 1)], "k string, n int")
    pivoted = frame.groupBy("k").pivot("n", [1, 2]).count()
    assert pivoted.columns == ["k", "1", "2"]
    assert frame.select(F.udf(str, "string")("n").alias("n")).schema.names == ["n"]
    frame.explain()

    assert jobs_run(remote) == before
