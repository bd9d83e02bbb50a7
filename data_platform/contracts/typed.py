"""Convert text to typed values without loss: a value the type cannot hold exactly becomes NULL.

If the contract's column names its `source`, such a row is then quarantined (`{column}.typed`). A
plain cast would round -7.55, drop the zone of 23:30:00+05:00, and accept " 6" and 1e3 as numbers
and 2011-3 as a day. `source` is the name of a column, or a text column; surrounding blanks count.

All expressions are within Spark Connect's API; patterns use ASCII digits and no look-around, so
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

_DOUBLE_DIGITS = 15  # different decimals of at most this many digits are different doubles

_DIRECTIVES = {"Y": f"({_YEAR})", "f": "([0-9]{1,6})", "z": f"({_OFFSET})"}
_ONE_OR_TWO, _TWO_DIGITS = "([0-9]{1,2})", "([0-9]{2})"
_ISO = {"Y": "0001", "m": "01", "d": "01", "H": "00", "M": "00", "S": "00", "f": "0", "z": ""}


def matching(source: Text, pattern: str) -> Column:
    """The text if all of it matches the regular expression, else NULL."""
    text = _text(source)
    return F.when(text.rlike(_whole(pattern)), text)


def integer(source: Text, type: Integer = "int", *, zero_fraction: bool = False) -> Column:
    """Digits with an optional sign. `zero_fraction` reads 17850.0, as pandas writes it, as
    17850."""
    if not zero_fraction:
        return _written(source, "[+-]?[0-9]+").try_cast(type)
    written = _written(source, "[+-]?[0-9]+(?:\\.0+)?")
    return F.substring_index(written, ".", 1).try_cast(type)


def decimal(
    source: Text, precision: int, scale: int, *, point: str = ".", grouping: str = ""
) -> Column:
    """Digits with an optional sign and fraction; decimals beyond `scale` must be 0.

    `point` precedes the fraction; `grouping`, if given, separates groups of three digits
    ("1.234,50" with point="," and grouping="."). Raises ValueError for an invalid decimal type.
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
    """A local time, written 2026-01-05 06:30 (or with T; seconds may follow, with at most six
    decimals), or as `format` says. Text with a time zone is refused, since the zone would be
    lost."""
    if format is None:
        return _written(source, _MOMENT).try_cast("timestamp_ntz")
    return _read(source, format, "YmdHMSf", "Ymd").try_cast("timestamp_ntz")


def timestamp(source: Text, format: str | None = None) -> Column:
    """An instant, written as for `timestamp_ntz` with an offset (Z, +05:00, -0500), or as `format`
    says. Text without an offset is refused: it would depend on the session's time zone."""
    if format is None:
        written = _written(source, _MOMENT + _OFFSET)
        # Sail reads no offset directly after the minute.
        return F.regexp_replace(written, f"^({_MINUTE})(Z|[+-])", "$1:00$2").try_cast("timestamp")
    return _read(source, format, "YmdHMSfz", "Ymdz").try_cast("timestamp")


def boolean(
    source: Text, *, true: tuple[str, ...] = ("true",), false: tuple[str, ...] = ("false",)
) -> Column:
    """True for exactly one of the texts `true`, False for one of `false`."""
    text = _text(source)
    return F.when(text.isin(*true), F.lit(True)).when(text.isin(*false), F.lit(False))


def faithful(text: Column, value: Column, type_: T.DataType) -> Column:
    """False if this module can read the text and the value differs from what it says.

    True if nothing was lost, and for text in a custom format, which cannot be verified here. Never
    NULL if neither text nor value is.
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
    # Each is evaluated only if those before it did not decide: patterns cost the most.
    return _alike(text, value, type_) | exact.eqNullSafe(value) | ~text.rlike(_whole(plain))


def _alike(text: Column, value: Column, type_: T.DataType) -> Column:
    """True only if the value certainly equals the text; never NULL if neither is NULL.

    It decides most rows at half the cost of a pattern.
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
    """The text if all of it matches, else "", which is no value of any type. Spark computes
    `source` once here; `matching` computes it for the test and again for the value."""
    return F.regexp_extract(_text(source), _whole(pattern), 0)


def _text(source: Text) -> Column:
    if isinstance(source, Column):
        return source
    return F.col(quoted(source))


def _whole(pattern: str) -> str:
    """The pattern for a whole text; `$` would match before a final line break."""
    return rf"^(?:{pattern})\z"


def _read(source: Text, format: str, known: str, required: str) -> Column:
    """Text in a `datetime.strptime` format, rewritten to ISO order.

    Raises ValueError for a directive that is not among `known` or occurs twice, and for a missing
    one of `required` (default: all).
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
    # Between adjacent directives, a single digit could belong to either.
    glued = re.search(r"%[YmdHMS]%[mdHMSf]", format) is not None
    digits = _TWO_DIGITS if glued else _ONE_OR_TWO
    directives = {f"%{name}": _DIRECTIVES.get(name, digits) for name in found} | {"%%": "%"}
    pattern = "".join(directives.get(token) or re.escape(token) for token in tokens)
    parts = {name: f"${found.index(name) + 1}" if name in found else _ISO[name] for name in _ISO}
    iso = "{Y}-{m}-{d}" if known == "Ymd" else "{Y}-{m}-{d} {H}:{M}:{S}.{f}{z}"
    return F.regexp_replace(matching(source, pattern), _whole(pattern), iso.format(**parts))
