"""A package of domains that declare as many tables as asked for, written as a person would.

A domain is a module with five chains of a source: bronze, silver and two gold tables, all daily.
"""

from datetime import date, timedelta
from pathlib import Path

FIRST = date(2015, 1, 1)
_CHAINS = 5  # in a domain
_OF_A_CHAIN = 4  # tables

_MODULE = '''"""The {domain} domain: sales of five shops."""

import dagster as dg
import pandera.pyspark as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.assets import bronze, gold, silver
from data_platform.contracts import typed
from data_platform.contracts.checks import whole
from data_platform.contracts.columns import column
from data_platform.contracts.contract import Rule
from data_platform.contracts.declare import contract
from data_platform.landing.formats.csv import Csv
from data_platform.landing.source import Source
from data_platform.quality.mapping import trailing

daily = dg.DailyPartitionsDefinition(start_date="{first}", end_date="{end}")
COLUMNS = ("Invoice", "Product", "Quantity", "Price", "Customer", "Country", "Paid", "Note")
TEAM = "team:{domain}"
'''

_CHAIN = '''

lines_{n}_received = bronze(
    source=Source(
        name="{domain}_lines_{n}",
        prefix="{domain}/lines_{n}/",
        pattern=r"^{domain}/lines_{n}/(\\d{{4}}-\\d{{2}}-\\d{{2}})([._-][^/]*)?\\.csv$",
        table="bronze/{domain}/lines_{n}",
        format=Csv(columns=COLUMNS),
    ),
    partitions=daily,
    owner=TEAM,
    description="Every row of the shop's files as received.",
)


@contract(
    table="silver/{domain}/lines_{n}",
    partition_by="day",
    key=("invoice", "product"),
    quarantine_threshold=0.01,
    owner=TEAM,
    version="1.0.0",
)
class Line{n}(pa.DataFrameModel):
    """One row per invoice and product."""

    day: T.DateType = column(description="trading day; the partition")
    invoice: T.StringType = column(
        source="Invoice", str_matches=whole("C?[0-9]{{6}}"), description="number of the invoice"
    )
    product: T.StringType = column(source="Product", description="product code")
    quantity: T.IntegerType = column(source="Quantity", ne=0, description="units")
    price: T.DecimalType(12, 3) = column(source="Price", ge=0, description="price of a unit")
    customer: T.IntegerType = column(source="Customer", nullable=True, description="customer")
    country: T.StringType = column(source="Country", description="country of the customer")


@silver(contract=Line{n}, partitions=daily)
def lines_{n}(bronze: DataFrame) -> DataFrame:
    """Lines with types."""
    return bronze.withColumns(
        {{
            "invoice": F.trim("Invoice"),
            "product": F.upper(F.trim("Product")),
            "quantity": typed.integer("Quantity"),
            "price": typed.decimal("Price", 12, 3),
            "customer": typed.integer("Customer"),
            "country": F.trim("Country"),
        }}
    )


@contract(
    table="gold/{domain}/sales_{n}",
    partition_by="day",
    key=("day", "country"),
    rules=(Rule("sold", lambda: F.col("units") > 0, "something was sold"),),
    owner=TEAM,
    version="1.0.0",
)
class Sales{n}(pa.DataFrameModel):
    """One row per day and country."""

    day: T.DateType = column(description="trading day; the partition")
    country: T.StringType = column(description="country of the customers")
    units: T.LongType = column(description="units sold")
    revenue: T.DecimalType(18, 3) = column(ge=0, description="what they cost")


@gold(contract=Sales{n}, partitions=daily)
def sales_{n}(lines_{n}: DataFrame) -> DataFrame:
    """Sales by day and country."""
    revenue = F.sum(F.col("quantity") * F.col("price")).try_cast("decimal(18,3)")
    return lines_{n}.groupBy("day", "country").agg(
        F.sum("quantity").alias("units"), revenue.alias("revenue")
    )


@contract(
    table="gold/{domain}/demand_{n}",
    partition_by="day",
    key=("day", "product"),
    owner=TEAM,
    version="1.0.0",
)
class Demand{n}(pa.DataFrameModel):
    """One row per day and product."""

    day: T.DateType = column(description="trading day; the partition")
    product: T.StringType = column(description="product code")
    units: T.LongType = column(description="units sold in the 28 days that end with it")


@gold(contract=Demand{n}, partitions=daily, ins={{"lines_{n}": trailing(days=27)}})
def demand_{n}(lines_{n}: DataFrame, partitions: tuple) -> DataFrame:
    """Units of each product in four weeks."""
    (day,) = partitions
    sold = lines_{n}.groupBy("product").agg(F.sum("quantity").alias("units"))
    return sold.withColumn("day", F.lit(day))
'''


def write_package(folder: Path, *, tables: int, days: int) -> None:
    """Write a package into the folder that declares this many tables, a multiple of 20."""
    folder.mkdir(parents=True)
    end = FIRST + timedelta(days=days)
    for number in range(tables // (_CHAINS * _OF_A_CHAIN)):
        domain = f"shop_{number}"
        text = _MODULE.format(domain=domain, first=FIRST, end=end)
        text += "".join(_CHAIN.format(domain=domain, n=n) for n in range(_CHAINS))
        (folder / f"{domain}.py").write_text(text, "utf-8")
