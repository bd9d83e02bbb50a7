"""Spark Connect in a JVM of its own, beside the Sail that tests run on."""

import os
import signal
import sys
from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from data_platform.engine.java import chosen_java
from data_platform.engine.parallelism import PARALLELISM
from data_platform.engine.session import spark_config
from data_platform.engine.warm.attach import attach
from data_platform.engine.warm.place import Place, Spec
from data_platform.settings.engine import Engine
from data_platform.settings.environment import settings_at


@pytest.fixture(scope="session")
def server_of_java(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Spark in another process."""
    java = chosen_java()
    if java is None:
        assert not os.environ.get("CI")
        pytest.skip("there is no Java 17 or 21 for Spark")
    directory = tmp_path_factory.mktemp("server")
    settings = settings_at(directory, spark=Engine("local[1]"))
    config = spark_config(settings)
    del config[PARALLELISM]  # as of a server that does not tell
    spec = Spec(
        kind="local",
        key="tests",
        owner=os.getpid(),
        idle=3600,
        memory=settings.spark_memory,
        path=sys.path,
        config=config,
        variables={},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_HOME", str(java))
        server = attach(Place(directory / "engine"), spec)
    assert server, (directory / "engine" / "log.txt").read_text()
    yield server.address.split(";session_id=")[0]
    os.killpg(server.pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def spark_of_java(server_of_java: str) -> Iterator[SparkSession]:
    """A session of it."""
    session = SparkSession.builder.remote(server_of_java).create()
    session.conf.set("spark.sql.session.timeZone", "UTC")
    yield session
    session.stop()
