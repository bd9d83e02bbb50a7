from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from pyspark.sql import SparkSession

from data_platform.engine.parallelism import parallelism
from data_platform.engine.session import spark_config
from data_platform.settings.engine import Engine
from data_platform.settings.environment import settings_at


@pytest.mark.parametrize(
    ("said", "tasks"),
    [
        ({"spark.default.parallelism": "12", "spark.sql.shuffle.partitions": "200"}, 12),
        ({"spark.sql.shuffle.partitions": "200"}, 200),
    ],
)
def test_a_session_runs_as_many_tasks_as_it_says_or_as_its_shuffles_have(
    said: dict[str, str], tasks: int
) -> None:
    assert parallelism(cast(SparkSession, SimpleNamespace(conf=said))) == tasks


@pytest.mark.spark_only("asks the JVM")
def test_a_local_session_says_how_many_cores_it_has(spark: SparkSession, tmp_path: Path) -> None:
    config = spark_config(settings_at(tmp_path, spark=Engine("local[2]")))

    assert parallelism(cast(SparkSession, SimpleNamespace(conf=config))) == 2
    assert parallelism(spark) == spark.sparkContext.defaultParallelism
