"""The scripts that the platform is compared with make the tables that the shop's rules say."""

import csv
from collections import Counter
from datetime import date
from pathlib import Path

import duckdb
import pytest
from pyspark.sql import SparkSession

from benchmarks import duck, plain
from data_platform.demo.generator import generate
from data_platform.domains.retail.contracts import CustomerSegment, DailySales, ProductDemand
from data_platform_tests.support.retail import oracle, rules

GOLD = {contract.name: contract for contract in (DailySales, CustomerSegment, ProductDemand)}


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two months without what only the platform takes: other files, and rows to quarantine."""
    root = tmp_path_factory.mktemp("files")
    manifest = generate(root, seed=3, months=2)
    for key in (*manifest.failed, *manifest.unknown):
        (root / key).unlink()
    folder = root / "online_retail"
    for file in folder.iterdir():
        file.write_text(_without_rejected(file), "utf-8", newline="")
    return folder


def _without_rejected(file: Path) -> str:
    text = file.read_bytes().decode()
    rows = oracle.parse(text.removeprefix("\ufeff"), key="", day=date.fromisoformat(file.name[:10]))
    kept = [True, *(oracle.judge(row)[0] is not None for row in rows)]
    lines, records, start = text.splitlines(keepends=True), [], 0
    reader = csv.reader(lines)
    for _ in reader:
        records.append("".join(lines[start : reader.line_num]))
        start = reader.line_num
    return "".join(record for record, keep in zip(records, kept, strict=True) if keep)


def test_the_duckdb_script_makes_the_same_tables(landing: Path, tmp_path: Path) -> None:
    rows = duck.pipeline(landing, tmp_path, threads=2)

    require_the_rules(landing, tmp_path)
    assert rows == {name.name: len(_rows(name, "*")) for name in tmp_path.iterdir()}


@pytest.mark.spark_only("Sail has no _metadata columns")
def test_the_plain_spark_script_makes_the_same_tables(
    spark: SparkSession, landing: Path, tmp_path: Path
) -> None:
    plain.pipeline(spark, landing, tmp_path)

    require_the_rules(landing, tmp_path)


def require_the_rules(landing: Path, made: Path) -> None:
    """Every layer has the rows of an independent computation."""
    silver = oracle.silver(oracle.read(landing.parent))
    lines = silver.published
    assert silver.duplicates and not silver.quarantined
    assert len(_rows(made / "bronze", "day")) == silver.received
    assert Counter(_rows(made / "silver", ", ".join(oracle.Line._fields))) == Counter(lines)

    rules.require_gold(
        lambda name: _rows(made / name, ", ".join(column.name for column in GOLD[name].columns)),
        lines,
    )


def _rows(table: Path, columns: str) -> list[tuple]:
    files = f"read_parquet('{table}/**/*.parquet', hive_partitioning = true)"
    with duckdb.connect() as database:
        return database.sql(f"SELECT {columns} FROM {files}").fetchall()
