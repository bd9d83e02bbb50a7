"""Find out how many tasks an engine runs at once, in a way that works for every kind of session."""

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from data_platform.engine.pyspark_internals import cores

# In Spark: the cores of the local machine, or of all executors. Every session's configuration can
# be read; a context exists only if this process is the driver.
PARALLELISM = "spark.default.parallelism"
_MOST = 1 << 16  # more cores than any cluster has


def parallelism(spark: SparkSession) -> int:
    """How many tasks the engine runs at once, at least 1.

    `spark.default.parallelism` says so for a session on this machine and for a server's
    (`engine.session` and `engine.connect` set it), and may for a cluster. Otherwise it is the cores
    of a cluster's executors. The number of shuffle partitions says nothing about cores.
    """
    return int(spark.conf.get(PARALLELISM, None) or cores(spark) or counted(spark))


def counted(spark: SparkSession) -> int:
    """The same of a server that does not say, by one small job: a range has a partition for each
    core."""
    numbers = spark.range(_MOST).select(F.spark_partition_id().alias("number"))
    [row] = numbers.agg(F.max("number")).collect()
    return row[0] + 1
