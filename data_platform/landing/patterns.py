"""Tell which groups of a regular expression take part in every match.

Python's regular expression parser, `re._parser`, is private. Nothing else in the project uses it,
and a test compares what is used here with the running Python.
"""

import re
from collections.abc import Iterable
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

_REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)


def always_has_group(pattern: re.Pattern[str], number: int) -> bool:
    """Whether every match has the group; false if it, or a group around it, is optional or occurs
    in some alternatives only."""
    return _within(parser.parse(pattern.pattern, pattern.flags), number)


def _within(items: Iterable[tuple[Any, Any]], number: int) -> bool:
    return any(_has(kind, of, number) for kind, of in items)


def _has(kind: Any, of: Any, number: int) -> bool:
    if kind is op.SUBPATTERN:
        return of[0] == number or _within(of[3], number)
    if kind in _REPEATS:
        return of[0] > 0 and _within(of[2], number)
    if kind is op.BRANCH:
        return all(_within(branch, number) for branch in of[1])
    if kind is op.GROUPREF_EXISTS:
        return of[2] is not None and all(_within(branch, number) for branch in of[1:])
    if kind is op.ATOMIC_GROUP:
        return _within(of, number)
    return kind is op.ASSERT and _within(of[1], number)
