"""Tables of any library, as they come from and go to ordinary assets.

A frame of pandas or Polars says less of its types than a table must know: a column without a
value has none, one without rows any. Such columns take the types of the table they go to.
"""

from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import types as T
from pyspark.sql.pandas.types import from_arrow_schema

from data_platform.lake.errors import SchemaConflict
from data_platform.storage.errors import LakeError
from data_platform.tables.identity import TableId

TABLES = (
    "pyspark.DataFrame",
    "pandas.DataFrame",
    "polars.DataFrame",
    "polars.LazyFrame",
    "pyarrow.Table",
)
"""What assets return and take: the library and the class."""

# What tables lack, as the type that has the same values.
_SAME = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.int64(),
    pa.date64(): pa.date32(),
}


def arrow_of(table: TableId, frame: Any) -> pa.Table:
    """A pandas, Polars or Arrow table as Arrow; LakeError for anything else."""
    match _known(type(frame)):
        case "pyarrow.Table":
            return frame
        case "polars.DataFrame":
            return frame.to_arrow()
        case "polars.LazyFrame":
            return frame.collect().to_arrow()
        case "pandas.DataFrame":
            return pa.Table.from_pandas(_with_named_index(table, frame), preserve_index=False)
    raise LakeError(
        f"{table}: the asset returned {_name(type(frame))}, which is not a table; return one of "
        f"{', '.join(TABLES)}"
    )


def _with_named_index(table: TableId, frame: Any) -> Any:
    """A level of the index that has a name is a column, as after `groupby`; one without has
    nothing but row numbers, as a rule, and is left out."""
    names = [name for name in frame.index.names if name is not None]
    if both := [str(name) for name in names if name in frame.columns]:
        raise LakeError(
            f"{table}: {', '.join(both)} is both a column and a level of the index of the pandas "
            "table; return frame.reset_index(drop=True), or rename one"
        )
    return frame.reset_index(level=names) if names else frame


def _known(kind: Any) -> str | None:
    """Which of TABLES a class is, or is derived from; None for none."""
    for base in getattr(kind, "__mro__", ()):
        name = f"{base.__module__.split('.')[0]}.{base.__name__}"
        if name in TABLES and not base.__module__.startswith("pyspark.pandas"):
            return name
    return None


def _name(kind: Any) -> str:
    module = getattr(kind, "__module__", "builtins")
    name = getattr(kind, "__qualname__", str(kind))
    return name if module == "builtins" else f"{module}.{name}"


def fitted(table: TableId, data: pa.Table, present: pa.Schema | None) -> pa.Table:
    """`data` with the types it must have, where a library could not say or has no such thing.

    `present` is the table's schema, None for a new one. Raises SchemaConflict where nothing says
    what type a column has, or where a value is none of it.
    """
    columns = []
    for field in data.schema:
        column = data.column(field.name)
        known = present.field(field.name).type if present and field.name in present.names else None
        kind = _kind(table, field, known, rows=data.num_rows)
        if known == pa.date32() and pa.types.is_timestamp(kind) and _midnights(column):
            kind = pa.date32()
        if kind != field.type:  # what is empty can be anything, what is not may not fit
            column = _cast(table, field.name, column, kind)
        columns.append(column)
    return pa.table(columns, names=data.schema.names)


def _kind(table: TableId, field: pa.Field, known: pa.DataType | None, *, rows: int) -> pa.DataType:
    if known is not None and (rows == 0 or pa.types.is_null(field.type)):
        return known
    if pa.types.is_null(field.type):
        raise SchemaConflict(
            f"{table}: column {field.name} has no value in any row, and the table has no such "
            "column yet that would say its type; cast it"
        )
    if pa.types.is_timestamp(field.type):
        return pa.timestamp("us", field.type.tz)
    return _SAME.get(field.type, field.type)


def _cast(table: TableId, name: str, column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if not len(column):
        return pa.chunked_array([], kind)
    try:
        return column.cast(kind)
    except pa.ArrowInvalid as error:
        raise SchemaConflict(
            f"{table}: column {name} has a value that is no {kind}: {error}"
        ) from (error)


def _midnights(column: pa.ChunkedArray) -> bool:
    """Whether every moment is the beginning of a day: how pandas has a column of dates."""
    days = column.cast(pa.date32(), safe=False).cast(column.type, safe=False)
    return column.equals(days)


def _pandas_of(table: TableId, frame: DataFrame) -> Any:
    try:
        return frame.toPandas()
    except (ValueError, OverflowError) as error:  # a date's, or (ArrowInvalid) a moment's
        kinds = (T.DateType, T.TimestampType, T.TimestampNTZType, T.StructType, T.ArrayType)
        timed = [
            each.name for each in frame.schema if isinstance(each.dataType, (*kinds, T.MapType))
        ]
        if not timed:
            raise
        raise LakeError(
            f"{table}: pandas cannot have a value of this table ({error}); of its columns "
            f"{', '.join(timed)} can hold dates and moments: annotate the input with "
            "pyarrow.Table, a Polars table or nothing, or let what writes the table leave such "
            "values out"
        ) from error


def spark_schema_of(data: pa.Table) -> T.StructType:
    """Spark's schema of an Arrow table."""
    return from_arrow_schema(data.schema, prefer_timestamp_ntz=True)


def converted(table: TableId, frame: DataFrame, wanted: Any) -> Any:
    """A Spark DataFrame as the table that a parameter's annotation names; itself without one.

    Raises LakeError for an annotation that names no table, and for a date or moment that pandas
    does not have.
    """
    if wanted in (None, Any, object):
        return frame
    match _known(wanted):
        case "pyspark.DataFrame":
            return frame
        case "pandas.DataFrame":
            return _pandas_of(table, frame)
        case "pyarrow.Table":
            return frame.toArrow()
        case "polars.DataFrame" | "polars.LazyFrame" as name:
            import polars as pl  # imported only when asked for

            read = pl.from_arrow(frame.toArrow())
            return read.lazy() if name == "polars.LazyFrame" else read  # type: ignore[union-attr]
    raise LakeError(
        f"{table}: an input is annotated with {_name(wanted)}, which is not a table; annotate it "
        f"with one of {', '.join(TABLES)}, or with nothing for a Spark DataFrame"
    )
