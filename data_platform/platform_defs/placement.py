"""Which partition each row of a function's result is for, and what becomes of those of others.

A row that names the partition it was built for is *kept*. One that names another is *context* if
that lies in what the build was given (the days before, of a table that reaches back): it is
counted. Anything else, null included, is *outside*: it goes to the quarantine of the partition it
was built for, and a check says so.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import dagster as dg
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.assets import Table
from data_platform.lake.parquet import CONTEXT, DATA, NAMED, QUARANTINE
from data_platform.lake.partition_times import TimeKeys
from data_platform.lake.table import PartitionColumn, Partitioning, PartitionValue
from data_platform.platform_defs.planning import Plan
from data_platform.quality.judge import PLACE, built_for
from data_platform.quality.mapping import EventTime, Everything, is_dimension, span_of

_INSTANT = dt.timedelta(microseconds=1)


@dataclass(frozen=True)
class Others:
    """The other partitions that rows may name: those from `first` to `last` (None: none), or
    every one of `keys` (None: whatever is not null)."""

    first: PartitionValue | None = None
    last: PartitionValue | None = None
    every: bool = False
    keys: frozenset[str] | None = None

    def has(self, scheme: Partitioning) -> Column:
        """Whether a row names one of them; null where it names none."""
        if self.every and self.keys is None:
            return reduce(Column.__and__, (F.col(name).isNotNull() for name in scheme.names))
        if self.every:
            return among(scheme, sorted(self.keys or ()))
        if self.first is None:
            return F.lit(False)
        (column,) = scheme.columns
        first, last = (sql_literal(value, column.type) for value in (self.first, self.last))
        return F.expr(f"{_quoted(column.name)} BETWEEN {first} AND {last}")


def others(table: Table, plan: Plan, keys: Iterable[str]) -> Others:
    """Of the partitions `keys`, by the inputs that they read, dimensions aside.

    Every partition where an input is read for what its rows say, or whole; else those in the time
    of the input partitions that are read.
    """
    inputs = {
        name: each.upstream.scheme
        for name, each in plan.inputs.items()
        if not is_dimension(table.scheme, table.how(name), each.upstream.scheme)
    }
    if any(isinstance(table.how(name), EventTime | Everything) for name in inputs):
        return Others(every=True, keys=_all_keys(table.partitions))
    own = table.scheme.columns[0]
    if len(table.scheme.columns) > 1 or own.times is None:
        return Others()
    read = {name: {of for key in keys for of in plan.reads[name][key]} for name in inputs}
    spans = [
        span for name, of in read.items() for each in of if (span := span_of(inputs[name], each))
    ]
    if not spans:
        return Others()
    first, last = min(start for start, _ in spans), max(end for _, end in spans) - _INSTANT
    if isinstance(own.type, T.DateType | T.TimestampType | T.TimestampNTZType):
        return Others(own.value(own.times.key(first)), own.value(own.times.key(last)))
    return Others(every=True, keys=frozenset(_keys_between(own.times, first, last)))


def _keys_between(times: TimeKeys, first: dt.datetime, last: dt.datetime) -> Iterator[str]:
    """Of texts, whose order need not be that of time."""
    while first <= last:
        yield (key := times.key(first))
        _, first = times.span(key)


def _all_keys(partitions: dg.PartitionsDefinition | None) -> frozenset[str] | None:
    """None where they are not known before they come."""
    match partitions:
        case dg.DynamicPartitionsDefinition():
            return None
        case dg.MultiPartitionsDefinition():
            dimensions = [each.partitions_def for each in partitions.partitions_defs]
            if any(isinstance(each, dg.DynamicPartitionsDefinition) for each in dimensions):
                return None
    return frozenset(partitions.get_partition_keys()) if partitions else frozenset()


def values_of(scheme: Partitioning, key: str) -> list[Column]:
    """A partition's values, as literals of the columns' types."""
    pairs = zip(scheme.values(key), scheme.columns, strict=True)
    return [F.expr(sql_literal(value, column.type)) for value, column in pairs]


def placed(
    frame: DataFrame, scheme: Partitioning, *, own: Sequence[Column], kept: Column, other: Column
) -> DataFrame:
    """Rows with their place, the partition they name where that is not `own`, and `own`: the
    partition that a row was built for."""
    place = F.when(kept, DATA).when(other, CONTEXT).otherwise(QUARANTINE)
    stated = [_text(column) for column in scheme.columns]
    named = stated[0]
    if len(stated) > 1:
        named = F.concat_ws("|", *(F.coalesce(text, F.lit("null")) for text in stated))
    columns = {
        PLACE: place,
        **{built_for(name): value for name, value in zip(scheme.names, own, strict=True)},
    }
    placed = frame.withColumns(columns)
    return placed.withColumn(NAMED, F.when(F.col(PLACE) != DATA, named))


def is_own(scheme: Partitioning, own: Sequence[Column]) -> Column:
    """Whether a row names the partition it was built for."""
    pairs = zip(scheme.names, own, strict=True)
    return reduce(Column.__and__, (F.col(name).eqNullSafe(value) for name, value in pairs))


def _text(column: PartitionColumn) -> Column:
    value = F.col(column.name)
    if isinstance(column.type, T.TimestampType | T.TimestampNTZType):
        return F.date_format(value, "yyyy-MM-dd-HH:mm")
    return value.cast("string")


def among(scheme: Partitioning, keys: Iterable[str]) -> Column:
    """Whether a row is of one of these partitions; its columns have the scheme's types.

    As one SQL expression: thousands of keys would otherwise be as many calls of the JVM for each
    of their values.
    """

    def row(values: Iterable[str]) -> str:
        return f"({', '.join(values)})"

    # Exactly the columns' types: members of rows are not coerced.
    chosen = [
        row(map(sql_literal, scheme.values(key), (c.type for c in scheme.columns))) for key in keys
    ]
    return F.expr(f"{row(map(_quoted, scheme.names))} IN {row(chosen)}") if chosen else F.lit(False)


def _quoted(name: str) -> str:
    return f"`{name.replace('`', '``')}`"


def sql_literal(value: object, type_: T.DataType) -> str:
    text = value.isoformat() if isinstance(value, dt.date) else str(value)
    # "$" as well: Spark puts the values of variables into a statement before it reads it.
    text = text.replace("\\", "\\\\").replace("'", "\\'").replace("$", "\\u0024")
    return f"CAST('{text}' AS {type_.simpleString()})"
