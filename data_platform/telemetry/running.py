"""The runs that this process executes, so that any line of its log can name its run.

Dagster gives run and step to what is logged through it alone. A library logs in the thread of the
run, or in one of its own; a process rarely executes more than one run at a time.
"""

import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class Running:
    """Where a run is: its step, empty between steps, and its partitions: none, one, or the first
    and the last of a range."""

    run: str
    step: str = ""
    partitions: tuple[str, ...] = ()


_known: dict[str, Running] = {}  # by run
_own = threading.local()  # the run that the thread executes


def begin(run: str, partitions: tuple[str, ...] = (), *, step: str = "") -> None:
    """This thread executes a run from now on."""
    _own.run = run
    _known[run] = Running(run, step, partitions)


def move(place: Running) -> None:
    """A run that has begun is here now."""
    if place.run in _known:
        _known[place.run] = place


def end(run: str) -> None:
    """The run has ended."""
    _known.pop(run, None)


def running() -> Running | None:
    """The run of this thread; of another one if the process executes no second run."""
    if own := _known.get(getattr(_own, "run", "")):
        return own
    return next(iter(_known.values())) if len(_known) == 1 else None
