"""Warm engines of a test's home: started, and ended when the test ends."""

import os
import signal
from collections.abc import Callable

from data_platform.engine.waiting import wait
from data_platform.engine.warm.attach import Attached, attach
from data_platform.engine.warm.place import Place, Spec


def soon(condition: Callable[[], bool]) -> None:
    """Wait for what takes moments, or as long as only something that hangs takes."""
    assert wait(condition, 60)


def end(place: Place) -> None:
    """End the engine of a place, if there is one."""
    if (found := place.read()) and place.is_locked("server"):
        os.killpg(found.pid, signal.SIGKILL)
        soon(lambda: not place.is_locked("server"))


def attached(place: Place, spec: Spec) -> Attached:
    """The engine of a place, which there must be."""
    found = attach(place, spec)
    assert found, place.log.read_text()
    return found
