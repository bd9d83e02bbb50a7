"""The functions that Sail computes differently from Spark, and what is done about each.

A call is written so that both engines agree, or refused with a way out. `docs/reference/engines.md`
lists the same for authors of tables.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import types as T

from data_platform.engine.sail.arithmetic import with_one_nan
from data_platform.engine.sail.calls import Call, OfCall, refused
from data_platform.engine.sail.decimals import common_type, is_exact, rounded, within_digits
from data_platform.engine.sail.difference import EngineDifference
from data_platform.engine.sail.doubles import double_as_decimal, is_double, rounded_double
from data_platform.engine.sail.messages import (
    branches,
    call,
    cast,
    copied,
    is_quick,
    literal_integer,
    literal_text,
    null,
    text,
    with_argument,
)
from data_platform.engine.sail.nested import OF_NESTED, WINDOWS_OF_NESTED, not_of_nested
from data_platform.engine.sail.patterns import for_function, is_of_whole_text
from data_platform.engine.sail.types import UnknownType, within


def written_cast(expression: Any, of: T.DataType) -> Any:
    """A cast of a type to a text or a decimal (see `is_of_types`); None if it stays as it is.
    Raises EngineDifference for one to a text of a type that engines write differently."""
    message = expression.cast
    to = message.type_str.lower() or str(message.type)
    if _DECIMAL_TYPES.match(to):
        return double_as_decimal(expression, of) if is_double(of) else None
    if _DECIMAL_TYPES.search(to) and has_doubles(of):
        raise EngineDifference(f"a {of.simpleString()} as {to}; cast its parts (F.transform)")
    if not _TEXT_TYPES.search(to):
        return None
    whole = to == "string" or message.type.WhichOneof("kind") == "string"
    if whole and isinstance(of, T.ArrayType | T.MapType | T.StructType):
        raise EngineDifference(f"a {of.simpleString()} as text; use F.to_json or F.concat_ws")
    _require_no_doubles([of])
    return None


def is_of_types(message: Any) -> bool:
    """Whether what a cast gives on Sail depends on the type that it is of."""
    to = message.type_str.lower() or str(message.type)
    return bool(_TEXT_TYPES.search(to) or _DECIMAL_TYPES.search(to))


_TEXT_TYPES = re.compile(r"\b(?:string|varchar|char|var_char)\b")
_DECIMAL_TYPES = re.compile(r"\b(?:decimal|dec|numeric)\b")


def _require_no_doubles(types: Sequence[T.DataType]) -> None:
    for part in (part for of in types for part in within(of) if is_double(part)):
        raise EngineDifference(
            f"a {part.simpleString()} as text: Sail writes 10000000.0 where Spark writes 1.0E7; "
            "cast it to a decimal first"
        )


def has_doubles(of: T.DataType) -> bool:
    """Whether a type is one of doubles or floats, or made of some."""
    return any(map(is_double, within(of)))


def _summed(of: Call) -> Any:
    """A sum of bigints as one of decimals, whose cast to a bigint fails if it is too large; one of
    long decimals with a sum of doubles beside it, which tells if it is."""
    (argument,), (type_,) = of.arguments, of.types
    if isinstance(type_, T.LongType):
        return cast(_over(of, cast(argument, "decimal(28,0)")), "bigint")
    if isinstance(type_, T.DecimalType) and type_.precision > _SUMMABLE:
        # `abs` gives the second sum a name of its own: Sail names that of a cast as one without.
        doubles = call(argument, "abs", cast(argument, "double"))
        return within_digits(of.whole, _over(of, doubles), type_.scale)
    return None


def _over(of: Call, argument: Any) -> Any:
    """The same call, in the same window if it is in one, of another argument."""
    function = with_argument(of.called, 0, argument)
    if of.whole.WhichOneof("expr_type") != "window":
        return function
    made = copied(of.whole)
    made.window.window_function.CopyFrom(function)
    return made


_NO_TYPE = (T.NullType, UnknownType)
_SUMMABLE = 28  # digits of a decimal whose sums have 38, as Spark types them


def _rounded(of: Call) -> Any:
    first = of.types[0]
    if is_double(first):
        return rounded_double(of.called, first)
    return rounded(of.called, first) if isinstance(first, T.DecimalType) else None


def _whole(of: Call) -> Any:
    first = of.types[0]
    exact = isinstance(first, T.DecimalType) and first.scale == 0
    return cast(of.called, first.simpleString()) if exact else None


def _modulus(of: Call) -> None:
    if any(isinstance(each, T.DecimalType) for each in of.types):
        raise EngineDifference("pmod of a decimal: Sail's result differs; use % or doubles")


def _rounded_to_even(of: Call) -> None:
    if is_double(of.types[0]) or isinstance(of.types[0], T.DecimalType):
        raise EngineDifference(
            f"bround of a {of.types[0].simpleString()}: Sail lacks it or gives another result; use "
            "round, which rounds ties away from zero"
        )


def _divided(of: Call) -> None:
    if not all(is_exact(each) or isinstance(each, UnknownType) for each in of.types):
        raise EngineDifference("div of what is neither integers nor decimals; cast it first")


def _of_the_first(of: Call) -> Any:
    first, second = of.types
    return None if first == second else cast(of.called, first.simpleString())


def _negative(of: Call) -> Any:
    floating = isinstance(of.types[0], T.FloatType | T.DoubleType)
    return with_one_nan(of.called, of.types[0]) if floating else None


def _extreme(of: Call) -> Any:
    not_of_nested(of)
    return _common(of)


def _common(of: Call) -> Any:
    """Values of one type: of several, Sail chooses others than Spark."""
    return _made_common(of, range(len(of.arguments)))


def _branches(of: Call) -> Any:
    made = _made_common(of, branches(len(of.arguments)))
    types = {each.simpleString() for each in _known(of, branches(len(of.arguments)))}
    if made is None and len(types) > 1 and any("<" in each for each in types):
        raise EngineDifference(f"{of.name} of {' and '.join(sorted(types))}; cast them to one type")
    return made


def _known(of: Call, positions: Sequence[int]) -> list[T.DataType]:
    return [of.types[at] for at in positions if not isinstance(of.types[at], _NO_TYPE)]


def _made_common(of: Call, positions: Sequence[int]) -> Any:
    known = _known(of, positions)
    if len({each.simpleString() for each in known}) < 2:
        return None
    if any(isinstance(each, T.StringType) for each in known):
        if any(isinstance(each, T.NumericType) for each in known):
            raise EngineDifference(f"{of.name} of text and numbers; cast them to one type first")
        return None
    to = common_type(known)
    if to is None:
        return None
    made = copied(of.called)
    for at in positions:
        if not isinstance(of.types[at], _NO_TYPE) and of.types[at] != to:
            argument = made.unresolved_function.arguments[at]
            argument.CopyFrom(cast(argument, to.simpleString()))
    return made


def _contains(of: Call) -> Any:
    """NULL rather than false where the array has a NULL and not the value."""
    array = of.arguments[0]
    without = call(array, "array_compact", array)
    has_null = call(array, "<", call(array, "size", without), call(array, "size", array))
    unknown = call(array, "and", call(array, "not", of.called), has_null)
    return call(array, "when", unknown, cast(null(array), "boolean"), of.called)


def _of_texts(of: Call) -> None:
    _require_no_doubles(of.types)


def _matched(of: Call) -> Any:
    """The pattern as Rust's regular expressions have it."""
    _require_no_doubles(of.types)
    texts = [literal_text(each) for each in of.arguments]
    if len(texts) < 2 or texts[1] is None:
        raise EngineDifference(
            f"{of.name} by a pattern that is a column: only a text can be written for Sail's "
            "regular expressions; give one"
        )
    name = of.name.lower()
    pattern = for_function(name, texts[1], texts[2] if len(texts) > 2 else None)
    written = with_argument(of.called, 1, text(of.called, pattern))
    if name == "regexp_extract" and is_of_whole_text(texts[1]) and _is_quick_text(of):
        return _whole_match(written)
    return None if pattern == texts[1] else written


def _is_quick_text(of: Call) -> bool:
    """Whether all of the match is asked for, of a text that costs little to compute again."""
    asked = literal_integer(of.arguments[2]) if len(of.arguments) > 2 else 1
    return asked == 0 and isinstance(of.types[0], T.StringType) and is_quick(of.arguments[0])


def _whole_match(extract: Any) -> Any:
    """The whole text or '', without finding where the match is, which costs twice as much."""
    source, pattern = extract.unresolved_function.arguments[:2]
    matches, known = call(extract, "rlike", source, pattern), call(extract, "isNotNull", source)
    return call(extract, "when", matches, source, known, text(extract, ""))


def _is_nan(of: Call) -> Any:
    """False for NULL, for which Sail's is NULL."""
    known = call(of.called, "isNotNull", of.arguments[0])
    return call(of.called, "and", known, of.called)


def _with_one_nan(of: Call) -> Any:
    return with_one_nan(of.called, T.DoubleType())


_MAY_BE_NAN = (
    *("sqrt", "pow", "power", "log1p", "asin", "acos", "acosh", "atanh"),
    *("sin", "cos", "tan", "sec", "csc", "cot"),
)
OF_TEXTS = (
    *("concat", "concat_ws", "||", "lpad", "rpad", "trim", "ltrim", "rtrim", "btrim"),
    *("upper", "ucase", "lower", "lcase", "substring", "substr", "left", "right", "length"),
    *("char_length", "character_length", "reverse", "replace", "translate", "instr", "locate"),
    *("position", "startswith", "endswith", "contains", "like", "ilike", "repeat", "ascii"),
    *("format_string", "printf", "array_join", "to_csv", "md5", "sha2", "listagg"),
    *("string_agg", "levenshtein", "substring_index", "split_part", "overlay", "to_varchar"),
)
_PATTERNS = (
    *("rlike", "regexp", "regexp_like", "regexp_replace", "regexp_extract", "regexp_extract_all"),
    *("regexp_count", "regexp_substr", "regexp_instr", "split"),
)

CALLS: Mapping[str, OfCall] = {
    **dict.fromkeys(_MAY_BE_NAN, OfCall(_with_one_nan, needs_types=False)),
    **dict.fromkeys(("negative", "negate"), OfCall(_negative)),
    "isnan": OfCall(_is_nan, needs_types=False),
    "sum": OfCall(_summed),
    "round": OfCall(_rounded),
    "bround": OfCall(_rounded_to_even),
    "pmod": OfCall(_modulus),
    "div": OfCall(_divided),
    **dict.fromkeys(("floor", "ceil", "ceiling"), OfCall(_whole)),
    "nullif": OfCall(_of_the_first),
    **dict.fromkeys(("datediff", "date_diff"), OfCall(lambda of: cast(of.called, "int"), False)),
    "array_contains": OfCall(_contains, needs_types=False),
    **dict.fromkeys(("coalesce", "ifnull", "nvl", "array"), OfCall(_common)),
    **dict.fromkeys(("greatest", "least"), OfCall(_extreme)),
    "when": OfCall(_branches),
    "initcap": refused("initcap begins a word after a hyphen on Sail; use another function"),
    "collate": refused("collate, which Sail does not have; compare F.lower of both texts"),
    "collation": refused("collation, which Sail does not have; leave it out"),
    **dict.fromkeys(OF_TEXTS, OfCall(_of_texts)),
    **dict.fromkeys(_PATTERNS, OfCall(_matched)),
    **OF_NESTED,
}
"""By the names that functions have in a client's plan."""

WINDOWS: Mapping[str, OfCall] = {"sum": OfCall(_summed), **WINDOWS_OF_NESTED}
"""The same for the functions of windows, which must stay functions of them."""
