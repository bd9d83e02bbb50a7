"""Compare the partition that a row names with the one it was built for.

A row that names the partition it was built for is *kept*. One that names another partition is
*context* if the build was given that one too (the days before, in a table that reaches back): it is
only counted. Any other row, also with null, is *outside*: it goes to the quarantine of the
partition it was built for, and a check reports it.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import dagster as dg
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.assets import JudgedTable
from data_platform.build.planning import Plan
from data_platform.quality.judge import built_for
from data_platform.quality.mapping import EventTime, Everything
from data_platform.quality.windows import is_dimension, span_of
from data_platform.quality.winners import PLACE
from data_platform.tables.calendars import Calendar
from data_platform.tables.identity import PartitionColumn, Partitioning
from data_platform.tables.outcomes import CONTEXT, DATA, NAMED, QUARANTINE
from data_platform.tables.partition_columns import dimensions_of

_INSTANT = dt.timedelta(microseconds=1)
_TIMES = (T.DateType, T.TimestampType, T.TimestampNTZType)
_LATEST = dt.date(9999, 12, 30)  # the last day that exists in every time zone up to year 9999


@dataclass(frozen=True)
class Times:
    """The values of a time column that name a partition of the calendar that begins at `start` or
    later and before `end` (None: no end)."""

    calendar: Calendar
    start: dt.datetime
    end: dt.datetime | None

    def has(self, column: PartitionColumn) -> Column:
        """Whether a row names one of these partitions in the column."""
        value = F.col(_quoted(column.name))
        if not isinstance(column.type, _TIMES):
            return self._named(column, value)
        assert column.times is not None
        first = column.value(column.times.key(self.start))
        last = column.value(column.times.key(self.end - _INSTANT)) if self.end else _LATEST
        low, high = (sql_literal(each, column.type) for each in (first, last))
        within = F.expr(f"{_quoted(column.name)} BETWEEN {low} AND {high}")
        if first == last or self._is_of_days(column):
            return within
        return within & self._named(column, F.when(within, value))

    def _is_of_days(self, column: PartitionColumn) -> bool:
        """Whether every date names a partition."""
        daily = self.calendar.definition.cron_schedule.split()[2:] == ["*", "*", "*"]
        excluded = self.calendar.definition.exclusions
        return daily and not excluded and isinstance(column.type, T.DateType)

    def _named(self, column: PartitionColumn, value: Column) -> Column:
        calendar, start, end = self.calendar, self.start, self.end

        def of(values: pa.Array) -> pa.Array:
            return calendar.named(column, values, start, end)

        return F.arrow_udf(of, T.BooleanType())(value)  # type: ignore[call-overload]


Named = Times | frozenset[str] | None
"""What a partition column may hold: these times, these keys, or (None) anything but null."""


@dataclass(frozen=True)
class Others:
    """The other partitions that rows may name, by partition column; none if empty. With `any`,
    rows may also name no partition of the table."""

    columns: tuple[Named, ...] = ()
    any: bool = False

    def has(self, partitioning: Partitioning) -> Column:
        """Whether a row names one of them; null or false if not."""
        if self.any:
            return F.lit(True)
        if not self.columns:
            return F.lit(False)
        pairs = zip(partitioning.columns, self.columns, strict=True)
        return reduce(Column.__and__, (_may_hold(column, named) for column, named in pairs))


def _may_hold(column: PartitionColumn, named: Named) -> Column:
    match named:
        case Times():
            return named.has(column)
        case None:
            return F.col(_quoted(column.name)).isNotNull()
    return among(Partitioning((column,)), sorted(named))


def others(table: JudgedTable, plan: Plan, keys: Iterable[str]) -> Others:
    """The other partitions that rows built for `keys` may name, given the inputs that they read
    (except dimensions, and inputs read by event time).

    If an input is read whole, that is any partition of the table; rows of no partition count for
    the table's first one and are passed over elsewhere. Otherwise it is the partitions within the
    time of the input partitions that are read.
    """
    keys = list(keys)
    inputs = {
        name: each.upstream.partitioning
        for name, each in plan.inputs.items()
        if not is_dimension(table.partitioning, table.how(name), each.upstream.partitioning)
        and not isinstance(table.how(name), EventTime)
    }
    if any(isinstance(table.how(name), Everything) for name in inputs):
        if counts_for_first(table, plan) and first_of(table) not in keys:
            return Others(any=True)
        each = dimensions_of(table.partitions).values() if table.partitions else ()
        return Others(tuple(map(_every, each)))
    own = table.partitioning.columns[0]
    if len(table.partitioning.columns) > 1 or own.times is None:
        return Others()
    read = {name: {of for key in keys for of in plan.reads[name][key]} for name in inputs}
    spans = [
        span for name, of in read.items() for each in of if (span := span_of(inputs[name], each))
    ]
    if not spans:
        return Others()
    start, end = min(start for start, _ in spans), max(end for _, end in spans)
    first, _ = own.times.span(own.times.key(start))
    # The window may begin before the table's calendar and cover days that it excludes.
    return Others((Times(Calendar(own.times.definition), first, end),))


def counts_for_first(table: JudgedTable, plan: Plan) -> bool:
    """Whether rows of no partition count for the first one: every input that is not a dimension is
    read whole, and the table's partitions are known."""
    whole = [
        isinstance(table.how(name), Everything)
        for name, each in plan.inputs.items()
        if not is_dimension(table.partitioning, table.how(name), each.upstream.partitioning)
    ]
    each = dimensions_of(table.partitions).values() if table.partitions else ()
    known = not any(isinstance(one, dg.DynamicPartitionsDefinition) for one in each)
    return bool(whole) and all(whole) and known


def first_of(table: JudgedTable) -> str:
    """The first of the table's partitions; see `counts_for_first`."""
    assert table.partitions
    return table.partitions.get_first_partition_key() or ""


def _every(definition: dg.PartitionsDefinition) -> Named:
    if calendar := Calendar.of(definition):
        return Times(calendar, calendar.start, calendar.end)
    if isinstance(definition, dg.DynamicPartitionsDefinition):
        return None  # dynamic partitions are not known in advance
    return frozenset(definition.get_partition_keys())


def values_of(partitioning: Partitioning, key: str) -> list[Column]:
    """A partition's values, as literals of the columns' types."""
    pairs = zip(partitioning.values(key), partitioning.columns, strict=True)
    return [F.expr(sql_literal(value, column.type)) for value, column in pairs]


def placed(
    frame: DataFrame,
    partitioning: Partitioning,
    *,
    own: Sequence[Column],
    kept: Column,
    other: Column,
) -> DataFrame:
    """Add each row's place, the partition it names if that is not `own`, and `own`, the partition
    it was built for."""
    place = F.when(kept, DATA).when(other, CONTEXT).otherwise(QUARANTINE)
    stated = [_text(column) for column in partitioning.columns]
    named = stated[0]
    if len(stated) > 1:
        named = F.concat_ws("|", *(F.coalesce(text, F.lit("null")) for text in stated))
    columns = {
        PLACE: place,
        **{built_for(name): value for name, value in zip(partitioning.names, own, strict=True)},
    }
    placed = frame.withColumns(columns)
    return placed.withColumn(NAMED, F.when(F.col(PLACE) != DATA, named))


def is_own(partitioning: Partitioning, own: Sequence[Column]) -> Column:
    """Whether a row names the partition it was built for."""
    pairs = zip(partitioning.names, own, strict=True)
    return reduce(Column.__and__, (F.col(name).eqNullSafe(value) for name, value in pairs))


def _text(column: PartitionColumn) -> Column:
    value = F.col(column.name)
    if isinstance(column.type, T.TimestampType | T.TimestampNTZType):
        return F.date_format(value, "yyyy-MM-dd-HH:mm")
    return value.cast("string")


def among(partitioning: Partitioning, keys: Iterable[str]) -> Column:
    """Whether a row is of one of these partitions; its columns have the partitioning's types.

    It is one SQL expression, since thousands of keys would take a JVM call for each value.
    """

    def row(values: Iterable[str]) -> str:
        values = list(values)
        if len(values) == 1:
            return values[0]
        # Sail cannot compare structs with different member names.
        members = (f"'{number}', {value}" for number, value in enumerate(values))
        return f"named_struct({', '.join(members)})"

    # Literals have exactly the columns' types, since Spark does not coerce struct members.
    chosen = [
        row(map(sql_literal, partitioning.values(key), (c.type for c in partitioning.columns)))
        for key in keys
    ]
    return (
        F.expr(f"{row(map(_quoted, partitioning.names))} IN ({', '.join(chosen)})")
        if chosen
        else F.lit(False)
    )


def _quoted(name: str) -> str:
    return f"`{name.replace('`', '``')}`"


def sql_literal(value: object, type_: T.DataType) -> str:
    """The value as a literal of the type in Spark SQL."""
    text = value.isoformat() if isinstance(value, dt.date) else str(value)
    # "$" too: Spark substitutes variables in a statement before it parses it.
    text = text.replace("\\", "\\\\").replace("'", "\\'").replace("$", "\\u0024")
    return f"CAST('{text}' AS {type_.simpleString()})"
