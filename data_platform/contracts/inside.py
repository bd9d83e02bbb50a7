"""What a column's values must be that no contract has to say.

Spark's dates reach from the year -5,877,641 to 5,881,580, and other engines, Python among them,
end before: one such value would make a whole partition unreadable to them. A type may promise
that there is no null in its arrays and structs, which Spark does not see to when it casts.
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
    """Whether its values are dates or moments, or have any inside."""
    return any(isinstance(part, _Times) for part, _ in _parts(type_))


def promises(type_: T.DataType) -> bool:
    """Whether it says of anything inside that it is never null."""
    return not all(nullable for _, nullable in _parts(type_))


def in_calendar(values: Column, type_: T.DataType) -> Column:
    """Whether all dates and moments (of these in UTC) are of the years 1 to 9999.

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
    """Whether nothing is null inside that the type says is never null.

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
    """A null breaks no rule about its value."""
    return F.coalesce(condition, F.lit(True))


def _parts(type_: T.DataType, nullable: bool = True) -> Iterator[tuple[T.DataType, bool]]:
    """The type and all that is inside of it, each with whether it may be null."""
    yield type_, nullable
    match type_:
        case T.ArrayType():
            yield from _parts(type_.elementType, type_.containsNull)
        case T.StructType():
            for field in type_.fields:
                yield from _parts(field.dataType, field.nullable)
