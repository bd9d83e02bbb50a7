"""Spark's Python daemon, with the imports every worker needs made once, before it forks.

A worker that imports them itself starts most of a second later, for each core and again after
each idle minute. `mapInArrow` and the landing parser import PyArrow and nothing heavier (pandas
is not among it), on top of what `pyspark.daemon` brings. Named by `spark.python.daemon.module`.
"""

import pyarrow
import pyarrow.csv
import pyarrow.parquet  # noqa: F401
from pyspark.daemon import manager

if __name__ == "__main__":
    manager()
