"""A session on a cluster: checks that the master answers, sets timeouts for lost hosts, sends the
code, and waits for executors.

The driver is this process. `spark-defaults.conf` takes precedence over these defaults and those of
every session, except for what the content of tables depends on.
"""

import logging
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyspark
from py4j.protocol import Py4JJavaError
from pyspark import SparkConf, SparkContext

from data_platform.engine.pyspark_internals import executors, running_context
from data_platform.engine.reach import require_master, require_yarn
from data_platform.engine.shipping import shipped
from data_platform.settings.values import PREFIX, SettingsError
from data_platform.storage.waiting import wait

_log = logging.getLogger(__name__)

_EXECUTORS_WITHIN = 60  # seconds
_PAUSE = 0.1
_ADDRESS = (
    "Set this machine's address with SPARK_LOCAL_IP, or with spark.driver.host and "
    "spark.driver.bindAddress in spark-defaults.conf"
)

LOST_HOSTS = {
    # A host that does not answer for a minute counts as lost, and its tasks run on others. Spark's
    # default is two minutes, also for each of several connections that it tries one by one.
    "spark.network.timeout": "60s",
    "spark.network.timeoutInterval": "15s",
    # The shuffle output of a lost host is computed again at once, not executor by executor.
    "spark.files.fetchFailure.unRegisterOutputOnHost": "true",
}

# The content of tables depends on these, or the platform's code does.
_REQUIRED = frozenset(
    {
        "spark.master",
        "spark.sql.ansi.enabled",
        "spark.sql.session.timeZone",
        "spark.sql.execution.arrow.pyspark.enabled",
        "spark.sql.execution.arrow.pyspark.fallback.enabled",
        "spark.sql.parquet.outputTimestampType",
        "spark.hadoop.fs.s3.impl",
    }
)

_LINE = re.compile(r"\s*([^\s=:#!]+)\s*[\s=:]\s*(.*?)\s*")


def with_defaults(config: Mapping[str, str], defaults: Path | None) -> dict[str, str]:
    """The configuration without what the user's `spark-defaults.conf` sets, since a session's own
    configuration takes precedence over that file. The jars of both are used."""
    users = users_defaults(defaults)
    left = {k: v for k, v in config.items() if k in _REQUIRED or k not in users}
    if theirs := users.get("spark.jars"):
        left["spark.jars"] = ",".join(filter(None, (config.get("spark.jars"), theirs)))
    return left


def users_defaults(path: Path | None) -> dict[str, str]:
    """The values set by a `spark-defaults.conf`; empty if there is no file."""
    try:
        lines = path.read_text("utf-8").splitlines() if path else []
    except FileNotFoundError:
        return {}
    return {found[1]: found[2] for line in lines if (found := _LINE.fullmatch(line))}


@contextmanager
def reachable(master: str) -> Iterator[None]:
    """For a block that starts a session. Raises SettingsError if no master answers or accepts
    it."""
    if master.startswith("spark://") and running_context() is None:
        require_master(master)
    if master == "yarn":
        require_yarn()
    try:
        yield
    except Py4JJavaError as failed:
        why = str(failed.java_exception).splitlines()[0]  # the others are places in Spark's code
        raise SettingsError(
            f"{PREFIX}SPARK is {master}, and no session could be started there ({why}). Check that "
            f"the master runs Spark {pyspark.__version__} and can connect to this process. "
            f"{_ADDRESS}"
        ) from failed


def settle() -> None:
    """Send the code and wait for executors; once in a session, unless the code has changed."""
    context = running_context()
    code = shipped()
    if context is None or any(each.endswith(code.name) for each in context.listFiles):
        return
    context.addPyFile(str(code))
    wait_for_executors(context)


def wait_for_executors(context: SparkContext) -> None:
    """Wait for the first executor, so that the number of cores is known.

    If none starts in time, this only warns: a busy cluster may assign cores later. With dynamic
    allocation that begins with none, there is nothing to wait for before the first task.
    """
    if starts_with_none(context.getConf()):
        return
    if wait(lambda: bool(executors(context)), _EXECUTORS_WITHIN):
        _wait_for_more(context)
    else:
        _log.warning(
            "the cluster has started no executor in %s seconds; the run waits until it does. "
            "Check that its workers have enough free memory and cores (spark.executor.memory, "
            "spark.executor.cores) and can connect to this process at %s. %s",
            _EXECUTORS_WITHIN,
            context.getConf().get("spark.driver.host"),
            _ADDRESS,
        )


def starts_with_none(config: SparkConf) -> bool:
    """Whether a cluster starts executors only for tasks that wait."""
    dynamic = "spark.dynamicAllocation"
    if config.get(f"{dynamic}.enabled", "false") != "true":
        return False
    return all(
        config.get(f"{dynamic}.{name}", "0") == "0" for name in ("minExecutors", "initialExecutors")
    )


def _wait_for_more(context: SparkContext) -> None:
    """Wait until no more executors start, so that the first steps use them all."""
    found, since = executors(context), time.monotonic()
    while time.monotonic() - since < 1:
        time.sleep(_PAUSE)
        if (now := executors(context)) != found:
            found, since = now, time.monotonic()
