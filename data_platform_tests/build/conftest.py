from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from data_platform.build.platform import Platform
from data_platform.runs.home import prepare_home
from data_platform.settings.environment import settings_at
from data_platform_tests.support.days_of_sales import Sales


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    settings = settings_at(tmp_path / "home")
    prepare_home(settings)
    return Platform(settings)


@pytest.fixture
def sales(spark: SparkSession, tmp_path: Path) -> Sales:
    return Sales(tmp_path, spark)
