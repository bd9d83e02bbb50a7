"""Which of the rows with one key is published, by how their files landed."""

import datetime as dt
import os
from pathlib import Path

import pandera.pyspark as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from data_platform.assets import bronze, gold, silver
from data_platform.contracts import typed
from data_platform.contracts.columns import column
from data_platform.contracts.declare import contract
from data_platform.landing.formats.csv import Csv
from data_platform.landing.source import Source
from data_platform_tests.support.homes import home_at
from data_platform_tests.support.small_shop import DAYS

# pandera reads a type and its arguments from the annotation, which is no type to a type checker.
# pyright: reportInvalidTypeForm=false

NAMES = ("-late", "_late", ".late", "-0", "_0", ".0")  # what a correction's file is called
_PRICES = Source(
    name="prices",
    prefix="prices/",
    pattern=r"prices/(\d{4}-\d{2}-\d{2})([._-][^/]*)?\.csv",
    table="bronze/shop/prices",
    format=Csv(columns=("sku", "price", "at")),
)
received = bronze(source=_PRICES, partitions=DAYS, owner="team:shop", description="Prices.")


@contract(
    table="silver/shop/prices", partition_by="day", key=("sku",), owner="team:shop", version="1"
)
class Price(pa.DataFrameModel):
    """One row per article and day."""

    day: T.DateType = column(description="the day")
    sku: T.StringType = column(description="the article")
    amount: T.DecimalType(5, 2) = column(source="price", description="its price")
    at: T.DateType = column(source="at", description="since when it is that")


@silver(contract=Price, partitions=DAYS)
def prices(prices: DataFrame) -> DataFrame:
    """One row per article and day."""
    return prices.withColumns({"amount": typed.decimal("price", 5, 2), "at": typed.date("at")})


@contract(
    table="gold/shop/latest_prices",
    merge_on=("sku",),
    latest=("at",),
    owner="team:shop",
    version="1",
)
class LatestPrice(pa.DataFrameModel):
    """One row per article."""

    sku: T.StringType = column(description="the article")
    at: T.DateType = column(description="since when it is that")
    amount: T.DecimalType(5, 2) = column(description="its price")


@gold(contract=LatestPrice, partitions=None)
def latest_prices(prices: DataFrame) -> DataFrame:
    """One row per article, as it was last said."""
    return prices


def _csv(sku: str, price: str) -> bytes:
    return f"sku,price,at\n{sku},{price},2011-03-01\n".encode()


def test_a_correction_wins_whatever_its_file_is_called_and_whichever_price_is_higher(
    spark: SparkSession, tmp_path: Path
) -> None:
    days = [f"2011-03-{n:02}" for n in range(1, len(NAMES) + 1)]
    with home_at(tmp_path, (received, prices, latest_prices)) as home:

        def land(name: str, n: int, price: str, *, minutes: int) -> None:
            key = f"prices/{days[n]}{name}.csv"
            home.land(key, _csv(f"item {n}", price))
            at = (dt.datetime.now(dt.UTC) - dt.timedelta(minutes=minutes)).timestamp()
            os.utime(home.settings.home / "landing" / key, (at, at))

        def published(table: str) -> dict[str, str]:
            return {row["sku"]: str(row["amount"]) for row in home.read(table).to_pylist()}

        for n, name in enumerate(NAMES):  # found together: the later modified of two files wins
            land("" if n % 2 else name, n, "9.00", minutes=90 - n)
            land(name if n % 2 else "", n, "5.00", minutes=30 - n)
        assert all(ran.success for ran in home.run())
        fives = {f"item {n}": "5.00" for n in range(len(NAMES))}
        assert published("silver/shop/prices") == fives
        assert published("gold/shop/latest_prices") == fives

        for n, name in enumerate(NAMES):  # found later, however old its modification is
            land(f"{name}er", n, "3.00", minutes=500 + n)
        assert all(ran.success for ran in home.run())
        threes = dict.fromkeys(fives, "3.00")
        assert published("silver/shop/prices") == threes
        assert published("gold/shop/latest_prices") == threes
