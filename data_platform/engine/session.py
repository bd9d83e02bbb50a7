"""The Spark session: its configuration as data, and the two ways to get one.

`settings.spark` says which engine executes: Spark in this process's JVM (`local`, or the driver of
a cluster), or a server that speaks Spark Connect, started here for `sail` (see `connect`).

A run has one session, shared by its steps: `spark_resource` for Dagster, `start_session` for
tests and scripts.
"""

import multiprocessing
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from dagster_pyspark import LazyPySparkResource
from pyspark import __version__ as version
from pyspark.sql import SparkSession

from data_platform.engine import cluster
from data_platform.engine.connect import ConnectResource, connected, interrupt, prepare_connect
from data_platform.engine.java import chosen_java, require_java
from data_platform.engine.parallelism import PARALLELISM
from data_platform.engine.pyspark_internals import running_context
from data_platform.engine.s3a import s3a_config
from data_platform.settings.engine import Engine
from data_platform.settings.environment import export, spark_conf
from data_platform.settings.model import Environment, Settings
from data_platform.settings.values import SettingsError

# Made once per environment (`tools/class_archive.py`), since most of a session's start is the
# JVM loading Spark's classes. The JVM ignores an archive for another version or class path; a
# truncated one would crash it, so it is renamed into place when complete.
CLASS_ARCHIVE = Path(sys.prefix) / "spark-classes.jsa"

COMMON = {
    "spark.app.name": "data-platform",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    # Arrow carries whole batches between the JVM and Python; falling back to rows would be slow
    # and silent.
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.pyspark.fallback.enabled": "false",
    # Batches are cut by rows alone: measuring their bytes costs a seventh of a silver step.
    "spark.sql.execution.arrow.maxBytesPerBatch": str(2**31 - 1),
    "spark.sql.execution.arrow.maxRecordsPerBatch": "4000",
    # Bytes decide which task reads what. By default Spark counts 4 MB on top of each file's size,
    # and 8 MB of bronze can have millions of rows for a single task.
    "spark.sql.files.openCostInBytes": str(64 << 10),
    "spark.sql.parquet.compression.codec": "zstd",
    # Iceberg refuses Spark's default, INT96.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # The lake hands Spark the files to read: listing them in a job of its own gains nothing.
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "1000000",
    # The commit says which files count, so no success markers and no checksum files.
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    "spark.hadoop.fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
}


class NoSessionHere:
    """The resource where tables are built in jobs of a service."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def spark_session(self) -> SparkSession:
        """Raises SettingsError."""
        return start_session(self._settings)


class JavaResource(LazyPySparkResource):
    """dagster-pyspark's resource, with a clear error where there is no Java."""

    @property
    def spark_session(self) -> SparkSession:
        """The process's session, started on the first call."""
        with _startable(self.spark_config):
            return super().spark_session


def spark_config(settings: Settings) -> dict[str, str]:
    """Spark's configuration under these settings, as a session builder takes it."""
    config = COMMON | {
        "spark.master": settings.spark.text,
        "spark.driver.memory": settings.spark_memory,
        "spark.driver.extraJavaOptions": " ".join(_java_options(settings)),
    }
    config |= s3a_config(settings)
    if settings.spark.kind == "cluster":
        return cluster.with_defaults(config | cluster.LOST_HOSTS, spark_conf())
    if cores := settings.spark.cores:
        config |= {
            # A cluster's workers would need the package before they are sent it.
            "spark.python.daemon.module": "data_platform.engine.worker_daemon",
            # One shuffle partition for each core: more only add start-up costs.
            "spark.sql.shuffle.partitions": str(cores),
            PARALLELISM: str(cores),
            # The JVM listens on ports of its own, and runs what it is sent there.
            "spark.authenticate": "true",
            # The loopback address stays the same when a laptop changes networks.
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
        }
    return config


def job_config() -> dict[str, str]:
    """What a job's session on a service needs beside the service's own configuration: what the
    platform's results depend on. Where it runs, and how it reads S3, is the service's."""
    own = ("spark.app.", "spark.ui.", "spark.hadoop.fs.")
    return {name: value for name, value in COMMON.items() if not name.startswith(own)}


def submitted_session() -> SparkSession:
    """The session of a process that `spark-submit` or a service started. Raises SettingsError if
    its Spark is too old."""
    if int(version.split(".")[0]) < 4:
        raise SettingsError(
            f"this job's Spark is {version}, and the platform needs 4: choose a release of the "
            "service with it"
        )
    return SparkSession.Builder().config(map=dict(job_config())).getOrCreate()


def start_session(settings: Settings) -> SparkSession:
    """The process's session, started on the first call."""
    _require_engine(settings)
    prepare_environment(settings)
    if not settings.spark.has_jvm:
        return connected(settings)
    config = spark_config(settings)
    with _startable(config):
        return SparkSession.Builder().config(map=dict(config)).getOrCreate()


def _require_engine(settings: Settings) -> None:
    if settings.spark.kind == "service":
        raise SettingsError(
            f"DATA_PLATFORM_SPARK is {settings.spark}, which builds tables in jobs: there is no "
            "session here. For this command, set it to sail"
        )


@contextmanager
def _startable(config: Mapping[str, str]) -> Iterator[None]:
    """Around the start of a session; raises SettingsError if it cannot be had."""
    master = config["spark.master"]
    if running_context() is None:  # asking Java takes a process, and each step comes here
        require_java(master)
    if Engine(master).kind == "local":
        yield
        return
    with cluster.reachable(master):
        yield
    cluster.settle()


def cancel_jobs() -> None:
    """Cancel all jobs of this process's session, if there is one."""
    if context := running_context():
        context.cancelAllJobs()
    interrupt()


def spark_resource(settings: Settings) -> JavaResource | ConnectResource | NoSessionHere:
    """The Dagster resource; the session starts with the first step that uses it."""
    if settings.spark.kind == "service":
        return NoSessionHere(settings)
    warm = is_warm(settings)
    prepare_environment(settings, connect=warm)
    if warm or not settings.spark.has_jvm:
        config = spark_config(settings) if settings.spark.has_jvm else {}
        return ConnectResource(settings, config if warm else None)
    return JavaResource(spark_config=spark_config(settings))


def is_warm(settings: Settings) -> bool:
    """Whether this process uses its home's warm engine: a run that a code server launched."""
    launched = multiprocessing.parent_process() is not None
    return launched and settings.spark_idle > 0 and settings.spark.cores is not None


def prepare_environment(settings: Settings, *, connect: bool = False) -> None:
    """Point a local Spark at this environment's Python and Java, or PySpark at Spark Connect.

    All can only be set through environment variables; otherwise workers run the first python3 on
    the PATH, and Spark the first java. The workers of a cluster have a Python of their own; its
    driver's Java is of this environment.
    """
    if connect or not settings.spark.has_jvm:
        prepare_connect()
    if settings.spark.kind == "local":
        export(PYSPARK_PYTHON=sys.executable)
    if settings.spark.has_jvm and (home := chosen_java()):
        export(JAVA_HOME=str(home))


def _java_options(settings: Settings) -> list[str]:
    logging = files("data_platform.engine").joinpath("log4j2.properties")
    options = [f'"-Dlog4j2.configurationFile={logging}"']
    if settings.environment is Environment.TEST:
        # The quick compiler alone: a test's JVM is too short-lived for the optimizing one. One
        # thread collects garbage: the heap is small, and other tests use the other cores.
        options += ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    else:
        options.append("-XX:+UseParallelGC")
    if CLASS_ARCHIVE.exists():
        options += [f'"-XX:SharedArchiveFile={CLASS_ARCHIVE}"', "-Xshare:auto", "-Xlog:disable"]
    return options
