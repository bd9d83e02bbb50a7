"""Text to typed values without loss: what a type does not hold exactly becomes NULL.

A column of a contract that names its `source` then quarantines the row (`{column}.typed`), where a
cast would round -7.55, drop the zone of 23:30:00+05:00, take " 6" and 1e3 for numbers and 2011-3
for a day. `source` is the name of a column, or a text column; blanks around a value count.

All are expressions within Spark Connect's API; patterns have ASCII digits and no look-around, so
that every engine reads them alike.
"""

import re
from typing import Literal

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.contracts.names import quoted

Text = str | Column
Integer = Literal["tinyint", "smallint", "int", "bigint"]

_YEAR = "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"  # 0001 to 9999
_DATE = f"{_YEAR}-[0-9]{{2}}-[0-9]{{2}}"
_MINUTE = f"{_DATE}[ T][0-9]{{2}}:[0-9]{{2}}"
_MOMENT = f"{_MINUTE}(?::[0-9]{{2}}(?:\\.[0-9]{{1,6}}0*)?)?"
_OFFSET = "(?:Z|[+-][0-9]{2}:?[0-9]{2})"

_NUMBER = "[+-]?[0-9]+(?:\\.[0-9]+)?"
_ANY_MOMENT = f"{_MINUTE}(?::[0-9]{{2}}(?:\\.[0-9]+)?)?"
_ANY_ZONE = "(?: ?(?:Z|UTC|GMT|[+-][0-9:]+|[A-Za-z]+/[A-Za-z_/+-]+))"

_DOUBLE_DIGITS = 15  # two numbers of so many decimal digits are two doubles

_DIRECTIVES = {"Y": f"({_YEAR})", "f": "([0-9]{1,6})", "z": f"({_OFFSET})"}
_ONE_OR_TWO, _TWO_DIGITS = "([0-9]{1,2})", "([0-9]{2})"
_ISO = {"Y": "0001", "m": "01", "d": "01", "H": "00", "M": "00", "S": "00", "f": "0", "z": ""}


def matching(source: Text, pattern: str) -> Column:
    """The text where all of it matches the regular expression, else NULL."""
    text = _text(source)
    return F.when(text.rlike(_whole(pattern)), text)


def integer(source: Text, type: Integer = "int", *, zero_fraction: bool = False) -> Column:
    """Digits with an optional sign. `zero_fraction` takes 17850.0 for 17850: pandas writes so."""
    if not zero_fraction:
        return _written(source, "[+-]?[0-9]+").try_cast(type)
    written = _written(source, "[+-]?[0-9]+(?:\\.0+)?")
    return F.substring_index(written, ".", 1).try_cast(type)


def decimal(
    source: Text, precision: int, scale: int, *, point: str = ".", grouping: str = ""
) -> Column:
    """Digits with an optional sign and fraction; of more decimals than `scale` all others are 0.

    `point` stands before the fraction; `grouping`, where there is one, between groups of three
    digits ("1.234,50" with point="," and grouping="."). Raises ValueError for a type that is none.
    """
    if not 0 <= scale <= precision <= 38 or precision < 1:
        raise ValueError(
            f"decimal({precision},{scale}): Spark has 1 to 38 digits, up to all of them decimals"
        )
    if len(point) != 1 or len(grouping) > 1 or re.search(r"[0-9+-]", point + grouping):
        raise ValueError(
            f"point={point!r}, grouping={grouping!r}: each is one character, and no digit or sign"
        )
    if point == grouping:
        raise ValueError(f"point and grouping are both {point!r}: 1{point}234 could be either")
    whole = "[0-9]+"
    if grouping:
        whole = f"(?:[0-9]+|[0-9]{{1,3}}(?:{re.escape(grouping)}[0-9]{{3}})+)"
    fraction = f"[0-9]{{1,{scale}}}0*" if scale else "0+"
    written = _written(source, f"[+-]?{whole}(?:{re.escape(point)}{fraction})?")
    if (point, grouping) != (".", ""):
        written = F.translate(written, point + grouping, ".")
    return written.try_cast(f"decimal({precision},{scale})")


def date(source: Text, format: str | None = None) -> Column:
    """A day, written 2026-01-05, or as `format` says."""
    if format is None:
        return _written(source, _DATE).try_cast("date")
    return _read(source, format, "Ymd", "").try_cast("date")


def timestamp_ntz(source: Text, format: str | None = None) -> Column:
    """A wall clock's time, written 2026-01-05 06:30 (or with T; seconds, and of them at most six
    decimals, may follow), or as `format` says. A text with a zone is refused: it says more."""
    if format is None:
        return _written(source, _MOMENT).try_cast("timestamp_ntz")
    return _read(source, format, "YmdHMSf", "Ymd").try_cast("timestamp_ntz")


def timestamp(source: Text, format: str | None = None) -> Column:
    """An instant, written as for `timestamp_ntz` and with an offset (Z, +05:00, -0500), or as
    `format` says. A text without one is refused: its instant would be the session's to say."""
    if format is None:
        return _written(source, _MOMENT + _OFFSET).try_cast("timestamp")
    return _read(source, format, "YmdHMSfz", "Ymdz").try_cast("timestamp")


def boolean(
    source: Text, *, true: tuple[str, ...] = ("true",), false: tuple[str, ...] = ("false",)
) -> Column:
    """What is written exactly as one of `true` or of `false`."""
    text = _text(source)
    return F.when(text.isin(*true), F.lit(True)).when(text.isin(*false), F.lit(False))


def faithful(text: Column, value: Column, type_: T.DataType) -> Column:
    """False where the text is written as this module reads it, and the value is another one.

    True where nothing was lost, and where the text is in a format of the author's own, of which
    only its author can tell. Never NULL where neither text nor value is.
    """
    match type_:
        case T.DecimalType():
            exact, plain = decimal(text, type_.precision, type_.scale), _NUMBER
        case T.ByteType() | T.ShortType() | T.IntegerType() | T.LongType():
            exact = integer(text, type_.simpleString(), zero_fraction=True)  # pyright: ignore
            plain = _NUMBER
        case T.DateType():
            exact, plain = date(text), "[0-9]{4,}-[0-9]{2}-[0-9]{2}"
        case T.TimestampNTZType():
            exact, plain = timestamp_ntz(text), f"{_ANY_MOMENT}{_ANY_ZONE}?"
        case T.TimestampType():
            exact, plain = timestamp(text), _ANY_MOMENT + _OFFSET
        case _:
            return F.lit(True)
    # Each is asked only where those before it did not settle it: patterns cost the most.
    return _alike(text, value, type_) | exact.eqNullSafe(value) | ~text.rlike(_whole(plain))


def _alike(text: Column, value: Column, type_: T.DataType) -> Column:
    """True only where the value is certainly what the text says, never NULL where neither is NULL.

    It tells most rows at half the cost of a pattern.
    """
    match type_:
        case T.DateType():
            return value.cast("string").eqNullSafe(text) & ~text.startswith("0000")
        case T.ByteType() | T.ShortType() | T.IntegerType():
            digits = 10
        case T.DecimalType():
            digits = type_.precision
        case _:
            return F.lit(False)
    if digits > _DOUBLE_DIGITS:
        return F.lit(False)
    short = F.length(text) <= _DOUBLE_DIGITS
    return short & text.try_cast("double").eqNullSafe(value.cast("double"))


def _written(source: Text, pattern: str) -> Column:
    """The text where all of it matches, else the empty one, which no type is read from. Spark
    computes `source` once, where `matching` computes it for the test and for the value."""
    return F.regexp_extract(_text(source), _whole(pattern), 0)


def _text(source: Text) -> Column:
    if isinstance(source, Column):
        return source
    return F.col(quoted(source))


def _whole(pattern: str) -> str:
    """`$` would let a line break follow."""
    return rf"^(?:{pattern})\z"


def _read(source: Text, format: str, known: str, required: str) -> Column:
    """The text in ISO's order, where it is written as a format of `datetime.strptime` says.

    Raises ValueError for a directive that is not among `known`, or stands twice, and for one of
    `required` (none: all) that is missing.
    """
    tokens = re.findall(r"%.?|[^%]+", format, re.DOTALL)
    found = [token[1:] for token in tokens if token.startswith("%") and token != "%%"]
    for name in found:
        if not name or name not in known or found.count(name) > 1:
            raise ValueError(
                f"format={format!r}: %{name} is not read here, or stands twice; there is "
                f"{', '.join(f'%{name}' for name in known)}, once each"
            )
    if missing := [f"%{name}" for name in required or known if name not in found]:
        raise ValueError(f"format={format!r} has no {', '.join(missing)}")
    # Where one follows the other, a single digit could belong to either.
    glued = re.search(r"%[YmdHMS]%[mdHMSf]", format) is not None
    digits = _TWO_DIGITS if glued else _ONE_OR_TWO
    directives = {f"%{name}": _DIRECTIVES.get(name, digits) for name in found} | {"%%": "%"}
    pattern = "".join(directives.get(token) or re.escape(token) for token in tokens)
    parts = {name: f"${found.index(name) + 1}" if name in found else _ISO[name] for name in _ISO}
    iso = "{Y}-{m}-{d}" if known == "Ymd" else "{Y}-{m}-{d} {H}:{M}:{S}.{f}{z}"
    return F.regexp_replace(matching(source, pattern), _whole(pattern), iso.format(**parts))
