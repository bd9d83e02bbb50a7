"""The baseline of the backfill: one job for the year that does the same work, without partitions.

Plain PySpark again, but with all that the platform promises of rows: the contract's rules, the
quarantine with its reasons, the duplicates with the row that each repeats. Rows get a number, as
lineage needs one. No table has partitions, so nothing is sorted or split by day.
"""

import dataclasses
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.plain import LEVEL, received
from data_platform.contracts.contract import Contract
from data_platform.contracts.schema import schema_of
from data_platform.domains.retail import gold, silver
from data_platform.domains.retail.contracts import (
    CustomerSegment,
    DailySales,
    OrderLine,
    ProductDemand,
)
from data_platform.engine.parallelism import parallelism
from data_platform.quality.judge import judged, with_received
from data_platform.tables.outcomes import DATA, OUTCOME


def pipeline(spark: SparkSession, landing: Path, target: Path) -> None:
    """Landed files to gold, judged."""
    numbered = (
        received(spark, landing)
        .withColumn("_row_number", F.monotonically_increasing_id())
        .withColumn("_rescued", F.lit(None).cast("string"))
        .withColumn("_ingested_at", F.current_timestamp())
    )
    bronze = _table(spark, numbered, target / "bronze")
    typed = silver.order_lines(with_received(bronze))
    lines = _judged(spark, typed, target / "silver", OrderLine)
    days = tuple(row.day for row in lines.select("day").distinct().collect())
    months = tuple(sorted({day.replace(day=1) for day in days}))
    _judged(spark, gold.daily_sales(lines), target / "daily_sales", DailySales)
    demand = gold.product_demand(lines, partitions=days)
    _judged(spark, demand, target / "product_demand", ProductDemand)
    segments = gold.customer_segments(lines, partitions=months)
    _judged(spark, segments, target / "customer_segments", CustomerSegment)


def _judged(spark: SparkSession, frame: DataFrame, path: Path, contract: Contract) -> DataFrame:
    """Written to a folder for each outcome: published, quarantined, duplicate."""
    whole = dataclasses.replace(contract, partition_by=())
    tasks = parallelism(spark)
    rows = judged(frame, whole, tasks=tasks, shares=F.lit(tasks))
    rows.write.options(**LEVEL).parquet(str(path), partitionBy=OUTCOME)
    return spark.read.schema(schema_of(contract)).parquet(f"{path}/{OUTCOME}={DATA}")


def _table(spark: SparkSession, frame: DataFrame, path: Path) -> DataFrame:
    frame.write.options(**LEVEL).parquet(str(path))
    return spark.read.schema(frame.schema).parquet(str(path))
