"""Convert between a contract's column types and Spark's."""

from pyspark.sql import types as T

from data_platform.contracts.contract import Contract
from data_platform.contracts.spec import ColumnType
from data_platform.tables.columns import INGESTED_AT, ROW_NUMBER, SOURCE_OBJECT

_LINEAGE_FIELDS = (
    T.StructField(
        SOURCE_OBJECT, T.StringType(), False, {"comment": "key of the landed object of this row"}
    ),
    T.StructField(
        ROW_NUMBER, T.LongType(), False, {"comment": "1-based data row within that object"}
    ),
    # Nullable, since older tables have rows without it.
    T.StructField(
        INGESTED_AT, T.TimestampType(), True, {"comment": "when that object arrived, UTC"}
    ),
)
_ARRIVAL_FIELDS = tuple(
    T.StructField(f.name, f.dataType, True, f.metadata) for f in _LINEAGE_FIELDS
)


def schema_of(contract: Contract) -> T.StructType:
    """The table's columns in order, lineage last; descriptions are the fields' comments."""
    fields = [
        T.StructField(
            column.name,
            spark_type(column.type),
            column.nullable,
            {"comment": column.description} if column.description else {},
        )
        for column in contract.columns
    ]
    own = _LINEAGE_FIELDS if contract.lineage else _ARRIVAL_FIELDS if contract.arrival else ()
    return T.StructType([*fields, *own])


def spark_type(type_: ColumnType) -> T.DataType:
    field = {"name": "", "type": type_.described, "nullable": True, "metadata": {}}
    return T.StructField.fromJson(field).dataType


def column_type(type_: T.DataType) -> ColumnType:
    return ColumnType(type_.simpleString(), type_.json())
