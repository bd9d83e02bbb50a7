from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from pyspark.sql import SparkSession

from data_platform.engine.parallelism import counted, parallelism
from data_platform.engine.session import spark_config
from data_platform.settings.engine import Engine
from data_platform.settings.environment import settings_at


def test_a_session_runs_as_many_tasks_as_it_says() -> None:
    said = {"spark.default.parallelism": "12", "spark.sql.shuffle.partitions": "200"}

    assert parallelism(cast(SparkSession, SimpleNamespace(conf=said))) == 12


@pytest.mark.connect_only
def test_a_server_that_does_not_say_is_asked_for_its_cores(spark_of_java: SparkSession) -> None:
    spark_of_java.conf.set("spark.sql.shuffle.partitions", 7)  # which says nothing about them

    assert counted(spark_of_java) == 1


@pytest.mark.spark_only("asks the JVM")
def test_a_local_session_says_how_many_cores_it_has(spark: SparkSession, tmp_path: Path) -> None:
    config = spark_config(settings_at(tmp_path, spark=Engine("local[2]")))

    assert parallelism(cast(SparkSession, SimpleNamespace(conf=config))) == 2
    assert parallelism(spark) == spark.sparkContext.defaultParallelism
