"""Compile pandera's built-in checks to Spark expressions over one row.

The expressions are those of `pandera.backends.pyspark.builtin_checks` (pandera 0.35) without the
job that pandera runs for each; docs/decisions/0002-what-a-check-means.md has the details.
In Spark's ANSI mode a value that cannot be compared fails the job, so an argument that could cause
this for any row is a `problem` when the contract is defined.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from functools import reduce
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.contracts.arguments import literal, pattern_text, text_problem, values_problem
from data_platform.contracts.spec import Check

_NUMBERS = (
    T.ByteType,
    T.ShortType,
    T.IntegerType,
    T.LongType,
    T.FloatType,
    T.DoubleType,
    T.DecimalType,
)
_TIMES = (T.DateType, T.TimestampType, T.TimestampNTZType)
_ORDERED = (*_NUMBERS, *_TIMES)
_LISTED = (*_ORDERED, T.StringType, T.BinaryType)
_COMPARED = (*_LISTED, T.BooleanType)
_TEXT = (T.StringType,)


_END = r"(?![\s\S])"  # the end of the text in Python and Java
_END_IN_ENGINES = r"\z"  # in Java and Rust, which has no look-around; in Python only since 3.14


def whole(pattern: str) -> str:
    """A pattern for `str_matches` that must match the whole string, not only its start.

    In Java's regular expressions, which Spark uses, `$` and `\\Z` match before a final line break;
    "no character follows" means the same in Java and in Python.
    """
    return rf"^(?:{pattern}){_END}"


def _compare(holds: Callable[[Any, Any], Any]) -> Callable[..., Column]:
    """A comparison whose limit pandera may call value, min_value or max_value."""
    return lambda values, **limit: holds(values, *limit.values())


def _in_range(
    values: Column, min_value: Column, max_value: Column, include_min: bool, include_max: bool
) -> Column:
    above = values >= min_value if include_min else values > min_value
    below = values <= max_value if include_max else values < max_value
    return above & below


def _isin(values: Column, allowed_values: list[Column]) -> Column:
    return values.isin(allowed_values)


def _notin(values: Column, forbidden_values: list[Column]) -> Column:
    return ~values.isin(forbidden_values)


def _str_matches(values: Column, pattern: str | re.Pattern[str]) -> Column:
    text = in_engines(pattern)
    return values.rlike(text if text.startswith("^") else f"^{text}")


def _str_contains(values: Column, pattern: str | re.Pattern[str]) -> Column:
    return values.rlike(in_engines(pattern))


def in_engines(pattern: str | re.Pattern[str]) -> str:
    """The pattern as engines are given it."""
    text = pattern_text(pattern)
    return text.removesuffix(_END) + _END_IN_ENGINES if text.endswith(_END) else text


def _str_startswith(values: Column, string: str) -> Column:
    return values.startswith(string)


def _str_endswith(values: Column, string: str) -> Column:
    return values.endswith(string)


def _str_length(
    values: Column,
    min_value: int | None = None,
    max_value: int | None = None,
    exact_value: int | None = None,
) -> Column:
    length = F.length(values)
    if exact_value is not None:
        return length == exact_value
    bounds = [length >= min_value] if min_value is not None else []
    bounds += [length <= max_value] if max_value is not None else []
    return reduce(operator.and_, bounds)


_PREDICATES: dict[str, tuple[Callable[..., Column], tuple[type[T.DataType], ...]]] = {
    "equal_to": (_compare(operator.eq), _COMPARED),
    "not_equal_to": (_compare(operator.ne), _COMPARED),
    "greater_than": (_compare(operator.gt), _ORDERED),
    "greater_than_or_equal_to": (_compare(operator.ge), _ORDERED),
    "less_than": (_compare(operator.lt), _ORDERED),
    "less_than_or_equal_to": (_compare(operator.le), _ORDERED),
    "in_range": (_in_range, _ORDERED),
    "isin": (_isin, _LISTED),
    "notin": (_notin, _LISTED),
    "str_matches": (_str_matches, _TEXT),
    "str_contains": (_str_contains, _TEXT),
    "str_startswith": (_str_startswith, _TEXT),
    "str_endswith": (_str_endswith, _TEXT),
    "str_length": (_str_length, _TEXT),
}
"""pandera's row checks: the expression, and the column types for which pandera.pyspark has it."""

ROW_CHECKS = tuple(_PREDICATES)

_LISTS = ("allowed_values", "forbidden_values")
_SWITCHES = ("include_min", "include_max")


def predicate(check: Check, *, column: str, type_: T.DataType) -> Column:
    """True where the row passes, NULL where the value (or a listed one) is null.

    `check` is one of ROW_CHECKS for which `problem` found nothing. Needs an active session.
    """
    build, _ = _PREDICATES[check.kind]
    arguments, values = dict(check.arguments), F.col(column)
    if not check.kind.startswith("str_"):
        if isinstance(type_, T.DecimalType) and _has_float(arguments):
            # As Spark compares them; Sail would convert the float to a decimal, which NaN has none.
            values, type_ = values.cast("double"), T.DoubleType()
        arguments = {name: _compiled(name, value, type_) for name, value in arguments.items()}
    return build(values, **arguments)


def problem(kind: str, arguments: Mapping[str, Any], type_: T.DataType) -> str | None:
    """Why this check cannot be compiled for a column of this type, or None."""
    if kind not in _PREDICATES:
        return (
            "it is not a check of one row that can be compiled; the compilable ones are "
            f"{', '.join(ROW_CHECKS)}. Write a Rule with a column expression instead"
        )
    _, types = _PREDICATES[kind]
    if not isinstance(type_, types):
        names = ", ".join(sorted(t.typeName() for t in types))
        return f"it does not work on {type_.simpleString()}, only on {names}"
    if kind.startswith("str_"):
        return text_problem(kind, arguments)
    return values_problem(tuple(_values(arguments)), type_)


def _values(arguments: Mapping[str, Any]) -> Iterator[Any]:
    """The values that a check compares the column with.

    A null in a list is allowed: pandera accepts it, with SQL's meaning.
    """
    for name, argument in arguments.items():
        if name in _LISTS:
            yield from (value for value in argument if value is not None)
        elif name not in _SWITCHES:
            yield argument


def _has_float(arguments: Mapping[str, Any]) -> bool:
    return any(isinstance(value, float) for value in _values(arguments))


def _compiled(name: str, argument: Any, type_: T.DataType) -> Any:
    if name in _SWITCHES:
        return argument
    if name in _LISTS:
        return [literal(value, type_) for value in argument]
    return literal(argument, type_)
