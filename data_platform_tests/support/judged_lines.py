"""Contracts of lines with lineage and of totals without, and lines as received and typed."""

import datetime as dt

import pandera.pyspark as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.contracts.columns import column
from data_platform.contracts.compile import received
from data_platform.contracts.contract import Rule
from data_platform.contracts.declare import contract
from data_platform.quality.judge import with_received

# pandera reads a type and its arguments from the annotation, which is no type to a type checker.
# pyright: reportInvalidTypeForm=false

DAY = dt.date(2011, 3, 4)
RECEIVED = "day date, Name string, Amount string, _source_object string, _row_number bigint"


@contract(
    table="silver/shop/lines",
    partition_by="day",
    key=("Name", "Amount"),
    key_as_received=True,
    rules=(
        Rule("not_refused", lambda: received("Name") != "refused"),
        Rule("large", lambda: F.col("amount") < 100, severity="warning"),
    ),
    owner="team:shop",
    version="1",
)
class Lines(pa.DataFrameModel):
    """Lines."""

    day: T.DateType = column()
    name: T.StringType = column(nullable=True)
    amount: T.IntegerType = column(source="Amount", ge=0, ne=7)


@contract(
    table="gold/shop/totals",
    partition_by="day",
    key=("day", "name"),
    owner="team:shop",
    version="1",
)
class Totals(pa.DataFrameModel):
    """Totals."""

    day: T.DateType = column()
    name: T.StringType = column(nullable=True)
    total: T.LongType = column(ge=0)


def received_lines(
    spark: SparkSession, *rows: tuple[str | None, str | None, str, int]
) -> DataFrame:
    """Name, amount, object and row number of each line, all of one day."""
    return spark.createDataFrame([(DAY, *row) for row in rows], RECEIVED)


def typed_lines(bronze: DataFrame) -> DataFrame:
    """As an author would type them for `Lines`."""
    return with_received(bronze).withColumns(
        {"name": F.col("Name"), "amount": F.col("Amount").try_cast("int")}
    )
