"""Partitions and columns of any name, from the landed file to what a reader sees."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg
import pandera.pyspark as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.assets import bronze, silver
from data_platform.contracts.columns import column
from data_platform.contracts.compile import received
from data_platform.contracts.contract import Rule
from data_platform.contracts.declare import contract
from data_platform.landing.formats.csv import Csv
from data_platform.landing.source import Source
from data_platform_tests.support.homes import Home, home_at

# pandera reads a type and its arguments from the annotation, which is no type to a type checker.
# pyright: reportInvalidTypeForm=false

KEYS = ["Île-de-France", "#1", "_hidden", "x" * 240, "a b'c", "$日本%41", "`", "1e3"]
COLUMNS = (
    "",
    "a`b",
    "*",
    "unit.price",
    "unit",
    "Temp. (°C)",
    "select",
    "日本",
    "\U0001f600",
    "a\tb",
)
REGIONS = dg.StaticPartitionsDefinition(KEYS)


@contract(
    table="silver/odd/things",
    partition_by="region",
    key=("", "a`b"),
    key_as_received=True,
    quarantine_threshold=1.0,
    rules=(Rule("not_refused", lambda: received("*") != "refused"),),
    owner="team:odd",
    version="1",
)
class Things(pa.DataFrameModel):
    """Things with odd names."""

    region: T.StringType = column(description="where")
    price: T.IntegerType = column(source="unit.price", description="what for")


ODD = Source(
    name="odd",
    prefix="odd/",
    pattern=r"odd/(\d+)\.csv",
    table="bronze/odd/things",
    format=Csv(columns=COLUMNS),
    partition=lambda number: KEYS[int(number)],
)
landed = bronze(
    source=ODD,
    partitions=REGIONS,
    partition_by="region",
    owner="team:odd",
    description="Things as received.",
)


@silver(contract=Things, partitions=REGIONS)
def things(bronze: DataFrame) -> DataFrame:
    """Things with odd names."""
    return bronze.withColumn("price", F.col("`unit.price`").try_cast("int"))


@pytest.fixture
def home(spark: SparkSession, tmp_path: Path) -> Iterator[Home]:
    with home_at(tmp_path / "home", (landed, things)) as home:
        yield home


def _file(*rows: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([COLUMNS, *rows])
    return text.getvalue().encode()


def _row(name: str, price: str, star: str = "fine") -> list[str]:
    return [name, "1", star, price, *"456789"]


@pytest.mark.spark_only("Sail has no column without a name")
def test_rows_keep_their_values_through_bronze_silver_quarantine_and_duplicates(
    home: Home,
) -> None:
    repeated, good = _row("good", "12"), _row("good", "13")  # the last received wins
    bad, refused = _row("bad", "cheap"), _row("other", "7", "refused")
    for number in range(len(KEYS)):
        home.land(f"odd/{number}.csv", _file(repeated, good, bad, refused))

    assert [ran for ran in home.run() if not ran.success] == []

    for key in KEYS:
        rows = home.read("bronze/odd/things", key).to_pylist()
        assert [[row[name] for name in COLUMNS] for row in rows] == [repeated, good, bad, refused]
        assert [row["region"] for row in rows] == [key] * 4
        (published,) = home.read("silver/odd/things", key).to_pylist()
        assert (published["region"], published["price"], published["_row_number"]) == (key, 13, 2)
        quarantined = home.read("quarantine/odd/things", key).to_pylist()
        assert {
            tuple(row[name] for name in COLUMNS): tuple(row["_reasons"]) for row in quarantined
        } == {tuple(bad): ("price.not_null", "price.typed"), tuple(refused): ("not_refused",)}
        (duplicate,) = home.read("duplicates/odd/things", key).to_pylist()
        assert [duplicate[name] for name in COLUMNS] == repeated
