"""Check the arguments of checks against column types, and turn them into Spark literals.

With accepted arguments no comparison can fail or round, whatever value a row holds.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

_INTEGERS = (T.ByteType, T.ShortType, T.IntegerType, T.LongType)
_BIGINT_DIGITS = 20
"""Digits of the decimal to which Spark casts a bigint to compare it with a decimal."""

_MAX_DIGITS = 38
"""Spark's widest decimal. A comparison that needs more rounds one side, or fails."""


def literal(value: Any, type_: T.DataType) -> Column:
    """A value (or None) as a literal comparable with this type. Needs an active session."""
    if isinstance(value, datetime) and value.tzinfo:
        value = value.astimezone(UTC)
    if isinstance(value, date):  # a datetime is one, too
        # PySpark's own literals pass through java.sql: years before 1000 fail, those before 1582
        # shift, and a datetime without a zone takes the machine's.
        return F.lit(value.isoformat()).cast(type_)
    if isinstance(type_, T.DecimalType) and isinstance(value, int):
        # Exactly the value's digits; Spark would reserve ten for an int in a list.
        return F.lit(Decimal(value))
    if isinstance(type_, T.DoubleType | T.FloatType) and isinstance(value, Decimal):
        return F.lit(value).cast("double")
    return F.lit(value)


def values_problem(values: tuple[Any, ...], type_: T.DataType) -> str | None:
    """Why a column of this type cannot be compared with these values, or None."""
    accepts, hint = _accepted(type_)
    for value in values:
        if not accepts(value):
            return f"{value!r} cannot be compared with {type_.simpleString()}; give {hint}"
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            return f"{value!r} does not fit into 64 bits; give a decimal.Decimal"
    digits = _digits_needed(values, type_)
    if digits > _MAX_DIGITS:
        return (
            f"comparing {', '.join(map(str, values))} with {type_.simpleString()} needs {digits} "
            f"digits, and Spark has {_MAX_DIGITS}, so it would round; narrow the type or the values"
        )
    return None


def _accepted(type_: T.DataType) -> tuple[Callable[[Any], bool], str]:
    """A test for the Python values that this type can be compared with, and how to name them."""
    match type_:
        case T.BooleanType():
            return lambda value: isinstance(value, bool), "True or False"
        case T.StringType():
            return lambda value: isinstance(value, str), "a str"
        case T.BinaryType():
            return lambda value: isinstance(value, bytes | bytearray), "bytes"
        case T.DateType():
            return _is_date, "a datetime.date"
        case T.TimestampType():
            return lambda value: _is_datetime(value, zoned=True), "a datetime with a tzinfo"
        case T.TimestampNTZType():
            return lambda value: _is_datetime(value, zoned=False), "a datetime without a tzinfo"
        case _:
            return _is_number, "an int, a float or a finite decimal.Decimal"


def _is_date(value: Any) -> bool:
    return isinstance(value, date) and not isinstance(value, datetime)


def _is_datetime(value: Any, *, zoned: bool) -> bool:
    return isinstance(value, datetime) and (value.tzinfo is not None) == zoned


def _is_number(value: Any) -> bool:
    if isinstance(value, Decimal):
        return value.is_finite()
    return isinstance(value, int | float) and not isinstance(value, bool)


def _digits_needed(values: tuple[Any, ...], type_: T.DataType) -> int:
    """Digits of the decimal type in which Spark compares the values; 0 if it uses no decimal."""
    if isinstance(type_, T.DecimalType):
        sizes = [(type_.precision - type_.scale, type_.scale)]
    elif isinstance(type_, _INTEGERS) and any(isinstance(value, Decimal) for value in values):
        sizes = [(_BIGINT_DIGITS, 0)]
    else:
        return 0
    sizes += [_size(value) for value in values if not isinstance(value, float)]
    return max(whole for whole, _ in sizes) + max(scale for _, scale in sizes)


def _size(value: int | Decimal) -> tuple[int, int]:
    """Digits before and after the decimal point."""
    _, digits, exponent = Decimal(value).as_tuple()
    return max(0, len(digits) + int(exponent)), max(0, -int(exponent))


def pattern_text(pattern: str | re.Pattern[str]) -> str:
    """The text of a pattern; a compiled one's flags are gone, as in pandera.pyspark."""
    return pattern.pattern if isinstance(pattern, re.Pattern) else pattern


_ESCAPES = r"\\U[0-9A-Fa-f]{8}|\\0(?![0-7])"
_ONLY_PYTHON = re.compile(
    rf"(?P<python>{_ESCAPES}|\(\?(?:P[<=>]|\(|\#|[aLimsux]*[aL])|\{{(?!\d+(?:,\d*)?\}}))"
    r"|\[\^?(?P<members>\]?(?:\\[\s\S]|[^\]\\])*)\]"
    r"|\\N\{[^}]*\}|\\[\s\S]|[\s\S]"
)
"""The next piece of a pattern: one that Java refuses, a character class, or any other."""

_ONLY_PYTHON_IN_A_CLASS = re.compile(
    rf"(?P<python>{_ESCAPES}|\\[b1-9]|\[|&&)|\\N\{{[^}}]*\}}|\\[\s\S]|[\s\S]"
)
"""The same within a character class, where Java reads `[` and `&&` as union and intersection."""


_WAY_OUT = {
    "{": r": a literal brace is \{, and a range of repeats begins with a number, as in {0,3}",
    "[": r": in a class, write \[",
    "&&": r": in a class, write &\&",
    r"\U": r": write the character itself",
    r"\0": r": write \x00",
    r"\b": r": in a class, write \x08",
    "(?": ": leave it out, or number the group",
}


def _only_python(pattern: str) -> str | None:
    """The first construct of a valid Python pattern that Java refuses, or reads otherwise."""
    for piece in _ONLY_PYTHON.finditer(pattern):
        members = _ONLY_PYTHON_IN_A_CLASS.finditer(piece["members"] or "")
        for found in (piece, *members):
            if found["python"]:
                return found["python"]
    return None


def text_problem(kind: str, arguments: Mapping[str, Any]) -> str | None:
    """Why one of the str_ checks cannot be given these arguments, or None."""
    if kind == "str_length":
        lengths = [length for length in arguments.values() if length is not None]
        bad = [n for n in lengths if isinstance(n, bool) or not isinstance(n, int)]
        return f"a length is an int, not {bad[0]!r}" if bad else None
    if kind in ("str_startswith", "str_endswith"):
        string = arguments["string"]
        return None if isinstance(string, str) else f"it takes a str, not {string!r}"
    pattern = arguments["pattern"]
    if isinstance(pattern, re.Pattern) and pattern.flags != re.compile(pattern.pattern).flags:
        return "the flags of a compiled pattern are lost in Spark; write them inline, as (?i)"
    text = pattern_text(pattern)
    if not isinstance(text, str):
        return f"it takes a str, not {text!r}"
    if found := _only_python(text):
        return (
            f"{found!r} in the pattern {text!r} is Python's alone; Spark matches with Java's "
            f"regular expressions{_WAY_OUT.get(found[:2], '')}"
        )
    return None
