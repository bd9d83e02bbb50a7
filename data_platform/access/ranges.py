"""Partitions as people write them: `2011-03-01..2011-03-31, 2011-04-02`."""

import datetime as dt
from collections.abc import Iterable


def as_ranges(keys: Iterable[str]) -> str:
    """The keys in order, days and months that follow each other as ranges with both ends."""
    ranges: list[list[str]] = []
    for key in sorted(set(keys)):
        if ranges and _follows(ranges[-1][-1], key):
            ranges[-1] = [ranges[-1][0], key]
        else:
            ranges.append([key])
    return ", ".join("..".join(each) for each in ranges)


def _follows(earlier: str, later: str) -> bool:
    try:
        first, second = dt.date.fromisoformat(earlier), dt.date.fromisoformat(later)
    except ValueError:
        return False
    next_month = (first.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
    is_month = first.day == second.day == 1
    return second == first + dt.timedelta(days=1) or (is_month and second == next_month)
