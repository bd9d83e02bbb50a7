"""Shuffles that every engine can do: Sail has no shuffle by id, and takes no hints."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame

from data_platform.engine.connect import on_sail


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
        together = frame.repartition(*columns)
    else:
        together = frame.hint("rebalance", groups, *columns)
    return together.sortWithinPartitions(*columns)
