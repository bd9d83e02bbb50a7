"""Which known names are near a mistyped one, for messages that ask "did you mean"."""

from collections.abc import Iterable
from difflib import SequenceMatcher

_NEAR = 0.6  # of names, as a ratio of what they share
_FURTHER = 0.2  # than the nearest one


def nearest(
    name: str, known: Iterable[str], *, separator: str = "", cutoff: float = _NEAR
) -> list[str]:
    """At most three, nearest first, and none that is much further away than the first.

    With a `separator`, what counts is the last part of a name like silver/retail/order_lines: what
    stands before it, many other names share. `cutoff` is the least ratio of what two names share,
    between 0 and 1.
    """

    def last_part(each: str) -> str:
        return each.rpartition(separator)[2] if separator else each

    last = {each: _likeness(last_part(each), last_part(name)) for each in known}
    whole = {each: _likeness(each, name) for each, ratio in last.items() if ratio >= cutoff}
    near = sorted(whole, key=lambda each: (-last[each], -whole[each], each))[:3]
    return [each for each in near if whole[each] > whole[near[0]] - _FURTHER]


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other).ratio()
