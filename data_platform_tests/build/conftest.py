from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from data_platform_tests.support.days_of_sales import Sales


@pytest.fixture
def sales(spark: SparkSession, tmp_path: Path) -> Sales:
    return Sales(tmp_path, spark)
