"""Make the archive of loaded classes that lets a Spark session start in half the time.

A class data sharing archive holds the JVM classes that one session loaded, ready to map. The
work below loads what the platform's own steps load. The JVM writes the archive as it exits.
Called by tools/bootstrap.sh; `data_platform.engine.session` uses the archive when it is there.
"""

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, Observation, SparkSession, Window
from pyspark.sql import functions as F

from data_platform.engine.session import CLASS_ARCHIVE, prepare_environment, spark_config
from data_platform.settings.engine import Engine
from data_platform.settings.environment import settings_at


def main() -> int:
    CLASS_ARCHIVE.unlink(missing_ok=True)
    unfinished = CLASS_ARCHIVE.with_suffix(".part")
    unfinished.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as home:
        settings = settings_at(home, spark=Engine("local[*]"))
        config = spark_config(settings)
        config["spark.driver.extraJavaOptions"] += (
            f' "-XX:ArchiveClassesAtExit={unfinished}" -Xlog:disable'
        )
        prepare_environment(settings)
        spark = SparkSession.Builder().config(map=dict(config)).getOrCreate()
        _exercise(spark, Path(home))
        _stop_and_wait(spark)
    if not unfinished.exists():
        print("This Java wrote no class archive; Spark sessions work, but start slower.")
        return 0
    unfinished.rename(CLASS_ARCHIVE)
    return 0


def _exercise(spark: SparkSession, directory: Path) -> None:
    """Types, rules, a window, an aggregate, a join, Parquet both ways, Python and observation."""
    raw = spark.range(100).select(
        F.col("id").cast("string").alias("number"),
        F.lit("2011-03-04 10:00:00").alias("at"),
        F.lit(" 1.5 ").alias("price"),
    )
    number = F.col("number").try_cast("int")
    typed = raw.withColumns(
        {
            "number": F.when(F.col("number").rlike("[0-9]+"), number),
            "at": F.col("at").try_cast("timestamp_ntz"),
            "price": F.trim("price").try_cast("decimal(12,3)"),
            "_received": F.struct("number", "price"),
            "_reasons": F.filter(F.array(F.when(number > 90, "large")), lambda r: r.isNotNull()),
        }
    ).withColumn("day", F.to_date("at"))
    first = Window.partitionBy("_received").orderBy("number")
    judged = typed.withColumn("rank", F.row_number().over(first))
    counts = Observation("counts")
    path = str(directory / "table")
    judged.observe(counts, F.count("*").alias("rows")).withColumn("_p", F.col("day")).write.parquet(
        path, partitionBy=["_p"]
    )
    assert counts.get["rows"] == 100
    table = spark.read.schema(judged.schema).parquet(path)
    per_day = table.groupBy("day").agg(F.sum("price"), F.count_distinct("number"), F.stddev("rank"))
    table.join(per_day, "day").unionByName(table, allowMissingColumns=True).count()
    per_day.toArrow()
    _through_python(table.select("number")).collect()


def _through_python(frame: DataFrame) -> DataFrame:
    def same(batches: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
        yield from batches

    return frame.mapInArrow(same, frame.schema)


def _stop_and_wait(spark: SparkSession) -> None:
    gateway: Any = spark.sparkContext._gateway
    spark.stop()
    gateway.shutdown()
    # The JVM exits when its standard input closes, and writes the archive then.
    gateway.proc.stdin.close()
    gateway.proc.wait(timeout=120)


if __name__ == "__main__":
    sys.exit(main())
