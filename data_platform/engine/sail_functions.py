"""The functions that Sail computes otherwise than Spark, and what is done about each.

A call is written so that both engines agree, or refused with a way out. `docs/reference/engines.md`
lists the same for authors of tables.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import types as T

from data_platform.engine.sail_decimals import (
    arithmetic_of_decimals,
    is_exact,
    rounded,
    within_digits,
)
from data_platform.engine.sail_messages import (
    call,
    cast,
    checked,
    integer,
    literal_text,
    with_argument,
)
from data_platform.engine.sail_patterns import (
    Unwritable,
    is_plain_replacement,
    matches_nothing,
    pattern_for_sail,
)

OTHERWISE = "or set DATA_PLATFORM_SPARK to local[*]"

Written = Any
"""An expression that replaces the call; None if it stays as it is; a text if it is refused."""

Write = Callable[[Any, Any, Sequence[T.DataType]], Written]


@dataclass(frozen=True)
class OfCall:
    """What is done about a call: `write(expression, call, types)`, where the expression is the call
    or the window that it is the function of."""

    write: Write
    needs_types: bool = True


def cast_problem(found: T.DataType, message: Any) -> str | None:
    """Why a cast from this type is refused; None if it is not."""
    to_text = message.type_str.lower() == "string" or message.type.WhichOneof("kind") == "string"
    if to_text and isinstance(found, T.FractionalType) and not isinstance(found, T.DecimalType):
        return _as_text(found)
    return None


def window_of(name: str) -> OfCall | None:
    """The same for the function of a window, which must stay a function of the window."""
    return OfCall(_summed) if name == "sum" else None


def _as_text(found: T.DataType) -> str:
    return (
        f"a {found.simpleString()} as text: Sail writes 10000000.0 where Spark writes 1.0E7; cast "
        f"it to a decimal first, {OTHERWISE}"
    )


def _arithmetic(_: Any, called: Any, types: Sequence[T.DataType]) -> Written:
    function = called.unresolved_function
    name, arguments = function.function_name, list(function.arguments)
    if len(arguments) == 1:
        return _negative(arguments[0], types[0], name)
    if all(isinstance(of, T.IntegralType) for of in types):
        return None if name == "%" else _of_integers(name, arguments, types)
    if all(map(is_exact, types)):
        return arithmetic_of_decimals(name, arguments, types)
    if any(isinstance(of, T.StringType) for of in types):
        return f"{name} of text: cast the text to a number first, {OTHERWISE}"
    if name == "-" and all(isinstance(of, T.DateType) for of in types):
        return f"the difference of two dates is a number on Sail; use F.datediff, {OTHERWISE}"
    return _with_one_nan(None, called, types) if _of_doubles(types) else None


def _of_doubles(types: Sequence[T.DataType]) -> bool:
    return any(isinstance(of, T.DoubleType) for of in types)


def _with_one_nan(_: Any, called: Any, types: Sequence[T.DataType]) -> Written:
    """NaN without a sign: one with a sign, as processors give it, is the least of all on Sail."""
    nan = type(called)()
    nan.literal.double = math.nan
    return call(called, "nanvl", called, nan)


def _negative(argument: Any, of: T.DataType, name: str) -> Written:
    if not isinstance(of, T.IntegralType) or name == "+":
        return None
    return _of_integers("-", [cast(integer(argument, 0), of.simpleString()), argument], [of, of])


_WIDTHS = {T.ByteType: 1, T.ShortType: 2, T.IntegerType: 4, T.LongType: 8}


def _of_integers(name: str, arguments: Sequence[Any], types: Sequence[T.DataType]) -> Written:
    if not all(isinstance(of, T.ByteType | T.ShortType) for of in types):
        widest = max(types, key=lambda of: _WIDTHS[type(of)])
        same = [
            of if known == widest else cast(of, widest.simpleString())
            for of, known in zip(arguments, types, strict=True)
        ]
        return checked(name, same)
    # Of these there is nothing checked; their results fit into an int, and perhaps not back.
    wide = call(arguments[0], name, *(cast(of, "int") for of in arguments))
    short = any(isinstance(of, T.ShortType) for of in types)
    return cast(wide, "smallint" if short else "tinyint")


def _divided(_: Any, called: Any, types: Sequence[T.DataType]) -> Written:
    if any(isinstance(of, T.DecimalType) for of in types) and all(map(is_exact, types)):
        return (
            "a quotient of decimals: Sail cuts it off where Spark rounds it; cast one side to a "
            f"double, {OTHERWISE}"
        )
    if any(isinstance(of, T.StringType) for of in types):
        return f"/ of text: cast the text to a number first, {OTHERWISE}"
    return _with_one_nan(None, called, types) if _of_doubles(types) else None


def _summed(expression: Any, called: Any, types: Sequence[T.DataType]) -> Written:
    """A sum of bigints as one of decimals, whose cast to a bigint fails if it is too large; one of
    long decimals with a sum of doubles beside it, which tells if it is."""
    of, argument = types[0], called.unresolved_function.arguments[0]

    def summed(value: Any) -> Any:
        function = with_argument(called, 0, value)
        if expression.WhichOneof("expr_type") != "window":
            return function
        found = type(expression)()
        found.CopyFrom(expression)
        found.window.window_function.CopyFrom(function)
        return found

    if isinstance(of, T.LongType):
        return cast(summed(cast(argument, "decimal(28,0)")), "bigint")
    if isinstance(of, T.DecimalType) and of.precision > _SUMMABLE:
        # Sail names a sum of a cast as one without, and refuses two of a name.
        doubles = call(argument, "abs", cast(argument, "double"))
        return within_digits(expression, summed(doubles), of.scale)
    return None


_SUMMABLE = 28  # digits of a decimal whose sums have 38, as Spark types them


def _rounded(_: Any, called: Any, types: Sequence[T.DataType]) -> Written:
    if not isinstance(types[0], T.DecimalType):
        return None
    return rounded(called, types[0])


def _whole(_: Any, called: Any, types: Sequence[T.DataType]) -> Written:
    if isinstance(of := types[0], T.DecimalType) and of.scale == 0:
        return cast(called, of.simpleString())
    return None


def _bround(_: Any, called: Any, types: Sequence[T.DataType]) -> Written:
    if isinstance(types[0], T.DecimalType):
        return f"bround of a decimal, which Sail does not have; use round, {OTHERWISE}"
    return None


def _of_the_first(_: Any, called: Any, types: Sequence[T.DataType]) -> Written:
    return None if types[0] == types[1] else cast(called, types[0].simpleString())


def _mixed(_: Any, called: Any, types: Sequence[T.DataType]) -> Written:
    texts = [isinstance(of, T.StringType) for of in types]
    numbers = [isinstance(of, T.NumericType) for of in types]
    if any(texts) and any(numbers):
        name = called.unresolved_function.function_name
        return f"{name} of text and numbers: cast them to one type first, {OTHERWISE}"
    return None


def _as_int(expression: Any, called: Any, types: Sequence[T.DataType]) -> Written:
    return cast(called, "int")


def _contains(_: Any, called: Any, types: Sequence[T.DataType]) -> Written:
    """NULL rather than false where the array has a NULL and not the value."""
    array = called.unresolved_function.arguments[0]
    has_null = call(
        array,
        "<",
        call(array, "size", call(array, "array_compact", array)),
        call(array, "size", array),
    )
    unknown = call(array, "and", call(array, "not", called), has_null)
    null = type(array)()
    null.literal.null.boolean.SetInParent()
    return call(array, "when", unknown, null, called)


def _refused(why: str) -> OfCall:
    return OfCall(lambda *_: f"{why}, {OTHERWISE}", needs_types=False)


def _of_texts(_: Any, called: Any, types: Sequence[T.DataType]) -> Written:
    doubles = [of for of in types if isinstance(of, T.DoubleType | T.FloatType)]
    return _as_text(doubles[0]) if doubles else None


def _matched(_: Any, called: Any, types: Sequence[T.DataType]) -> Written:
    """The pattern as Rust's regular expressions have it."""
    function = called.unresolved_function
    if len(function.arguments) < 2 or (text := literal_text(function.arguments[1])) is None:
        return (
            f"{function.function_name} by a pattern that is a column: only a text can be written "
            f"for Sail's regular expressions; give one, {OTHERWISE}"
        )
    try:
        only_whether = function.function_name.lower() in _WHETHER
        pattern = pattern_for_sail(text, only_whether=only_whether)
    except Unwritable as problem:
        return f"the pattern {text!r} has {problem}, {OTHERWISE}"
    if problem := pattern_problem(function.function_name.lower(), text, called):
        return f"{problem}, {OTHERWISE}"
    if pattern == text:
        return None
    written = type(called)()
    written.literal.string = pattern
    return with_argument(called, 1, written)


def pattern_problem(name: str, pattern: str, called: Any) -> str | None:
    """Why a valid pattern is refused for a function."""
    if name == "split" and matches_nothing(pattern):
        return f"split by {pattern!r}, which matches the empty text: Sail gives other parts"
    if name == "regexp_replace":
        replacement = literal_text(called.unresolved_function.arguments[2])
        if replacement is None or not is_plain_replacement(replacement, pattern):
            return (
                f"regexp_replace by {'a column' if replacement is None else repr(replacement)}: "
                f"refer to the groups of {pattern!r} as $1, followed by no letter or digit"
            )
    return None


_MAY_BE_NAN = ("sqrt", "pow", "power", "asin", "acos", "acosh", "atanh", "log1p")
_TEXTS = (
    "concat",
    "concat_ws",
    "||",
    "lpad",
    "rpad",
    "trim",
    "upper",
    "lower",
    "substring",
    "length",
)
_WHETHER = ("rlike", "regexp", "regexp_like")
_PATTERNS = (
    *(*_WHETHER, "regexp_replace", "regexp_extract", "regexp_extract_all", "regexp_count"),
    *("regexp_substr", "regexp_instr", "split"),
)

CALLS: Mapping[str, OfCall] = {
    **dict.fromkeys(("+", "-", "*", "%", "negative", "negate"), OfCall(_arithmetic)),
    "/": OfCall(_divided),
    **dict.fromkeys(_MAY_BE_NAN, OfCall(_with_one_nan, needs_types=False)),
    "sum": OfCall(_summed),
    "round": OfCall(_rounded),
    "bround": OfCall(_bround),
    **dict.fromkeys(("floor", "ceil", "ceiling"), OfCall(_whole)),
    "nullif": OfCall(_of_the_first),
    **dict.fromkeys(("datediff", "date_diff"), OfCall(_as_int, needs_types=False)),
    "array_contains": OfCall(_contains, needs_types=False),
    **dict.fromkeys(("coalesce", "ifnull", "nvl", "greatest", "least"), OfCall(_mixed)),
    "initcap": _refused("initcap begins a word after a hyphen on Sail; use another function"),
    **dict.fromkeys(_TEXTS, OfCall(_of_texts)),
    **dict.fromkeys(_PATTERNS, OfCall(_matched, needs_types=False)),
}
"""By the names that functions have in a client's plan."""
