"""Schemas between Spark, Arrow and Iceberg, and how a table may change.

A nullable column may be added. Anything else (a column removed, renamed or retyped) would make
published files unreadable or silently wrong, so it stops the run with the ways out.
"""

from collections.abc import Iterable

import pyarrow as pa
from pyiceberg import types as I
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.transforms import IdentityTransform
from pyspark.sql import types as T

from data_platform.lake.errors import SchemaConflict
from data_platform.tables.identity import TableId

_SIMPLE: dict[type[T.DataType], I.IcebergType] = {
    T.StringType: I.StringType(),
    T.BooleanType: I.BooleanType(),
    T.ByteType: I.IntegerType(),
    T.ShortType: I.IntegerType(),
    T.IntegerType: I.IntegerType(),
    T.LongType: I.LongType(),
    T.FloatType: I.FloatType(),
    T.DoubleType: I.DoubleType(),
    T.DateType: I.DateType(),
    T.TimestampType: I.TimestamptzType(),
    T.TimestampNTZType: I.TimestampType(),
    T.BinaryType: I.BinaryType(),
}


def _counter():
    n = 0
    while True:
        n += 1
        yield n


def _iceberg_type(spark: T.DataType, where: str, ids) -> I.IcebergType:
    match spark:
        case T.DecimalType():
            return I.DecimalType(spark.precision, spark.scale)
        case T.ArrayType():
            element_id = next(ids)
            element = _iceberg_type(spark.elementType, f"{where}[]", ids)
            return I.ListType(element_id, element, element_required=False)
        case T.StructType():
            return I.StructType(*_fields(spark, f"{where}.", ids))
    if (simple := _SIMPLE.get(type(spark))) is None:
        raise SchemaConflict(
            f"column {where}: Spark type {spark.simpleString()} has no Iceberg type here; "
            f"cast it to one of {', '.join(sorted(t().simpleString() for t in _SIMPLE))}, "
            "decimal, array or struct"
        )
    return simple


def _fields(schema: T.StructType, prefix: str, ids) -> list[I.NestedField]:
    numbered = [(next(ids), field) for field in schema.fields]
    return [
        I.NestedField(
            number,
            field.name,
            _iceberg_type(field.dataType, f"{prefix}{field.name}", ids),
            required=not field.nullable,
            doc=(field.metadata or {}).get("comment"),
        )
        for number, field in numbered
    ]


def iceberg_schema(schema: T.StructType) -> Schema:
    """The Iceberg schema with fresh field ids; column docs come from the `comment` metadata."""
    return Schema(*_fields(schema, "", _counter()))


def partition_spec(schema: Schema, columns: Iterable[str]) -> PartitionSpec:
    """Identity partitions on `columns`."""
    return PartitionSpec(
        *(
            PartitionField(schema.find_field(name).field_id, 1000 + i, IdentityTransform(), name)
            for i, name in enumerate(columns)
        )
    )


def arrow_columns_of(table: Table) -> pa.Schema:
    """The Arrow schema of a table."""
    return arrow_schema(table.schema())


def arrow_schema(schema: Schema) -> pa.Schema:
    """The Arrow schema of a data file of the table, with field ids."""
    return schema_to_pyarrow(schema)


def relaxations(present: Schema, wanted: Schema) -> list[str]:
    """The columns that are required in `present` and nullable in `wanted`."""
    required = {field.name for field in present.fields if field.required}
    return [field.name for field in wanted.fields if field.name in required and not field.required]


def additions(table: TableId, present: Schema, wanted: Schema) -> list[I.NestedField]:
    """The columns to add to `present` so that it fits `wanted`.

    Raises SchemaConflict naming the column, both types and the ways out.
    """
    new: list[I.NestedField] = []
    for field in wanted.fields:
        try:
            old = present.find_field(field.name)
        except ValueError:
            if field.required:
                raise SchemaConflict(
                    f"{table}: column {field.name} ({field.field_type}) is new and not nullable, "
                    "so the published partitions have no value for it. Ways out: declare it "
                    f"nullable=True, or {built_anew(table)}"
                ) from None
            new.append(field)
            continue
        if _shape(old.field_type) != _shape(field.field_type):
            raise SchemaConflict(
                f"{table}: column {field.name} is {old.field_type} in the table and "
                f"{field.field_type} in the contract. Ways out: keep the type, add a column of "
                "another name, or " + built_anew(table)
            )
    wanted_names = {field.name for field in wanted.fields}
    for old in present.fields:
        if old.name not in wanted_names:
            raise SchemaConflict(
                f"{table}: column {old.name} ({old.field_type}) is in the table but not (none) in "
                "the contract: it was removed or renamed. Ways out: put it back (nullable, if it "
                f"is no longer filled), or {built_anew(table)}"
            )
    return new


def built_anew(table: TableId) -> str:
    """What can be done about any difference, as the end of a message."""
    return (
        f"build it from nothing: `data-platform drop {table}`, then `data-platform run` (readers "
        "have no rows meanwhile), or under a new name."
    )


def _shape(kind: I.IcebergType) -> str:
    """A type without its field ids: two arrays of strings are the same type."""
    match kind:
        case I.ListType():
            return f"list<{_shape(kind.element_type)}>"
        case I.StructType():
            return f"struct<{','.join(f'{f.name}:{_shape(f.field_type)}' for f in kind.fields)}>"
    return str(kind)
