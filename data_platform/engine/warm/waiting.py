"""Wait for something that gives no notice when it happens."""

import time
from collections.abc import Callable

_PAUSE = 0.05


def wait(until: Callable[[], bool], seconds: float) -> bool:
    """Wait until a condition holds, at most so many seconds; whether it does."""
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            return False
        time.sleep(_PAUSE)
    return True
