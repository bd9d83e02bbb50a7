"""One Spark session for all tests, and how long hypothesis may search."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from pyspark.sql import SparkSession

from data_platform.lake.session import start_session
from data_platform.settings import Settings

# Fixtures of a whole platform, of a cloud and of servers; tests of several packages share them.
pytest_plugins = [
    "data_platform_tests.platform_defs.shop",
    "data_platform_tests.buckets.server",
    "data_platform_tests.servers",
]

# One Spark job per example: the examples are few, and their time is the machine's, not the code's.
settings.register_profile(
    "dev", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True, database=None)
settings.register_profile("soak", settings.get_profile("dev"), max_examples=1000)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The session that steps and tests share, as `Settings.at` has it. ANSI mode is on."""
    session = start_session(Settings.at(tmp_path_factory.mktemp("spark")))
    yield session
    session.stop()
