"""How messages count things, and answer unknown names."""

from collections.abc import Collection
from difflib import SequenceMatcher

_NEAR = 0.6  # of names, as a ratio of what they share


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 partition`, `2 partitions`, `24,063 rows`; `plural` where it is not the noun and an s."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def unknown(kind: str, name: str, known: Collection[str], *, separator: str = "/") -> str:
    """`there is no table 'x'; did you mean y?`, or all that there are where none is near."""
    near = nearest(name, known, separator=separator)
    there = f"there are: {', '.join(known)}" if known else "there is none"
    hint = f"did you mean {' or '.join(near)}?" if near else there
    return f"there is no {kind} {name!r}; {hint}"


def nearest(name: str, known: Collection[str], *, separator: str = "/") -> list[str]:
    """At most three, nearest first, and none that is much further away than the first.

    What counts is the last part of a name like silver/retail/order_lines: what stands before it,
    many other names share.
    """
    asked = name.rpartition(separator)[2]
    last = {each: _likeness(each.rpartition(separator)[2], asked) for each in known}
    whole = {each: _likeness(each, name) for each, ratio in last.items() if ratio >= _NEAR}
    near = sorted(whole, key=lambda each: (last[each], whole[each]), reverse=True)[:3]
    return [each for each in near if whole[each] > whole[near[0]] - 0.2]


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other).ratio()
