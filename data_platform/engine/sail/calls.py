"""A call of a function, and what is done about it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import types as T

from data_platform.engine.sail.difference import EngineDifference


@dataclass(frozen=True)
class Call:
    """A call of a function; `whole`: the window that it is the function of, or the call itself."""

    name: str
    arguments: Sequence[Any]
    types: Sequence[T.DataType]
    called: Any
    whole: Any


Write = Callable[[Call], Any]
"""The expression that replaces a call; None if it stays as it is. Raises EngineDifference."""


@dataclass(frozen=True)
class OfCall:
    """What is done about a call, and whether the types of its arguments are needed for it."""

    write: Write
    needs_types: bool = True


def refused(why: str) -> OfCall:
    """A call that is always refused."""

    def refuse(_: Call) -> Any:
        raise EngineDifference(why)

    return OfCall(refuse, needs_types=False)
