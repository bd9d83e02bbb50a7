"""Spark Connect in a JVM of its own, beside the Sail that tests run on."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyspark
import pytest
from pyspark.sql import SparkSession

from data_platform.engine.java import chosen_java
from data_platform.engine.parallelism import PARALLELISM
from data_platform.engine.session import spark_config
from data_platform.engine.warm.attach import attach
from data_platform.engine.warm.engines import _CLASS
from data_platform.engine.warm.place import Place, Spec, reserved_port
from data_platform.settings.engine import Engine
from data_platform.settings.environment import settings_at
from data_platform.storage.waiting import is_listening
from data_platform_tests.support.warm_engines import soon
from tools.cluster import python_without_the_platform

SPARK = Path(pyspark.__file__).parent


@pytest.fixture(scope="session")
def server_of_java(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Spark in another process."""
    java = _java()
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


@pytest.fixture
def server_without_the_platform(tmp_path: Path) -> Iterator[str]:
    """The address of a Spark in another process whose workers have this environment's libraries,
    and nothing of the checkout."""
    directory = tmp_path / "elsewhere"
    directory.mkdir()
    config = spark_config(settings_at(directory, spark=Engine("local[2]")))
    del config["spark.python.daemon.module"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
        "JAVA_HOME": str(_java()),
        "PYSPARK_PYTHON": str(python_without_the_platform(directory / "python")),
        "SPARK_HOME": str(SPARK),
    }
    with reserved_port() as port, (directory / "log.txt").open("w") as log:
        config |= {
            "spark.connect.grpc.binding.address": "127.0.0.1",
            "spark.connect.grpc.binding.port": str(port),
        }
        words = [word for name, value in config.items() for word in ("--conf", f"{name}={value}")]
        server = subprocess.Popen(
            [SPARK / "bin/spark-submit", *words, "--class", _CLASS, "spark-internal"],
            env=environment,
            cwd=directory,
            stdout=log,
            stderr=log,
        )
        try:
            soon(lambda: is_listening("127.0.0.1", port) or server.poll() is not None)
            assert server.poll() is None, (directory / "log.txt").read_text()
            yield f"sc://127.0.0.1:{port}"
        finally:
            server.kill()
            server.wait()


def _java() -> Path:
    if (java := chosen_java()) is None:
        assert not os.environ.get("CI")
        pytest.skip("there is no Java 17 or 21 for Spark")
    return java
