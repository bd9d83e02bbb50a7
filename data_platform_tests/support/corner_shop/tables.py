"""Sales of a corner shop in bronze, silver and gold, as a repository of its own declares them."""

from typing import Any, cast

import dagster as dg
import pandera.pyspark as pandera
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.assets import bronze, gold, silver
from data_platform.contracts.columns import column
from data_platform.contracts.declare import contract
from data_platform.landing.formats.csv import Csv
from data_platform.landing.source import Source

# pandera reads a type and its arguments from the annotation, which is no type to a type checker.
# pyright: reportInvalidTypeForm=false

DAYS = dg.DailyPartitionsDefinition("2011-03-01", end_date="2011-04-01")
TILL = Source(
    name="till",
    prefix="till/",
    pattern=r"till/(\d{4}-\d{2}-\d{2})\.csv",
    table="bronze/corner/sales",
    format=Csv(columns=("sku", "amount")),
)
RECEIVED = bronze(source=TILL, partitions=DAYS, owner="team:shop", description="Sales as received.")


@contract(
    table="silver/corner/sales",
    partition_by="day",
    key=("sku",),
    quarantine_threshold=0.5,
    owner="team:shop",
    version="1",
)
class Sale(pandera.DataFrameModel):
    """One row for each article sold on a day."""

    day: T.DateType = column(description="the day")
    sku: T.StringType = column(description="the article")
    amount: T.LongType = column(ge=0, source="amount", description="how many")


@contract(
    table="gold/corner/totals", partition_by="day", key=("day",), owner="team:shop", version="1"
)
class Total(pandera.DataFrameModel):
    """One row for each day."""

    day: T.DateType = column(description="the day")
    amount: T.LongType = column(description="articles sold")


@silver(contract=cast(Any, Sale), partitions=DAYS)
def sales(bronze: DataFrame) -> DataFrame:
    """One row for each article sold on a day."""
    return bronze.withColumn("amount", F.expr("try_cast(amount AS bigint)"))


@gold(contract=cast(Any, Total), partitions=DAYS)
def totals(sales: DataFrame) -> DataFrame:
    """How many articles were sold on each day."""
    return sales.groupBy("day").agg(F.sum("amount").alias("amount"))


TABLES = (RECEIVED, sales, totals)
# A duplicate, a rejected row, a day that its checks hold back.
LANDED = {
    "2011-03-01": ["mug,3", "cup,4", "mug,3"],
    "2011-03-02": ["mug,1", "cup,x", "pot,2"],
    "2011-03-03": ["mug,x", "cup,y", "pot,2"],
    "2011-03-04": ["mug,8"],
}
