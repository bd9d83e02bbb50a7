"""Sessions of Spark Connect: on a remote server, on the home's warm engine, or on Sail.

Sail is a Spark engine in Rust with a Spark Connect server. The server runs in this process, unless
the process uses the home's warm engine (`warm`).
"""

import atexit
import logging
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakSet

from pyspark.sql import SparkSession

from data_platform.engine.java import require_java
from data_platform.engine.parallelism import PARALLELISM, counted
from data_platform.engine.reach import require_connect_server
from data_platform.engine.shipping import own_code, send
from data_platform.engine.warm.attach import Attached, EngineLost, attached
from data_platform.engine.warm.engines import start_sail
from data_platform.engine.warm.liveness import answers
from data_platform.settings.environment import credential_files, export
from data_platform.settings.model import Settings


@dataclass
class _Current:
    """This process's session, and the warm engine that it is on, if any."""

    session: SparkSession
    engine: Attached | None
    configured: bool = False


_current: list[_Current] = []
_of_sail: WeakSet[SparkSession] = WeakSet()

_LOG = "pyspark.sql.connect.logging"
_SESSION: Mapping[str, str] = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "4000",
}


class ConnectResource:
    """A Dagster resource like dagster-pyspark's, which does not support Spark Connect. The session
    starts with the first step that uses it.

    `warm` is the configuration of the home's warm engine (empty for Sail); None to use none.
    """

    def __init__(self, settings: Settings, warm: Mapping[str, str] | None = None) -> None:
        self._settings, self._warm = settings, warm

    @property
    def spark_session(self) -> SparkSession:
        """The process's session."""
        return connected(self._settings, self._warm)


def prepare_connect() -> None:
    """Make PySpark build columns for Spark Connect, before it builds the first one."""
    # Its log repeats each error that it raises; with `critical` the console shows it once.
    export(SPARK_CONNECT_MODE_ENABLED="1", SPARK_CONNECT_LOG_LEVEL="critical")
    if _LOG in sys.modules:  # which has read the variable already
        logging.getLogger(_LOG).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", message=".*No Partition Defined for Window")


def connected(settings: Settings, warm: Mapping[str, str] | None = None) -> SparkSession:
    """The process's session, started on the first call; `warm` is as in `ConnectResource`."""
    variables = store_variables(settings.aws_region, settings.aws_endpoint)
    if settings.spark.kind == "sail":  # which reads them at its first access to a bucket
        export(**variables)
    if _current and _current[0].session.client.is_closed:
        _drop_stopped()
    if not _current:
        _current.append(_begun(settings, warm, variables))
        atexit.register(_at_exit)  # runs before Sail's server in this process ends
    current = _current[0]
    if not current.configured:
        try:
            _configure(current, settings)
        except BaseException:
            if not lost():  # a lost one is dropped by whoever retries
                drop()
            raise
        current.configured = True
    return current.session


def _begun(
    settings: Settings, warm: Mapping[str, str] | None, variables: Mapping[str, str | None]
) -> _Current:
    """A session, to which no request has been sent yet."""
    sail = settings.spark.kind == "sail"
    if settings.spark.kind != "connect":  # a remote server's; with it, PySpark requires TLS
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
        require_connect_server(address)
    session = SparkSession.Builder().remote(address).create()
    if sail:
        _of_sail.add(session)
    return _Current(session, engine)


def _configure(current: _Current, settings: Settings) -> None:
    session = current.session
    if settings.spark.kind != "connect":
        from pyspark.sql.connect.client.retries import DefaultPolicy  # slow to import

        # A server on this machine that has ended, as after Ctrl-C, is not started again.
        session.client.set_retry_policies([DefaultPolicy(max_retries=3)])
        session.conf.set(PARALLELISM, str(settings.spark.cores))
    for name, value in _SESSION.items():
        session.conf.set(name, value)
    if settings.spark.kind == "connect":
        send(session)
        if not session.conf.get(PARALLELISM, None):
            session.conf.set(PARALLELISM, str(counted(session)))


def _at_exit() -> None:
    if _current and (engine := _current[0].engine) and not answers(engine.address):
        drop()
    elif _current:
        if engine:
            engine.end_watch()  # its next request could open the session again
        _current[0].session.stop()
        _drop_stopped()


def _own_files() -> list[Path]:
    """The code that an engine runs, and the files of credentials that it reads."""
    return [*(path for _, path in own_code()), *credential_files()]


def interrupt() -> None:
    """Interrupt the queries of this process's session, if there is one."""
    for current in _current:
        if current.engine is None or answers(current.engine.address):
            current.session.interruptAll()


def lost() -> EngineLost | None:
    """An error that says so if this process's session is on a warm engine that has stopped
    answering."""
    engine = _current[0].engine if _current else None
    return None if engine is None else engine.lost()


def drop() -> None:
    """Drop this process's session without asking its engine, so that the next one is a new one."""
    dropped = _forgotten()
    if dropped.engine is not None:
        dropped.engine.abandon()
    dropped.session.client.close()  # otherwise the next line waits for the server's answer
    dropped.session.stop()


def _drop_stopped() -> None:
    """Drop this process's session, which was stopped."""
    stopped = _forgotten()
    if stopped.engine is not None:
        stopped.engine.release()


def _forgotten() -> _Current:
    """Remove and return this process's session."""
    atexit.unregister(_at_exit)
    return _current.pop()


def on_sail(spark: SparkSession) -> bool:
    """Whether the session is on Sail, which lacks some operations (see `shuffles`)."""
    return spark in _of_sail


def store_variables(region: str, endpoint: str) -> dict[str, str | None]:
    """The environment variables with which Sail finds the object store, at its first access to a
    bucket. It finds credentials as AWS's own tools do, which ignore AWS_ENDPOINT."""
    plain = str(endpoint.startswith("http:")) if endpoint else None
    where = {"AWS_ENDPOINT": endpoint or None, "AWS_ALLOW_HTTP": plain}
    return {**where, "AWS_REGION": region} if region else {**where}
