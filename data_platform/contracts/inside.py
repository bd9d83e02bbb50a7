"""The rules that every column has by its type: years 1 to 9999, and no nulls the type excludes.

Spark's dates range from the year -5,877,641 to 5,881,580; other engines, Python among them, have a
smaller range, so one such value would make a whole partition unreadable to them. A type may declare
that its arrays and structs hold no null, which Spark does not enforce when it casts.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import reduce
from operator import and_

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.contracts.arguments import literal

_Times = T.DateType | T.TimestampType | T.TimestampNTZType


def has_times(type_: T.DataType) -> bool:
    """Whether the type is or contains a date or timestamp."""
    return any(isinstance(part, _Times) for part, _ in _parts(type_))


def promises(type_: T.DataType) -> bool:
    """Whether the type declares that something inside it is never null."""
    return not all(nullable for _, nullable in _parts(type_))


def in_calendar(values: Column, type_: T.DataType) -> Column:
    """Whether all dates and timestamps (these in UTC) are in the years 1 to 9999.

    `type_` must be one that `has_times`. Needs an active session.
    """
    match type_:
        case T.DateType():
            ends = date.min, date.max
        case T.TimestampType():
            ends = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
        case T.TimestampNTZType():
            ends = datetime.min, datetime.max
        case T.ArrayType():
            return F.forall(values, lambda value: _kept(in_calendar(value, type_.elementType)))
        case T.StructType():
            fields = (field for field in type_.fields if has_times(field.dataType))
            each = (in_calendar(values[field.name], field.dataType) for field in fields)
            return reduce(and_, map(_kept, each))
        case _:
            raise TypeError(f"{type_} has no dates")
    return values.between(*(literal(end, type_) for end in ends))


def complete(values: Column, type_: T.DataType) -> Column:
    """Whether nothing inside is null that the type declares as never null.

    `type_` must be one that `promises` something. Needs an active session.
    """

    def part(value: Column, kind: T.DataType, nullable: bool) -> Column:
        inside = _kept(complete(value, kind)) if promises(kind) else F.lit(True)
        return inside if nullable else value.isNotNull() & inside

    if isinstance(type_, T.ArrayType):
        kind, nullable = type_.elementType, type_.containsNull
        return F.forall(values, lambda value: part(value, kind, nullable))
    assert isinstance(type_, T.StructType)
    each = (part(values[f.name], f.dataType, f.nullable) for f in type_.fields)
    return values.isNull() | reduce(and_, each)


def _kept(condition: Column) -> Column:
    """The condition, true for NULL: a null breaks no rule about its value."""
    return F.coalesce(condition, F.lit(True))


def _parts(type_: T.DataType, nullable: bool = True) -> Iterator[tuple[T.DataType, bool]]:
    """The type and all types nested in it, each with whether it may be null."""
    yield type_, nullable
    match type_:
        case T.ArrayType():
            yield from _parts(type_.elementType, type_.containsNull)
        case T.StructType():
            for field in type_.fields:
                yield from _parts(field.dataType, field.nullable)
