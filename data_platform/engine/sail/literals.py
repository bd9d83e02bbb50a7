"""Values and types that Sail takes differently from Spark."""

import re
from datetime import date
from typing import Any

from data_platform.engine.sail.difference import EngineDifference

_EPOCH = date(1970, 1, 1).toordinal()
# The days that no calendar of Java's older classes has; Spark takes them for the day after.
_LEFT_OUT = range(date(1582, 10, 5).toordinal() - _EPOCH, date(1582, 10, 15).toordinal() - _EPOCH)
_MICROSECONDS = 86_400_000_000  # of a day
_COLLATION = re.compile(r'collation: "(?!UTF8_BINARY")(\w+)"')


def require_literal(literal: Any) -> None:
    """Raise EngineDifference for a day that Spark takes for another one."""
    kind = literal.WhichOneof("literal_type")
    days = {
        "date": lambda: literal.date,
        "timestamp": lambda: literal.timestamp // _MICROSECONDS,
        "timestamp_ntz": lambda: literal.timestamp_ntz // _MICROSECONDS,
    }
    if kind in days and (day := days[kind]()) in _LEFT_OUT:
        text = date.fromordinal(day + _EPOCH).isoformat()
        raise EngineDifference(
            f"F.lit of {text}: Spark Connect reads it as 1582-10-15; cast the text {text!r} to a "
            "date"
        )


def require_plain_text(message: Any) -> None:
    """Raise EngineDifference for a type, or a schema, of text that a collation compares."""
    if found := _COLLATION.search(str(message)):
        raise EngineDifference(
            f"text of the collation {found[1]}, which Sail ignores; compare F.lower of both texts"
        )
