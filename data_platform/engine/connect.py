"""Sessions of Spark Connect: on a server elsewhere, on a home's warm engine, or on Sail here.

Sail is a Spark engine in Rust that speaks Spark Connect. Its server runs in this process, unless
the home's warm engine (`warm`) is one.
"""

import atexit
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakSet

from pyspark.sql import SparkSession

from data_platform.engine.java import require_java
from data_platform.engine.parallelism import PARALLELISM, counted
from data_platform.engine.shipping import own_code, send
from data_platform.engine.warm.attach import Attached, attached
from data_platform.engine.warm.engines import start_sail
from data_platform.engine.warm.liveness import answers
from data_platform.settings.environment import credential_files, export
from data_platform.settings.model import Settings


@dataclass(frozen=True)
class _Current:
    """This process's session, and the warm engine that it is of, if it is of one."""

    session: SparkSession
    engine: Attached | None


_current: list[_Current] = []
_of_sail: WeakSet[SparkSession] = WeakSet()

_SESSION: Mapping[str, str] = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "4000",
}


class ConnectResource:
    """A Dagster resource like dagster-pyspark's, which knows no Spark Connect; the session starts
    with the first step that uses it. `warm`: what Spark is started with, if it is a home's."""

    def __init__(self, settings: Settings, warm: Mapping[str, str] | None = None) -> None:
        self._settings, self._warm = settings, warm

    @property
    def spark_session(self) -> SparkSession:
        """The process's session."""
        return connected(self._settings, self._warm)


def prepare_connect() -> None:
    """Let PySpark build columns for Spark Connect: it looks at this when it builds the first."""
    # Its log repeats each error that it raises; `critical` keeps the console to one.
    export(SPARK_CONNECT_MODE_ENABLED="1", SPARK_CONNECT_LOG_LEVEL="critical")
    warnings.filterwarnings("ignore", message=".*No Partition Defined for Window")


def connected(settings: Settings, warm: Mapping[str, str] | None = None) -> SparkSession:
    """The process's session, started on the first call; `warm` as `ConnectResource` has it."""
    variables = store_variables(settings.aws_region, settings.aws_endpoint)
    if settings.spark.kind == "sail":  # it looks when it first reads from a bucket
        export(**variables)
    if _current and _current[0].session.client.is_closed:
        _leave()
    if not _current:
        _current.append(_begun(settings, warm, variables))
    return _current[0].session


def _begun(
    settings: Settings, warm: Mapping[str, str] | None, variables: Mapping[str, str | None]
) -> _Current:
    sail = settings.spark.kind == "sail"
    if settings.spark.kind != "connect":  # it is for a server elsewhere, and asks for TLS here
        export(SPARK_CONNECT_AUTHENTICATE_TOKEN=None)
    if settings.spark.kind == "local":
        require_java(settings.spark.text)
    engine = None if warm is None else attached(settings, warm, variables, _own_files())
    if engine is not None:
        address = engine.address
    elif sail:
        address = start_sail(settings.spark_memory)
    else:
        address = settings.spark.text
    session = SparkSession.Builder().remote(address).create()
    for name, value in _SESSION.items():
        session.conf.set(name, value)
    if sail or engine:
        from pyspark.sql.connect.client.retries import DefaultPolicy  # slow to import

        # It is on this machine: if it has ended, as after Ctrl-C, it does not come back.
        session.client.set_retry_policies([DefaultPolicy(max_retries=3)])
        session.conf.set(PARALLELISM, str(settings.spark.cores))
    if settings.spark.kind == "connect":
        send(session)
        if not session.conf.get(PARALLELISM, None):
            session.conf.set(PARALLELISM, str(counted(session)))
    if sail:
        _of_sail.add(session)
    atexit.register(_at_exit)  # before the server ends, which it does with the process
    return _Current(session, engine)


def _at_exit() -> None:
    if _current and (engine := _current[0].engine) and not answers(engine.address):
        leave_lost()
    elif _current:
        _current[0].session.stop()
        _leave()


def _own_files() -> list[Path]:
    """The code that an engine runs, and the credentials that it reads."""
    return [*(path for _, path in own_code()), *credential_files()]


def interrupt() -> None:
    """Interrupt what this process's session executes, if it has one."""
    for current in _current:
        if current.engine is None or answers(current.engine.address):
            current.session.interruptAll()


def is_lost() -> bool:
    """Whether this process's session is of a warm engine that does not answer any more."""
    engine = _current[0].engine if _current else None
    return engine is not None and engine.is_lost()


def leave_lost() -> None:
    """Leave a session that is lost, so that the next one is on another engine."""
    left = _taken()
    if left.engine is not None:
        left.engine.abandon()
    left.session.client.close()  # else the next line waits for the server's answer
    left.session.stop()


def _leave() -> None:
    """Let go of this process's session, which is stopped."""
    left = _taken()
    if left.engine is not None:
        left.engine.let_go()


def _taken() -> _Current:
    """What was this process's session, which has none any more."""
    atexit.unregister(_at_exit)
    return _current.pop()


def on_sail(spark: SparkSession) -> bool:
    """Whether Sail executes, which lacks some operations (see `shuffles`)."""
    return spark in _of_sail


def store_variables(region: str, endpoint: str) -> dict[str, str | None]:
    """The environment variables by which Sail finds the object store when it first reads from a
    bucket. Credentials it finds as AWS's own tools do; these ignore AWS_ENDPOINT, so that setting
    it does not affect them."""
    plain = str(endpoint.startswith("http:")) if endpoint else None
    where = {"AWS_ENDPOINT": endpoint or None, "AWS_ALLOW_HTTP": plain}
    return {**where, "AWS_REGION": region} if region else {**where}
