"""Check which columns can hold the partitions of a definition. This is done when definitions load:
a key that cannot be read back from its column would otherwise be found after other tables were
published."""

import datetime as dt
from collections.abc import Iterator, Sequence
from itertools import islice
from zoneinfo import ZoneInfo

import dagster as dg
from pyspark.sql import types as T

from data_platform.tables.identity import PartitionColumn, Partitioning
from data_platform.tables.partition_times import TimeKeys, times_of

_TYPES = (
    T.DateType,
    T.TimestampType,
    T.TimestampNTZType,
    T.StringType,
    T.IntegerType,
    T.LongType,
)
_BITS = {T.IntegerType: 31, T.LongType: 63}
_LONGEST_KEY = 1000  # characters; Parquet keeps no bounds of a text of some thousand bytes
_TRIED = 50  # time partitions that are tried, since all are alike
_YEARS = range(1970, 2038)


def dimensions_of(definition: dg.PartitionsDefinition) -> dict[str, dg.PartitionsDefinition]:
    """The dimensions by name, in the order in which a key joins them; a single one has no name."""
    if isinstance(definition, dg.MultiPartitionsDefinition):
        each = sorted(definition.partitions_defs, key=lambda dimension: dimension.name)
        return {dimension.name: dimension.partitions_def for dimension in each}
    return {"": definition}


def column_type(definition: dg.PartitionsDefinition) -> T.DataType:
    """The column type for a dimension: a date if partitions are whole days or longer, otherwise the
    local time; the instant if the zone changes its clock; and text for anything else."""
    if not isinstance(definition, dg.TimeWindowPartitionsDefinition):
        return T.StringType()
    minute, hour, *_ = [*definition.cron_schedule.split(), "*"]
    if (minute, hour) == ("0", "0"):
        return T.DateType()
    if _within_days(definition) and _changes_its_clock(definition.timezone):
        return T.TimestampType()
    return T.TimestampNTZType()


def partitioning_by(
    columns: Sequence[str], definition: dg.PartitionsDefinition | None
) -> Partitioning:
    """The partitioning by these columns, each with the type for its dimension."""
    times = times_of(definition, columns)
    kinds = dimensions_of(definition).values() if definition else ()
    typed = (
        PartitionColumn(name, column_type(kind), times.get(name))
        for name, kind in zip(columns, kinds, strict=False)
    )
    return Partitioning(tuple(typed))


def _within_days(definition: dg.TimeWindowPartitionsDefinition) -> bool:
    """Whether a day has more than one partition."""
    minute, hour, *_ = [*definition.cron_schedule.split(), "*"]
    return not (minute.isdecimal() and hour.isdecimal())


def _changes_its_clock(timezone: str) -> bool:
    zone = ZoneInfo(timezone)
    months = (dt.datetime(year, month, 1, tzinfo=zone) for year in _YEARS for month in (1, 7))
    return len({moment.utcoffset() for moment in months}) > 1


def misfit(partitioning: Partitioning, definition: dg.PartitionsDefinition) -> str | None:
    """Why the partition columns cannot hold the definition's partitions, with a way out; or None.

    A partition is found by `key(values(key)) == key`, so that must hold for every key.
    """
    dimensions = dimensions_of(definition)
    names = [name for name in dimensions if name]
    if len(partitioning.columns) != len(dimensions):
        given = ", ".join(partitioning.names)
        wanted = f"{len(dimensions)} ({', '.join(names)})" if names else "1"
        count = len(partitioning.columns)
        return f"partition_by names {count} columns ({given}), and it takes {wanted}"
    if set(partitioning.names) == set(names) and list(partitioning.names) != names:
        return (
            f"partition_by={partitioning.names} is in another order than Dagster joins the "
            f"dimensions in, which is that of their names; write partition_by={tuple(names)}"
        )
    for column, dimension in zip(partitioning.columns, dimensions.values(), strict=True):
        if why := _column_misfit(column, dimension):
            return f"the partition column {column.name} ({column.type.simpleString()}) {why}"
    return None


def _column_misfit(column: PartitionColumn, definition: dg.PartitionsDefinition) -> str | None:
    if not isinstance(column.type, _TYPES):
        names = ", ".join(kind().simpleString() for kind in _TYPES)
        return f"is of a type that no partition has; declare it as one of {names}"
    suited = column_type(definition).simpleString()
    if isinstance(definition, dg.TimeWindowPartitionsDefinition):
        if _repeats_an_hour(column, definition):
            return (
                f"cannot tell the hour that the clock of {definition.timezone} has twice a year; "
                f"declare it as {suited}"
            )
    elif not isinstance(definition, dg.StaticPartitionsDefinition):
        if isinstance(column.type, T.StringType):
            return None
        return f"cannot hold keys that are not known yet; declare it as {suited}"
    for key in _keys(definition):
        if not 0 < len(key) <= _LONGEST_KEY:
            return f"cannot hold the key {key[:20]!r}; a key has 1 to {_LONGEST_KEY} characters"
        try:
            value = column.value(key)
            back = column.text(value)
        except ValueError as error:
            return f"cannot hold the key {key!r} ({error}); declare it as {suited}"
        if back != key:
            return f"holds the key {key!r} as {back!r}; declare it as {suited}, or rename the key"
        bits = _BITS.get(type(column.type), 0)
        if isinstance(value, int) and not -(2**bits) <= value < 2**bits:
            return f"cannot hold the key {key!r}, which has more than {bits} bits"
    return None


def _repeats_an_hour(
    column: PartitionColumn, definition: dg.TimeWindowPartitionsDefinition
) -> bool:
    local = isinstance(column.type, T.TimestampNTZType)
    return local and _within_days(definition) and _changes_its_clock(definition.timezone)


def _keys(definition: dg.PartitionsDefinition) -> Iterator[str]:
    """The keys to try: all labels, but only the first times."""
    if isinstance(definition, dg.TimeWindowPartitionsDefinition):
        yield from islice(_times(definition), _TRIED)
    else:
        yield from definition.get_partition_keys()


def _times(definition: dg.TimeWindowPartitionsDefinition) -> Iterator[str]:
    times = TimeKeys.of(definition)
    moment = definition.start
    while True:
        key = times.key(moment)
        yield key
        _, moment = times.span(key)
