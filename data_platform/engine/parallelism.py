"""How much an engine does at once, asked of a session by what every kind of session answers."""

from pyspark.sql import SparkSession

# Spark: the cores of the local machine, or those of all executors. A session's configuration
# can be read whoever executes; its context is only there where that is this process.
PARALLELISM = "spark.default.parallelism"
_SHUFFLED = "spark.sql.shuffle.partitions"


def parallelism(spark: SparkSession) -> int:
    """How many tasks the engine runs at once, at least 1.

    A local session is told so when it starts (`engine.session`), and a cluster's may be, by
    `spark.default.parallelism`. One that does not say is taken to run as many as its shuffles have
    partitions, which whoever sizes a cluster sets.
    """
    return int(spark.conf.get(PARALLELISM, None) or spark.conf.get(_SHUFFLED) or 1)
