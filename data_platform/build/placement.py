"""Which partition each row of a function's result is for, and what becomes of those of others.

A row that names the partition it was built for is *kept*. One that names another is *context* if
that lies in what the build was given (the days before, of a table that reaches back): it is
counted. Anything else, null included, is *outside*: it goes to the quarantine of the partition it
was built for, and a check says so.
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
from data_platform.quality.judge import PLACE, built_for
from data_platform.quality.mapping import EventTime, Everything
from data_platform.quality.windows import is_dimension, span_of
from data_platform.tables.calendars import Calendar
from data_platform.tables.identity import PartitionColumn, Partitioning
from data_platform.tables.outcomes import CONTEXT, DATA, NAMED, QUARANTINE
from data_platform.tables.partition_columns import dimensions_of

_INSTANT = dt.timedelta(microseconds=1)
_TIMES = (T.DateType, T.TimestampType, T.TimestampNTZType)
_LATEST = dt.date(9999, 12, 30)  # the last day that a moment can have in every time zone


@dataclass(frozen=True)
class Times:
    """Of a column of times: what names a partition of the calendar that begins from `start` to
    before `end` (None: at any time after)."""

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
    """The other partitions that rows may name, by partition column; none where it is empty. Where
    it is `any`, rows may also name none of the table's."""

    columns: tuple[Named, ...] = ()
    any: bool = False

    def has(self, partitioning: Partitioning) -> Column:
        """Whether a row names one of them; null or false where it names none."""
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
    """Of the partitions `keys`, by the inputs that they read, dimensions aside, and those of whose
    rows each has its own.

    Every partition that there is or will be where an input is read whole: what is of none counts
    for the first one of the table, and is passed over elsewhere. Else those in the time of the
    input partitions that are read.
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
    # a window reaches back to before the table's own calendar, and over what that leaves out
    return Others((Times(Calendar(own.times.definition), first, end),))


def counts_for_first(table: JudgedTable, plan: Plan) -> bool:
    """Whether rows of no partition count for the first one: each partition reads the whole of the
    inputs that have partitions built, and the table's partitions are known."""
    whole = [
        isinstance(table.how(name), Everything)
        for name, each in plan.inputs.items()
        if not is_dimension(table.partitioning, table.how(name), each.upstream.partitioning)
    ]
    each = dimensions_of(table.partitions).values() if table.partitions else ()
    known = not any(isinstance(one, dg.DynamicPartitionsDefinition) for one in each)
    return bool(whole) and all(whole) and known


def first_of(table: JudgedTable) -> str:
    """The first of the table's partitions, for which rows of none count that all of them read."""
    assert table.partitions
    return table.partitions.get_first_partition_key() or ""


def _every(definition: dg.PartitionsDefinition) -> Named:
    if calendar := Calendar.of(definition):
        return Times(calendar, calendar.start, calendar.end)
    if isinstance(definition, dg.DynamicPartitionsDefinition):
        return None  # they are not known before they come
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
    """Rows with their place, the partition they name where that is not `own`, and `own`: the
    partition that a row was built for."""
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

    As one SQL expression: thousands of keys would otherwise be as many calls of the JVM for each
    of their values.
    """

    def row(values: Iterable[str]) -> str:
        return f"({', '.join(values)})"

    # Exactly the columns' types: members of rows are not coerced.
    chosen = [
        row(map(sql_literal, partitioning.values(key), (c.type for c in partitioning.columns)))
        for key in keys
    ]
    return (
        F.expr(f"{row(map(_quoted, partitioning.names))} IN {row(chosen)}")
        if chosen
        else F.lit(False)
    )


def _quoted(name: str) -> str:
    return f"`{name.replace('`', '``')}`"


def sql_literal(value: object, type_: T.DataType) -> str:
    """The value as a literal of the type in Spark SQL."""
    text = value.isoformat() if isinstance(value, dt.date) else str(value)
    # "$" as well: Spark puts the values of variables into a statement before it reads it.
    text = text.replace("\\", "\\\\").replace("'", "\\'").replace("$", "\\u0024")
    return f"CAST('{text}' AS {type_.simpleString()})"
