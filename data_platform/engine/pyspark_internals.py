"""PySpark's private API, and Spark's behind it: nothing else in the project uses it.

It gives what PySpark does not offer: the analyzed plan (`TreeNode.toJSON`), how many jobs have run,
and the process's context if it has one. The version is pinned in `pyproject.toml`, and a test
compares what is used here with it.
"""

from pyspark import SparkContext
from pyspark.sql import DataFrame, SparkSession


def analyzed_json(frame: DataFrame) -> str | None:
    """The analyzed, not yet optimized plan as a JSON list of nodes; None without a JVM in this
    process (Spark Connect)."""
    java = getattr(frame, "_jdf", None)
    return None if java is None else java.queryExecution().analyzed().toJSON()


def jobs_run(spark: SparkSession) -> int | None:
    """How many jobs the session has submitted so far; None without a JVM in this process."""
    java = getattr(spark, "_jsparkSession", None)
    return None if java is None else java.sparkContext().dagScheduler().numTotalJobs()


def running_context() -> SparkContext | None:
    """The process's context; None if there is none, or if its JVM has not started yet. PySpark's
    own `getOrCreate()` would start one."""
    context = SparkContext._active_spark_context
    return context if context is not None and getattr(context, "_jsc", None) is not None else None
