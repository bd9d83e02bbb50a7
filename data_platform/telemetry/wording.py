"""Wording of messages: counts, and suggestions for unknown names."""

from collections.abc import Collection

from data_platform.tables.nearest import nearest


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 partition`, `2 partitions`, `24,063 rows`; `plural` is for irregular nouns."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def unknown(kind: str, name: str, known: Collection[str], *, separator: str = "/") -> str:
    """`there is no table 'x'; did you mean y?`, or a list of all names if none is similar."""
    near = nearest(name, known, separator=separator)
    there = f"there are: {', '.join(known)}" if known else "there are none"
    hint = f"did you mean {' or '.join(near)}?" if near else there
    return f"there is no {kind} {name!r}; {hint}"
