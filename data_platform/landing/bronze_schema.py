"""The columns of a bronze table: partition columns, the source's columns as received, lineage."""

import pyarrow as pa
from pyspark.sql import types as T
from pyspark.sql.pandas.types import from_arrow_type, to_arrow_schema

from data_platform.landing.source import Source
from data_platform.tables.columns import INGESTED_AT, RESCUED, ROW_NUMBER, SOURCE_OBJECT
from data_platform.tables.identity import Partitioning

_LINEAGE = (
    T.StructField(SOURCE_OBJECT, T.StringType(), False, {"comment": "key of the landed object"}),
    T.StructField(ROW_NUMBER, T.LongType(), False, {"comment": "1-based data row of the object"}),
    T.StructField(
        INGESTED_AT,
        T.TimestampType(),
        False,
        {"comment": "when the ledger first recorded this object version, UTC"},
    ),
    T.StructField(
        RESCUED, T.StringType(), True, {"comment": "JSON of what did not fit the header"}
    ),
)


def bronze_schema(source: Source, partitioning: Partitioning) -> T.StructType:
    """The Spark schema of the source's bronze table."""
    partition = (
        T.StructField(column.name, column.type, False, {"comment": "the partition"})
        for column in partitioning.columns
    )
    received = (
        T.StructField(column.name, _spark_type(column.type), True, {"comment": "as received"})
        for column in source.format.schema
    )
    return T.StructType([*partition, *received, *_LINEAGE])


def file_schema(source: Source, partitioning: Partitioning) -> pa.Schema:
    """The Arrow schema of the table's data files."""
    return to_arrow_schema(bronze_schema(source, partitioning))


def _spark_type(type_: pa.DataType) -> T.DataType:
    return from_arrow_type(type_, prefer_timestamp_ntz=True)
