"""Shuffles and windows: Sail has no shuffle by id, takes no hints, and is slow at small groups."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from data_platform.engine.connect import on_sail
from data_platform.engine.parallelism import parallelism

_NTH = "data-platform nth"
_ADAPTIVE = "spark.sql.adaptive.enabled"


def dealt(frame: DataFrame, tasks: int, column: str) -> DataFrame:
    """Rows in `tasks` tasks, all rows with one value of an integer column in the same; in Spark the
    value (0 to `tasks` - 1) is the task's number."""
    if on_sail(frame.sparkSession):
        return frame.repartition(tasks, column)
    return frame.repartitionById(tasks, column)


def gathered(frame: DataFrame, groups: int, columns: Sequence[Column]) -> DataFrame:
    """Rows with equal columns together, sorted by them within each task; in Spark a large group is
    split, and small ones share a task."""
    if on_sail(frame.sparkSession):
        return in_order(together(frame, columns), columns)
    return in_order(frame.hint("rebalance", groups, *columns), columns)


def together(frame: DataFrame, columns: Sequence[Column], tasks: int = 0) -> DataFrame:
    """Rows with equal columns in the same task, of `tasks` (0: as many as the engine chooses)."""
    if on_sail(frame.sparkSession):
        # Sail adds a round robin shuffle over all cores to what has fewer partitions than that.
        tasks = max(tasks, parallelism(frame.sparkSession))
    return frame.repartition(tasks, *columns) if tasks else frame.repartition(*columns)


def in_order(frame: DataFrame, columns: Sequence[Column]) -> DataFrame:
    """Rows sorted by the columns within each task; on Sail by a window that adds a column, because
    Sail drops a sort whose order nothing uses."""
    if not columns:
        return frame
    if on_sail(frame.sparkSession):
        return frame.withColumn(
            _NTH, F.row_number().over(Window.partitionBy(*columns).orderBy(*columns))
        )
    return frame.sortWithinPartitions(*columns)


def small_groups_are_slow(spark: SparkSession) -> bool:
    """Whether a window with a group for each key costs more than finding the keys that occur more
    than once: Sail takes about 10 microseconds for each group."""
    return on_sail(spark)


@contextmanager
def without_adaptive(spark: SparkSession) -> Iterator[None]:
    """Turns off adaptive execution, which runs a job for each shuffle of a query."""
    before = spark.conf.get(_ADAPTIVE) or "true"
    spark.conf.set(_ADAPTIVE, "false")
    try:
        yield
    finally:
        spark.conf.set(_ADAPTIVE, before)
