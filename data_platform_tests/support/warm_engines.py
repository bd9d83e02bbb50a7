"""Start and end warm engines in tests."""

import os
import signal
from collections.abc import Callable

import psutil

from data_platform.engine.warm.attach import Attached, attach
from data_platform.engine.warm.place import Place, Spec
from data_platform.storage.waiting import wait


def soon(condition: Callable[[], bool]) -> None:
    """Wait for a condition; fail after a minute."""
    assert wait(condition, 60)


def end(place: Place) -> None:
    """Kill the engine in a directory, if there is one."""
    if (found := place.read()) and place.is_locked("server"):
        os.killpg(found.pid, signal.SIGKILL)
        soon(lambda: not place.is_locked("server"))


def attached(place: Place, spec: Spec) -> Attached:
    """Attach to the engine in a directory, or fail with its log."""
    found = attach(place, spec)
    assert found, place.log.read_text()
    return found


def children(pid: int) -> list[int]:
    """The child processes of a process; none if it has ended."""
    try:
        return [each.pid for each in psutil.Process(pid).children()]
    except psutil.NoSuchProcess:
        return []
