"""Doubles as decimals and rounded, as on Spark, which rounds the decimal text of a double, where
Sail rounds its exact binary value: 1.005 is stored as 1.00499999999999989...
"""

import math
from typing import Any

from pyspark.sql import types as T

from data_platform.engine.sail.decimals import MOST_DIGITS
from data_platform.engine.sail.difference import EngineDifference
from data_platform.engine.sail.messages import (
    call,
    cast,
    copied,
    double,
    literal_integer,
    with_argument,
)

_WRITTEN_OUT = (1e-5, 1e16)  # Sail writes smaller and greater doubles with an exponent
_EXACT = 9e15  # whole numbers up to it are doubles


def is_double(of: T.DataType) -> bool:
    """Whether a type is a double's or a float's."""
    return isinstance(of, T.DoubleType | T.FloatType)


def double_as_decimal(message: Any, of: T.DataType) -> Any:
    """A cast of a double, or float, to a decimal; NaN and the infinities are NULL."""
    value = _as_double(message.cast.expr, of)
    size, (least, most) = call(value, "abs", value), _WRITTEN_OUT
    whole = _recast(message, value, f"decimal({MOST_DIGITS},0)")
    branches = [
        (least, _recast(message, value)),
        (most, _recast(message, cast(value, "string"))),
        (math.inf, _recast(message, whole)),
    ]
    return _by_size(size, branches)


def rounded_double(called: Any, of: T.DataType) -> Any:
    """`round` of a double or float; None if it stays as it is. Raises EngineDifference."""
    arguments = called.unresolved_function.arguments
    places = literal_integer(arguments[1]) if len(arguments) > 1 else 0
    if places is None:
        raise EngineDifference("a double rounded to places that are a column; give a number")
    value = _as_double(arguments[0], of)
    made = with_argument(called, 0, value)
    if places > 0:
        made = _by_digits(made, value, places)
    if isinstance(of, T.FloatType):
        return cast(made, "float")
    return made if places > 0 else None


def _by_digits(rounded: Any, value: Any, places: int) -> Any:
    """`rounded` by its digits if it has a part to round that Sail writes without an exponent."""
    size, (least, _) = call(value, "abs", value), _WRITTEN_OUT
    most = _EXACT / 10**places  # a greater one has no more than these places
    decimal = f"decimal({min(MOST_DIGITS, 16 + places)},{min(places, 22)})"
    exact = cast(cast(cast(value, "string"), decimal), "double")
    return _by_size(size, [(least, rounded), (most, exact)], otherwise=value)


def _as_double(value: Any, of: T.DataType) -> Any:
    return cast(value, "double") if isinstance(of, T.FloatType) else value


def _recast(message: Any, value: Any, to: str | None = None) -> Any:
    """The same cast, which may be a `try_cast`, of another value."""
    made = copied(message)
    made.cast.expr.CopyFrom(value)
    if to is not None:
        made.cast.type_str = to
    return made


def _by_size(size: Any, branches: list[tuple[float, Any]], otherwise: Any | None = None) -> Any:
    """By the first limit that a size is below."""
    parts = [p for limit, of in branches for p in (call(size, "<", size, double(size, limit)), of)]
    return call(size, "when", *parts, *([] if otherwise is None else [otherwise]))
