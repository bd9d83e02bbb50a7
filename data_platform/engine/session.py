"""The Spark session: its configuration as data, and the two ways to get one.

`settings.spark` selects the engine: Spark in this process's JVM (`local`, or the driver of a
cluster), or a Spark Connect server, which for `sail` is started here (see `connect`).

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

# Made once per environment (`tools/class_archive.py`), since a session spends most of its start
# loading Spark's classes. The JVM ignores an archive for another version or class path. A truncated
# one would crash it, so the archive is renamed into place when it is complete.
CLASS_ARCHIVE = Path(sys.prefix) / "spark-classes.jsa"

COMMON = {
    "spark.app.name": "data-platform",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    # Arrow transfers batches between the JVM and Python. Spark would fall back to rows without an
    # error, which is slow.
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.pyspark.fallback.enabled": "false",
    # Only rows limit a batch: measuring bytes takes a seventh of a silver step's time.
    "spark.sql.execution.arrow.maxBytesPerBatch": str(2**31 - 1),
    "spark.sql.execution.arrow.maxRecordsPerBatch": "4000",
    # Files are assigned to tasks by size. By default Spark adds 4 MB to the size of each file, and
    # 8 MB of bronze can have millions of rows for a single task.
    "spark.sql.files.openCostInBytes": str(64 << 10),
    "spark.sql.parquet.compression.codec": "zstd",
    # Iceberg refuses Spark's default, INT96.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # The lake passes Spark the files to read, so a Spark job that lists them gains nothing.
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "1000000",
    # Iceberg's commit says which files count: no success markers and no checksum files.
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    "spark.hadoop.fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
}


class NoSessionHere:
    """The resource if tables are built by jobs of a service."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def spark_session(self) -> SparkSession:
        """Raises SettingsError."""
        return start_session(self._settings)


class JavaResource(LazyPySparkResource):
    """dagster-pyspark's resource, with a clear error if there is no Java."""

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
            # Not on a cluster: its workers start this before they are sent the package.
            "spark.python.daemon.module": "data_platform.engine.worker_daemon",
            # One shuffle partition for each core: more add only start-up costs.
            "spark.sql.shuffle.partitions": str(cores),
            PARALLELISM: str(cores),
            # The JVM also listens on ports that executors would use to run code in it.
            "spark.authenticate": "true",
            # The loopback address does not change when a laptop changes networks.
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
        }
    return config


def job_config() -> dict[str, str]:
    """The configuration of a job's session on a service: only what the platform's results depend
    on. The service configures where the job runs and how it reads S3."""
    own = ("spark.app.", "spark.ui.", "spark.hadoop.fs.")
    return {name: value for name, value in COMMON.items() if not name.startswith(own)}


def submitted_session() -> SparkSession:
    """The session of a process started by `spark-submit` or a service. Raises SettingsError if its
    Spark is too old."""
    if int(version.split(".")[0]) < 4:
        raise SettingsError(
            f"this job runs on Spark {version}, and the platform needs Spark 4: choose a release "
            "of the service that has it"
        )
    session = SparkSession.Builder().config(map=dict(job_config())).getOrCreate()
    context = running_context()
    if context is not None and not str(context.master).startswith("local"):
        cluster.wait_for_executors(context)
    return session


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
            f"DATA_PLATFORM_SPARK is {settings.spark}, which builds tables in jobs, so this "
            "process has no session. Set it to sail for this command"
        )


@contextmanager
def _startable(config: Mapping[str, str]) -> Iterator[None]:
    """Raises SettingsError if the session that the block starts cannot start."""
    master = config["spark.master"]
    if running_context() is None:  # the check starts a process, and each step calls this
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
    """Whether this process uses its home's warm engine: it is a run launched by a code server."""
    launched = multiprocessing.parent_process() is not None
    return launched and settings.spark_idle > 0 and settings.spark.cores is not None


def prepare_environment(settings: Settings, *, connect: bool = False) -> None:
    """Point a local Spark at this environment's Python and Java, or PySpark at Spark Connect.

    This is possible only with environment variables; otherwise workers run the first python3 on
    the PATH, and Spark the first java. The workers of a cluster have their own Python; the driver
    uses this environment's Java.
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
        # Only the fast compiler: a test's JVM ends before the optimizing one pays off. One thread
        # collects garbage: the heap is small, and other tests use the other cores.
        options += ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    else:
        options.append("-XX:+UseParallelGC")
    if CLASS_ARCHIVE.exists():
        options += [f'"-XX:SharedArchiveFile={CLASS_ARCHIVE}"', "-Xshare:auto", "-Xlog:disable"]
    return options
