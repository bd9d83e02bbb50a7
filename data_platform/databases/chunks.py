"""Split values into chunks that fit into one SQL statement."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

CHUNK = 500  # values in one IN clause: databases limit them, and write locks should be short

_T = TypeVar("_T")


def chunks(values: Iterable[_T]) -> Iterator[list[_T]]:
    """Lists of at most CHUNK values, in order."""
    remaining = iter(values)
    while chunk := list(islice(remaining, CHUNK)):
        yield chunk
