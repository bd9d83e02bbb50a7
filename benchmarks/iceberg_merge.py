"""The baseline of merging: Iceberg's own MERGE INTO, in its own JVM with its runtime jar.

As a script it answers requests on standard input, one per line: `load PATH` creates the tables from
a Parquet file, `merge MODE PATH` merges another file into the table of that mode, and
`digest MODE` gives the table's digest.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.one_partition import process_env
from data_platform.engine.session import prepare_environment, spark_config
from data_platform.settings.environment import settings_from_env
from data_platform.settings.model import CHECKOUT, Settings

MODES = ("copy-on-write", "merge-on-read")
_READY = "ready: "


class IcebergMerge:
    """The script as a process; the seconds it returns are those of the statement alone."""

    def __init__(self, settings: Settings, jar: Path) -> None:
        arguments = ["--home", settings.home, "--jar", jar, "--memory", settings.spark_memory]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.iceberg_merge", *map(str, arguments)],
            env=process_env(settings),
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def load(self, path: Path) -> None:
        self._ask(f"load {path}")

    def merge(self, mode: str, path: Path) -> float:
        return float(self._ask(f"merge {mode} {path}"))

    def digest(self, mode: str) -> str:
        return self._ask(f"digest {mode}")

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()

    def _ask(self, request: str) -> str:
        assert self._process.stdin and self._process.stdout
        print(request, file=self._process.stdin, flush=True)
        for line in self._process.stdout:
            if line.startswith(_READY):
                return line.removeprefix(_READY).strip()
        raise RuntimeError(f"{request}: the process ended with {self._process.wait()}")


def digest(rows: DataFrame) -> str:
    """How many rows, and the sum of their hashes; equal for equal tables."""
    columns = sorted(rows.columns)
    hashes = F.sum(F.xxhash64(*columns).cast("decimal(38,0)"))
    found = rows.agg(F.count(F.lit(1)).alias("rows"), hashes.alias("hashes")).collect()[0]
    return f"{found['rows']} rows {found['hashes']}"


def _table(mode: str) -> str:
    return f"bench.{mode.replace('-', '_')}"


def _load(spark: SparkSession, path: str) -> None:
    for mode in MODES:
        spark.sql(f"DROP TABLE IF EXISTS {_table(mode)} PURGE")
        writer = spark.read.parquet(path).writeTo(_table(mode)).using("iceberg")
        for name, value in {
            "format-version": "2",
            "write.merge.mode": mode,
            "write.parquet.compression-codec": "zstd",
            "write.parquet.compression-level": "1",
        }.items():
            writer = writer.tableProperty(name, value)
        writer.create()


def _merge(spark: SparkSession, mode: str, path: str) -> float:
    spark.read.parquet(path).createOrReplaceTempView("changes")
    started = time.perf_counter()
    spark.sql(
        f"MERGE INTO {_table(mode)} t USING changes s ON t.client = s.client "
        "WHEN MATCHED AND s.changed > t.changed THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
    )
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--jar", type=Path, required=True)
    parser.add_argument("--memory", required=True)
    args = parser.parse_args()
    settings = settings_from_env(
        {"DATA_PLATFORM_HOME": str(args.home), "DATA_PLATFORM_SPARK_MEMORY": args.memory}
    )
    prepare_environment(settings)
    iceberg: dict = {
        "spark.jars": str(args.jar),
        # its commits need more of a local file system than the raw one has
        "spark.hadoop.fs.file.impl": "org.apache.hadoop.fs.LocalFileSystem",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.catalog.bench_catalog": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.bench_catalog.type": "hadoop",
        "spark.sql.catalog.bench_catalog.warehouse": f"{args.home}/iceberg",
        "spark.sql.defaultCatalog": "bench_catalog",
    }
    spark = SparkSession.Builder().config(map={**spark_config(settings), **iceberg}).getOrCreate()
    for line in sys.stdin:
        match line.split():
            case "load", path:
                answer = _load(spark, path)
            case "merge", mode, path:
                answer = _merge(spark, mode, path)
            case "digest", mode:
                answer = digest(spark.table(_table(mode)))
            case _:
                raise ValueError(f"no request: {line}")
        print(f"{_READY}{answer}", flush=True)
    spark.stop()


if __name__ == "__main__":
    main()
