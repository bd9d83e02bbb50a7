"""Warm engines of a test's home: started, and ended when the test ends."""

import os
import signal
from collections.abc import Callable

import psutil

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


def children(pid: int) -> list[int]:
    """The processes that a process has started; none if it has ended."""
    try:
        return [each.pid for each in psutil.Process(pid).children()]
    except psutil.NoSuchProcess:
        return []
