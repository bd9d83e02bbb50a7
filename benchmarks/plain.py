"""The baseline: the same tables from the same files in plain, idiomatic PySpark.

Spark's CSV reader, the domain's own transformations, each layer written with `partitionBy` and
read back from Parquet; no contract, no quarantine, no ledger, no commit. As a script (`python -m
benchmarks.plain`) it starts a session with the platform's settings, so that the JVM is the same.

What a careful author would do is done: rows of a day are brought together once, by a shuffle that
serves both the removal of repeats and the write, and Parquet is compressed at the same level.
"""

import argparse
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.contracts.contract import Contract
from data_platform.domains.retail import gold, silver
from data_platform.domains.retail.contracts import (
    CustomerSegment,
    DailySales,
    OrderLine,
    ProductDemand,
)
from data_platform.domains.retail.landing import COLUMNS
from data_platform.domains.retail.partitions import monthly
from data_platform.engine.session import start_session
from data_platform.settings.environment import settings_from_env

_DAY = r"(\d{4}-\d{2}-\d{2})[^/]*\.csv$"
_RECEIVED = T.StructType([T.StructField(name, T.StringType()) for name in COLUMNS])
LEVEL = {"parquet.compression.codec.zstd.level": "1"}


def pipeline(
    spark: SparkSession,
    landing: Path,
    target: Path,
    *,
    partitioned: bool = True,
    months: bool = True,
) -> None:
    """Landed files to gold. `months`: with the monthly table."""
    by = "day" if partitioned else None
    bronze = _table(spark, received(spark, landing), target / "bronze", by)
    lines = _table(spark, order_lines(bronze), target / "silver", by)
    days = tuple(row.day for row in lines.select("day").distinct().collect())
    _table(spark, gold.daily_sales(lines), target / "daily_sales", by, DailySales)
    demand = gold.product_demand(lines, partitions=days)
    _table(spark, demand, target / "product_demand", by, ProductDemand)
    if months:
        present = {day.replace(day=1) for day in days}
        keys = monthly.get_partition_keys()
        chosen = tuple(m for m in sorted(present) if m.isoformat() in keys)
        segments = gold.customer_segments(lines, partitions=chosen)
        by_month = "month" if partitioned else None
        _table(spark, segments, target / "customer_segments", by_month, CustomerSegment)


def received(spark: SparkSession, landing: Path) -> DataFrame:
    """Every row of the files as strings, with its day and file. Spark has no row number."""
    rows = spark.read.schema(_RECEIVED).csv(
        f"{landing}/*.csv", header=True, multiLine=True, escape='"'
    )
    file = F.col("_metadata.file_path")
    return rows.withColumns(
        {
            "day": F.regexp_extract(file, _DAY, 1).cast("date"),
            "_source_object": file,
        }
    )


def order_lines(bronze: DataFrame) -> DataFrame:
    """Typed as the platform types them, each key once."""
    alike = ["day", *(f"_key{n}" for n in range(len(COLUMNS)))]
    keys = {name: F.col(column) for name, column in zip(alike[1:], COLUMNS, strict=True)}
    typed = silver.order_lines(bronze.repartition("day").withColumns(keys))
    return typed.dropDuplicates(alike).select(*_names(OrderLine), "_source_object")


def _names(contract: Contract) -> list[str]:
    return [column.name for column in contract.columns]


def _table(
    spark: SparkSession,
    frame: DataFrame,
    path: Path,
    by: str | None,
    contract: Contract | None = None,
) -> DataFrame:
    if contract:
        frame = frame.select(*_names(contract))
        frame = frame.repartition(by) if by else frame
    frame.write.options(**LEVEL).parquet(str(path), partitionBy=by)
    return spark.read.schema(frame.schema).parquet(str(path))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--landing", type=Path, required=True)
    parser.add_argument("--target", type=Path, required=True)
    parser.add_argument("--memory", default="4g")
    parser.add_argument("--one-day", action="store_true", help="without the monthly table")
    args = parser.parse_args()
    settings = settings_from_env(
        {
            "DATA_PLATFORM_HOME": str(args.target),
            "DATA_PLATFORM_SPARK": "local[*]",
            "DATA_PLATFORM_SPARK_MEMORY": args.memory,
        }
    )
    spark = start_session(settings)
    pipeline(spark, args.landing, args.target, months=not args.one_day)
    spark.stop()


if __name__ == "__main__":
    main()
