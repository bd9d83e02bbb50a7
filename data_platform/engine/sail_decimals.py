"""Arithmetic of decimals with the types that Spark gives its results."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import types as T

from data_platform.engine.sail_messages import call, cast, literal_integer, with_argument

MOST_DIGITS = 38
_KEPT = 6  # decimal places that Spark keeps where a result may need more than 38 digits
_DIGITS: dict[type[T.DataType], int] = {
    T.ByteType: 3,
    T.ShortType: 5,
    T.IntegerType: 10,
    T.LongType: 20,
}


def is_exact(of: T.DataType) -> bool:
    """Whether a type is an integer's or a decimal's."""
    return isinstance(of, T.IntegralType | T.DecimalType)


def arithmetic_of_decimals(
    operator: str, arguments: Sequence[Any], types: Sequence[T.DataType]
) -> Any:
    """The expression, with integers cast to the decimals that Spark takes them for; a text if it is
    refused."""
    operands = [_decimal(a, of) for a, of in zip(arguments, types, strict=True)]
    ideal = _ideal(operator, *operands)
    fits = ideal.precision <= MOST_DIGITS
    if not fits and ideal.scale > _KEPT:
        both = " and ".join(of.simpleString() for of in operands)
        return (
            f"{operator} of {both} may need more than {MOST_DIGITS} digits, where Spark gives up "
            f"decimal places beyond {_KEPT} and Sail does not; cast them to fewer digits first, or "
            "set DATA_PLATFORM_SPARK to local[*]"
        )
    made = [
        a if of == known else cast(a, known.simpleString())
        for a, of, known in zip(arguments, types, operands, strict=True)
    ]
    called = type(arguments[0])()
    called.unresolved_function.function_name = operator
    called.unresolved_function.arguments.extend(made)
    result = T.DecimalType(min(ideal.precision, MOST_DIGITS), ideal.scale)
    typed = cast(called, result.simpleString())
    return typed if fits else within_digits(typed, typed, result.scale)


def within_digits(value: Any, approximate: Any, scale: int) -> Any:
    """A decimal that is an error if its value, approximately, has more than 38 digits, which Sail
    does not notice."""
    most = type(value)()
    most.literal.double = float(f"9.999999999999999e{MOST_DIGITS - 1 - scale}")
    too_large = call(value, ">", call(value, "abs", cast(approximate, "double")), most)
    message = type(value)()
    message.literal.string = f"[NUMERIC_VALUE_OUT_OF_RANGE] more than {MOST_DIGITS} digits"
    return call(value, "when", too_large, call(value, "raise_error", message), value)


def rounded(called: Any, of: T.DecimalType) -> Any:
    """`round` and `bround` of a decimal, with the type that Spark gives them."""
    arguments = called.unresolved_function.arguments
    places = literal_integer(arguments[1]) if len(arguments) > 1 else 0
    if places is None:
        return "a decimal is rounded to a number of places that is a column; give a number"
    digits = of.precision - of.scale + 1
    scale = min(of.scale, max(places, 0))
    precision = max(digits, 1 - places) if places < 0 else min(digits + scale, MOST_DIGITS)
    return cast(with_argument(called, 0, arguments[0]), f"decimal({precision},{scale})")


def _decimal(argument: Any, of: T.DataType) -> T.DecimalType:
    if isinstance(of, T.DecimalType):
        return of
    value = literal_integer(argument)
    return T.DecimalType(_DIGITS[type(of)] if value is None else len(str(abs(value))), 0)


def _ideal(operator: str, a: T.DecimalType, b: T.DecimalType) -> "_Digits":
    """The digits of an exact result."""
    whole_a, whole_b = a.precision - a.scale, b.precision - b.scale
    match operator:
        case "*":
            return _Digits(a.precision + b.precision + 1, a.scale + b.scale)
        case "%":
            scale = max(a.scale, b.scale)
            return _Digits(min(whole_a, whole_b) + scale, scale)
        case _:
            scale = max(a.scale, b.scale)
            return _Digits(max(whole_a, whole_b) + scale + 1, scale)


@dataclass(frozen=True)
class _Digits:
    precision: int
    scale: int
