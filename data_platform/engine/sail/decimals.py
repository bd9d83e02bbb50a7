"""Operations of decimals with the types that Spark gives their results."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import types as T

from data_platform.engine.sail.difference import EngineDifference
from data_platform.engine.sail.messages import (
    call,
    cast,
    double,
    literal_integer,
    text,
    with_argument,
)

MOST_DIGITS = 38
_KEPT = 6  # decimal places that Spark keeps where a result may need more than 38 digits
_DIGITS: dict[type[T.DataType], int] = {
    T.ByteType: 3,
    T.ShortType: 5,
    T.IntegerType: 10,
    T.LongType: 20,
}

Decimal = tuple[Any, T.DecimalType]
"""An expression and its type."""


def is_exact(of: T.DataType) -> bool:
    """Whether a type is an integer's or a decimal's."""
    return isinstance(of, T.IntegralType | T.DecimalType)


def as_decimal(expression: Any, of: T.DataType) -> Decimal:
    """An integer as the decimal that Spark takes it for; a decimal as it is."""
    if isinstance(of, T.DecimalType):
        return expression, of
    value = literal_integer(expression)
    digits = _DIGITS[type(of)] if value is None else len(str(abs(value)))
    return cast(expression, f"decimal({digits},0)"), T.DecimalType(digits, 0)


def common_type(types: Sequence[T.DataType]) -> T.DataType | None:
    """The type that Spark gives values of numbers of several types; None if others are among them.
    Raises EngineDifference."""
    if not all(isinstance(of, T.NumericType) for of in types):
        return None
    if any(isinstance(of, T.DoubleType | T.FloatType) for of in types):
        return T.DoubleType()
    if not any(isinstance(of, T.DecimalType) for of in types):
        return max(types, key=lambda of: _DIGITS[type(of)])
    decimals = [
        of if isinstance(of, T.DecimalType) else T.DecimalType(_DIGITS[type(of)], 0) for of in types
    ]
    scale = max(of.scale for of in decimals)
    precision = max(of.precision - of.scale for of in decimals) + scale
    if precision > MOST_DIGITS:
        raise EngineDifference(
            f"{' and '.join(of.simpleString() for of in types)} need more than {MOST_DIGITS} "
            "digits together; cast them to one type first"
        )
    return T.DecimalType(precision, scale)


def decimal_operation(operator: str, left: Decimal, right: Decimal) -> Decimal:
    """The operation and its type; raises EngineDifference."""
    (a, of_a), (b, of_b) = left, right
    ideal = _ideal(operator, of_a, of_b)
    made = call(a, operator, a, b)
    result = T.DecimalType(min(ideal.precision, MOST_DIGITS), ideal.scale)
    if ideal.precision <= MOST_DIGITS:
        return made, result
    if ideal.scale > _KEPT:
        raise EngineDifference(
            f"{operator} of {of_a.simpleString()} and {of_b.simpleString()} may need more than "
            f"{MOST_DIGITS} digits, where Spark gives up decimal places beyond {_KEPT} and Sail "
            "does not; cast them to fewer digits first"
        )
    # Sail counts the digits of a cast's result alone: with one more of them there is an error.
    return cast(cast(made, f"decimal(38,{result.scale + 1})"), result.simpleString()), result


def within_digits(value: Any, approximate: Any, scale: int) -> Any:
    """A decimal that is an error if its value, approximately, has more than 38 digits, which Sail
    does not notice."""
    most = double(value, float(f"9.999999999999999e{MOST_DIGITS - 1 - scale}"))
    too_large = call(value, ">", call(value, "abs", cast(approximate, "double")), most)
    message = text(value, f"[NUMERIC_VALUE_OUT_OF_RANGE] more than {MOST_DIGITS} digits")
    return call(value, "when", too_large, call(value, "raise_error", message), value)


def rounded(called: Any, of: T.DecimalType) -> Any:
    """`round` of a decimal with the type that Spark gives it; raises EngineDifference."""
    arguments = called.unresolved_function.arguments
    places = literal_integer(arguments[1]) if len(arguments) > 1 else 0
    if places is None:
        raise EngineDifference("a decimal rounded to places that are a column; give a number")
    digits = of.precision - of.scale + 1
    scale = min(of.scale, max(places, 0))
    precision = max(digits, 1 - places) if places < 0 else digits + scale
    return cast(
        with_argument(called, 0, arguments[0]), f"decimal({min(precision, MOST_DIGITS)},{scale})"
    )


@dataclass(frozen=True)
class _Digits:
    precision: int
    scale: int


def _ideal(operator: str, a: T.DecimalType, b: T.DecimalType) -> _Digits:
    """The digits of an exact result."""
    whole_a, whole_b = a.precision - a.scale, b.precision - b.scale
    scale = max(a.scale, b.scale)
    match operator:
        case "*":
            return _Digits(a.precision + b.precision + 1, a.scale + b.scale)
        case "%":
            return _Digits(min(whole_a, whole_b) + scale, scale)
    return _Digits(max(whole_a, whole_b) + scale + 1, scale)
