"""What `pyspark_internals` relies on is in the installed PySpark, and in the Spark behind it."""

import json
from types import SimpleNamespace
from typing import cast

import pytest
from pyspark import SparkContext
from pyspark.sql import DataFrame, SparkSession

from data_platform.engine.pyspark_internals import analyzed_json, jobs_run, running_context
from data_platform_tests.support.upstream import is_pinned


def test_the_version_is_the_one_that_is_pinned() -> None:
    assert is_pinned("pyspark")


def test_a_session_tells_its_context_its_plans_and_its_jobs(spark: SparkSession) -> None:
    frame = spark.range(3)
    before = jobs_run(spark)
    assert before is not None

    frame.collect()

    [node] = json.loads(analyzed_json(frame) or "[]")
    assert node["class"] == "org.apache.spark.sql.catalyst.plans.logical.Range"
    assert (jobs_run(spark) or 0) > before
    assert running_context() is spark.sparkContext


def test_a_context_has_no_java_before_its_machine_has_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(SparkContext, "_active_spark_context", None)
    assert running_context() is None
    monkeypatch.setattr(SparkContext, "_active_spark_context", SimpleNamespace(_jsc=None))
    assert running_context() is None


def test_a_session_without_java_tells_nothing() -> None:
    assert analyzed_json(cast(DataFrame, SimpleNamespace())) is None
    assert jobs_run(cast(SparkSession, SimpleNamespace())) is None
