"""Evaluate `partition_expr`, which says to which partition a row of an ordinary asset belongs.

It is an SQL expression over the result's columns, or one for each dimension:

    metadata={"partition_expr": "CAST(time AS DATE)"}
    metadata={"partition_expr": {"date": "CAST(time AS DATE)", "shop": "shop"}}

A row belongs to a time partition if the value of the expression lies within it; a date counts as
its midnight, and a timestamp without a zone is in the partitions' time zone. It belongs to any
other partition if the value, as text, is the partition's key.

A column whose values map to partitions one to one is used as the table's partition column. For
anything else the table stores the partition in an extra column, which assets do not get back.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import dagster as dg
import pyarrow as pa
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_type

from data_platform.platform_defs.frames import spark_schema_of
from data_platform.platform_defs.row_partitions import Wanted
from data_platform.storage.errors import LakeError
from data_platform.tables.identity import PartitionColumn, TableId
from data_platform.tables.partition_times import TimeKeys

PARTITION_EXPR = "partition_expr"  # Dagster's own name for it
_STORED = "_partition"  # prefix of the extra columns that hold partitions
_EPOCH = dt.datetime(1970, 1, 1)
_MICROSECOND = dt.timedelta(microseconds=1)
_MIDNIGHT, _DAILY = "0 0 ", "0 0 * * *"  # in cron's words
_TIMES = (T.DateType, T.TimestampType, T.TimestampNTZType)


@dataclass(frozen=True)
class Dimension:
    """A dimension of the partitions being written; `name` is empty if it is the only one."""

    name: str
    expression: str
    definition: dg.PartitionsDefinition
    keys: tuple[str, ...]

    @property
    def stored(self) -> str:
        """The extra column that holds the partition if no column of the result does."""
        return f"{_STORED}_{self.name}" if self.name else _STORED

    @property
    def times(self) -> TimeKeys | None:
        """How the keys of times are written; None if the partitions are not times."""
        if isinstance(self.definition, dg.TimeWindowPartitionsDefinition):
            return TimeKeys.of(self.definition)
        return None

    @property
    def stored_type(self) -> T.DataType:
        """The type of the `stored` column."""
        if self.times is None:
            return T.StringType()
        at_midnight = self.times.cron.startswith(_MIDNIGHT)
        return T.DateType() if at_midnight else T.TimestampType()

    def is_named_by(self, kind: T.DataType) -> bool:
        """Whether values of this type map to partitions one to one."""
        if isinstance(kind, T.StringType | T.IntegerType | T.LongType):
            return True
        return isinstance(kind, T.DateType) and bool(self.times and self.times.cron == _DAILY)

    def wanted(self, kind: T.DataType) -> Wanted:
        """The partitions being written, for values of this type."""
        column = PartitionColumn(self.stored, self.stored_type, self.times)
        if self.times is None or not isinstance(kind, _TIMES):
            keys, bounds = self.keys, ((), ())
        else:
            spans = {key: self.times.span(key) for key in self.keys}
            keys = tuple(sorted(spans, key=lambda key: _instant(spans[key][0])))
            moment = _instant if isinstance(kind, T.TimestampType) else _clock
            bounds = tuple(zip(*(map(moment, spans[key]) for key in keys), strict=True))
        held = tuple(map(column.value, keys))
        return Wanted(keys, held, to_arrow_type(column.type), *bounds)


def _instant(moment: dt.datetime) -> int:
    return (moment.astimezone(dt.UTC).replace(tzinfo=None) - _EPOCH) // _MICROSECOND


def _clock(moment: dt.datetime) -> int:
    return (moment.replace(tzinfo=None) - _EPOCH) // _MICROSECOND


def dimensions(context: dg.OutputContext) -> tuple[Dimension, ...]:
    """The dimensions of the asset's partitions, in the order of the key's parts; empty without
    partitions. Raises LakeError if the asset has no `partition_expr` for them.
    """
    if not (context.has_asset_key and context.has_asset_partitions):
        return ()
    asset = context.asset_key.to_user_string()
    given = (context.definition_metadata or {}).get(PARTITION_EXPR)
    definition, keys = context.asset_partitions_def, context.asset_partition_keys
    if not isinstance(definition, dg.MultiPartitionsDefinition):
        if not isinstance(given, str):
            raise LakeError(
                f"asset {asset} is partitioned but does not say which partition a row is of: "
                '@dg.asset(metadata={"partition_expr": "day"}), a column or an SQL expression'
            )
        return (Dimension("", given, definition, tuple(keys)),)
    names = [dimension.name for dimension in definition.partitions_defs]
    if not (isinstance(given, Mapping) and set(given) == set(names)):
        example = ", ".join(f'"{name}": "..."' for name in names)
        raise LakeError(
            f"asset {asset} is partitioned by {' and '.join(names)}: say of each which partition a "
            f'row is of, @dg.asset(metadata={{"partition_expr": {{{example}}}}}), with a column or '
            "an SQL expression"
        )
    parts = [definition.get_partition_key_from_str(key).keys_by_dimension for key in keys]
    return tuple(
        Dimension(
            each.name,
            given[each.name],
            each.partitions_def,
            tuple(dict.fromkeys(part[each.name] for part in parts)),
        )
        for each in definition.partitions_defs
    )


def partitioned(
    table: TableId,
    data: DataFrame | pa.Table,
    of: tuple[Dimension, ...],
    spark: Callable[[], SparkSession],
) -> tuple[DataFrame | pa.Table, tuple[str, ...]]:
    """`data` with the columns that hold each row's partition, and their names in order.

    They are null in rows of no wanted partition. Expressions are Spark SQL whatever library made
    the table; a plain column needs no session. Raises LakeError if one cannot be evaluated.
    """
    names = data.columns if isinstance(data, DataFrame) else data.column_names
    if taken := [name for name in names if is_stored(name)]:
        raise LakeError(
            f"{table}: the asset's result has a column {taken[0]}; names that begin so are kept "
            "for the partitions that the table stores beside its rows; rename it"
        )
    known = {name.lower() for name in names}
    columns = [dimension.expression for dimension in of if dimension.expression.isidentifier()]
    if missing := [name for name in columns if name.lower() not in known]:
        raise LakeError(
            f"{table}: partition_expr names {', '.join(missing)}, which the asset's result "
            f"has no column for; it has {', '.join(names)}"
        )
    if isinstance(data, pa.Table):
        if all(dimension.expression in names for dimension in of):
            return _of_arrow(data, of)
        data = spark().createDataFrame(data, spark_schema_of(data))
    return _of_frame(table, data, of)


def is_stored(name: str) -> bool:
    """Whether a column is an extra one that holds partitions."""
    return name == _STORED or name.startswith(f"{_STORED}_")


def _of_arrow(data: pa.Table, of: tuple[Dimension, ...]) -> tuple[pa.Table, tuple[str, ...]]:
    columns, schema = [], spark_schema_of(data)
    for dimension in of:
        kind = schema[dimension.expression].dataType
        if dimension.is_named_by(kind):
            columns.append(dimension.expression)
            continue
        values = data.column(dimension.expression).combine_chunks()
        data = data.append_column(dimension.stored, dimension.wanted(kind).of(values))
        columns.append(dimension.stored)
    return data, tuple(columns)


def _of_frame(
    table: TableId, frame: DataFrame, of: tuple[Dimension, ...]
) -> tuple[DataFrame, tuple[str, ...]]:
    columns, names = [], frame.columns
    for dimension in of:
        value = _value(dimension.expression, names)
        kind = _type(table, frame, dimension.expression, value)
        if dimension.expression in names and dimension.is_named_by(kind):
            columns.append(dimension.expression)
            continue
        held = _held(dimension.wanted(kind), dimension.stored_type, value)
        frame = frame.withColumn(dimension.stored, held)
        columns.append(dimension.stored)
    return frame, tuple(columns)


def _held(wanted: Wanted, kind: T.DataType, value: Column) -> Column:
    def of(values: pa.Array) -> pa.Array:
        return wanted.of(values)

    return F.arrow_udf(of, kind)(value)  # type: ignore[call-overload]


def _value(expression: str, names: list[str]) -> Column:
    """The expression as a column; a column's name is taken as it is, even if SQL would parse it."""
    if expression in names:
        return F.col(f"`{expression.replace('`', '``')}`")
    return F.expr(expression)


def _type(table: TableId, frame: DataFrame, expression: str, value: Column) -> T.DataType:
    try:
        return frame.withColumn(_STORED, value).schema[_STORED].dataType
    except PySparkException as error:
        raise LakeError(
            f"{table}: partition_expr {expression!r} cannot be evaluated over the columns "
            f"{', '.join(frame.columns)}: {str(error).splitlines()[0]}"
        ) from error
