"""Sessions without a JVM in this process: a Spark Connect server, or Sail, which is embedded.

Sail is a Spark engine in Rust that speaks Spark Connect. Its server runs in this process.
"""

import atexit
import tempfile
import warnings
from collections.abc import Mapping
from functools import cache
from weakref import WeakSet

from pyspark.sql import SparkSession

from data_platform.engine.parallelism import PARALLELISM
from data_platform.settings.environment import export
from data_platform.settings.model import Settings

_sessions: list[SparkSession] = []
_of_sail: WeakSet[SparkSession] = WeakSet()
_kept: list[object] = []  # a server stops when it is collected, a directory is removed

_SESSION: Mapping[str, str] = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "4000",
}


class ConnectResource:
    """A Dagster resource like dagster-pyspark's, which knows no Spark Connect; the session starts
    with the first step that uses it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def spark_session(self) -> SparkSession:
        """The process's session."""
        return connected(self._settings)


def prepare_connect() -> None:
    """Let PySpark build columns for Spark Connect: it looks at this when it builds the first."""
    # Its log repeats each error that it raises; `critical` keeps the console to one.
    export(SPARK_CONNECT_MODE_ENABLED="1", SPARK_CONNECT_LOG_LEVEL="critical")
    warnings.filterwarnings("ignore", message=".*No Partition Defined for Window")


def connected(settings: Settings) -> SparkSession:
    """The process's session on the server, started on the first call."""
    sail = settings.spark.kind == "sail"
    if sail:
        export(**store_variables(settings.aws_region, settings.aws_endpoint))
    address = _sail(settings.spark_memory) if sail else settings.spark.text
    session = SparkSession.Builder().remote(address).getOrCreate()
    if session in _sessions:
        return session
    for name, value in _SESSION.items():
        session.conf.set(name, value)
    if sail:
        from pyspark.sql.connect.client.retries import DefaultPolicy  # slow to import

        # It is in this process: if it has ended, as after Ctrl-C, it does not come back.
        session.client.set_retry_policies([DefaultPolicy(max_retries=3)])
        _of_sail.add(session)
        session.conf.set(PARALLELISM, str(settings.spark.cores))
    _sessions[:] = [session]
    atexit.register(session.stop)  # before the server ends, which it does with the process
    return session


def interrupt() -> None:
    """Interrupt what this process's session executes, if it has one."""
    for session in _sessions:
        session.interruptAll()


def on_sail(spark: SparkSession) -> bool:
    """Whether Sail executes, which lacks some operations (see `shuffles`)."""
    return spark in _of_sail


@cache
def _sail(memory: str) -> str:
    """The address of this process's server, which ends with the process."""
    export(
        RUST_LOG="error",  # it would log every query
        # Operators that need more spill to disk; as a JVM's heap, it is written like `4g`.
        SAIL_RUNTIME__MEMORY_POOL__TYPE="fair",
        SAIL_RUNTIME__MEMORY_POOL__FAIR__MAX_SIZE=str(_bytes(memory)),
        SAIL_EXECUTION__CHECKPOINT__PATH=_checkpoints(),  # of `localCheckpoint`
    )
    from pysail.spark import SparkConnectServer  # takes its time to import

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    listening = server.listening_address
    assert listening
    host, port = listening
    _kept.append(server)
    return f"sc://{host}:{port}"


def store_variables(region: str, endpoint: str) -> dict[str, str | None]:
    """The environment variables by which Sail finds the object store when it first reads from a
    bucket. Credentials it finds as AWS's own tools do; these ignore AWS_ENDPOINT, so that setting
    it does not affect them."""
    plain = str(endpoint.startswith("http:")) if endpoint else None
    where = {"AWS_ENDPOINT": endpoint or None, "AWS_ALLOW_HTTP": plain}
    return {**where, "AWS_REGION": region} if region else {**where}


def _bytes(memory: str) -> int:
    return int(memory[:-1]) << {"m": 20, "g": 30}[memory[-1]]


def _checkpoints() -> str:
    """A directory that is removed with the process."""
    directory = tempfile.TemporaryDirectory(prefix="data-platform-")
    _kept.append(directory)
    return f"file://{directory.name}"
