"""A Spark Connect server in a JVM of its own, beside the Sail that tests run on."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyspark
import pytest
from pyspark.sql import SparkSession

from data_platform.engine.java import chosen_java
from data_platform.engine.warm.place import free_port, is_listening

_CLASS = "org.apache.spark.sql.connect.service.SparkConnectServer"


@pytest.fixture(scope="session")
def server_of_java(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Spark in another process."""
    java = chosen_java()
    if java is None:
        assert not os.environ.get("CI")
        pytest.skip("there is no Java 17 or 21 for Spark")
    with _server(java, tmp_path_factory.mktemp("server")) as port:
        yield f"sc://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def spark_of_java(server_of_java: str) -> Iterator[SparkSession]:
    """A session of it."""
    session = SparkSession.builder.remote(server_of_java).create()
    session.conf.set("spark.sql.session.timeZone", "UTC")
    yield session
    session.stop()


@contextmanager
def _server(java: Path, directory: Path) -> Iterator[int]:
    home = Path(pyspark.__file__).parent
    port = free_port()
    options = {
        "spark.connect.grpc.binding.port": str(port),
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.warehouse.dir": str(directory / "warehouse"),
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    }
    confs = [word for name, value in options.items() for word in ("--conf", f"{name}={value}")]
    env = {**os.environ, "SPARK_HOME": str(home), "JAVA_HOME": str(java)}
    env |= {"PYSPARK_PYTHON": sys.executable}
    env.pop("SPARK_CONNECT_MODE_ENABLED", None)
    command = [str(home / "bin/spark-submit"), "--master", "local[1]", *confs, "--class", _CLASS]
    log = directory / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "spark-internal"], stdout=output, stderr=output, env=env, cwd=directory
        )
    try:
        _wait(process, port, log)
        yield port
    finally:
        process.kill()  # on a request to end it may wait for a client for minutes
        process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended: {log.read_text()[-2000:]}")
        if is_listening("127.0.0.1", port):
            return
        time.sleep(0.2)
    raise TimeoutError(f"the server does not listen on {port}: {log.read_text()[-2000:]}")
