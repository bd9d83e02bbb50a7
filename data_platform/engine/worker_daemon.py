"""Spark's Python daemon, which imports what every worker needs once, before it forks.

A worker that imports it itself starts most of a second later, for each core and again after each
idle minute. Beyond `pyspark.daemon`'s own imports, `mapInArrow` and the landing parser need PyArrow
and nothing heavier (no pandas). Set as `spark.python.daemon.module`.
"""

import pyarrow
import pyarrow.csv
import pyarrow.parquet  # noqa: F401
from pyspark.daemon import manager

if __name__ == "__main__":
    manager()
