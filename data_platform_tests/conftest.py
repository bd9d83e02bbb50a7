"""What all tests share: one Spark session, a SQLite that does not wait for the disk, and how long
hypothesis may search."""

import gc
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, settings
from pyspark.sql import SparkSession
from sqlalchemy import event
from sqlalchemy.engine import Engine as SqlEngine

from data_platform.engine.session import start_session
from data_platform.settings.engine import Engine
from data_platform.settings.environment import DIFFERENCES, settings_at
from data_platform.settings.model import Environment
from data_platform_tests.support.places import Place, place_of

# A developer's shell may name a collector, which is not for what tests do.
for _name in [name for name in os.environ if name.startswith("OTEL_")]:
    del os.environ[_name]

# Fixtures for tests of several packages.
pytest_plugins = [
    f"data_platform_tests.support.{name}"
    for name in (
        "loaded_shop",  # before those that import it
        "both_engines",
        "cloud",
        "command_line",
        "databases",
        "exported_metrics",
        "remote_jobs",
        "ordinary_assets",
        "queues",
        "servers",
        "spark_server",
    )
]

# One Spark job per example: the examples are few, and their time is the machine's, not the code's.
settings.register_profile(
    "dev", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True, database=None)
# On a second engine, where what is compared is the engine.
settings.register_profile("few", settings.get_profile("ci"), max_examples=25)
settings.register_profile("soak", settings.get_profile("dev"), max_examples=1000)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@event.listens_for(SqlEngine, "connect")
def _unsynced(connection: Any, _: object) -> None:
    """SQLite does not wait for the disk: only a machine that loses power would tell, and a small
    run waits hundreds of times, a quarter of its time on a busy disk."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


# What must be the same on every engine: rows and what is found about them.
_ON_BOTH = (
    *("contracts/", "domains/", "quality/", "docs/test_tutorial.py"),
    *("build/test_function.py", "build/test_isolation.py", "build/test_merged.py"),
    *("lake/test_reads.py", "platform_defs/test_merge_runs.py"),
    *("platform_defs/test_pipeline.py", "platform_defs/test_reruns.py"),
)

# Where several processes share the files of tests: none is left with a long one in the end.
_LONGEST = (
    "test_cli.py",
    "test_cli_after_runs.py",
    "test_cli_rollback.py",
    "test_later_arrivals.py",
    "test_launched.py",
    "test_code_server.py",
    "test_connect.py",
    "test_jvm.py",
    "test_shipping.py",
    "test_sessions.py",
    "test_pipeline.py",
    "test_guides_to_fixing.py",
    "test_reruns.py",
    "test_faults.py",
    "test_interrupted.py",
    "test_roles_at_work.py",
    "test_killed_runs.py",
    "test_new.py",
    "test_dropping.py",
    "test_prowler.py",
    "test_checks.py",
    "test_secrets.py",
    "test_guides_to_declaring.py",
    "test_partitions.py",
    "test_session.py",
    "test_tutorial.py",
    "test_gold_runs.py",
    "test_isolation.py",
    "test_merged.py",
    "test_commit.py",
    "test_killed_consumers.py",
    "test_killed_upkeep.py",
    "test_merge_runs.py",
    "test_outages.py",
    "test_restore.py",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engine", choices=("sail", "local", "connect"), default="sail")
    parser.addoption(
        "--again",
        action="store_true",
        help="tests have passed on Sail: those that must agree with it, and those of Spark alone",
    )


def pytest_configure(config: pytest.Config) -> None:
    engine = config.getoption("engine")
    if config.getoption("again") and engine != "local":
        raise pytest.UsageError("--again is for a second engine: add --engine=local")
    if engine != "local":  # columns are built for one kind of session
        os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"
    if config.getoption("again"):
        settings.load_profile("few")
    if engine == "local":  # the runs of homes too
        cast("dict[str, str]", DIFFERENCES[Environment.TEST])["SPARK"] = "local[2]"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left = {item for item in items if _is_of_another(config, item)}
    config.hook.pytest_deselected(items=list(left))
    items[:] = [item for item in items if item not in left]
    gc.set_threshold(20_000)  # else a tenth of the time is spent on looking for garbage
    if hasattr(config, "workerinput"):
        order = {name: number for number, name in enumerate(_LONGEST)}
        items.sort(key=lambda item: order.get(item.path.name, len(order)))


def _is_of_another(config: pytest.Config, item: pytest.Item) -> bool:
    """Whether a test is of another engine."""
    is_of_spark = item.get_closest_marker("spark_only") is not None
    if config.getoption("engine") != "local":
        return is_of_spark
    if item.get_closest_marker("connect_only") is not None:
        return True
    path = item.path.relative_to(Path(__file__).parent).as_posix()
    if not config.getoption("again") or is_of_spark:
        return False
    return not path.startswith(_ON_BOTH) or "shop_in_directory" in item.name  # a shop is enough


@pytest.fixture(scope="session")
def spark(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[SparkSession]:
    """The session that steps and tests share, as `settings_at` has it. ANSI mode is on."""
    if request.config.getoption("engine") == "connect":  # a server in a JVM of its own
        session = SparkSession.builder.remote("local[2]").getOrCreate()
        session.conf.set("spark.sql.session.timeZone", "UTC")
        session.conf.set("spark.sql.shuffle.partitions", 2)
        yield session
        session.stop()
        return
    engine = {"local": "local[2]", "sail": "sail"}[str(request.config.getoption("engine"))]
    settings = settings_at(tmp_path_factory.mktemp("spark"), spark=Engine(engine))
    if any(settings.spark_jars.glob("*.jar")):
        # Each bucket says where it is (see Place.tell), since one session serves all stores.
        nowhere = {"aws_region": "us-east-1", "aws_endpoint": "http://127.0.0.1:1"}
        settings = replace(settings, warehouse_uri="s3://bucket", **nowhere)
    session = start_session(settings)
    yield session
    session.stop()


@pytest.fixture(params=["directory", "versitygw", "minio"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where a platform's files may be: what holds in one of these must hold in all."""
    return place_of(request, request.param, tmp_path)
