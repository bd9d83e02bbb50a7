"""Find out how many tasks an engine runs at once, in a way that works for every kind of session."""

from pyspark.sql import SparkSession

# In Spark: the cores of the local machine, or of all executors. Every session's configuration can
# be read; a context exists only if this process is the driver.
PARALLELISM = "spark.default.parallelism"
_SHUFFLED = "spark.sql.shuffle.partitions"


def parallelism(spark: SparkSession) -> int:
    """How many tasks the engine runs at once, at least 1.

    `spark.default.parallelism` says so for a local session (`engine.session` sets it), and may for
    a cluster. Otherwise the number of shuffle partitions is used, which is usually set to fit the
    size of the cluster.
    """
    return int(spark.conf.get(PARALLELISM, None) or spark.conf.get(_SHUFFLED) or 1)
