"""Wait for something that gives no notice when it happens."""

import socket
import time
from collections.abc import Callable

_PAUSE = 0.05


def wait(until: Callable[[], bool], seconds: float) -> bool:
    """Wait up to `seconds` until the condition holds; returns whether it does."""
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            return False
        time.sleep(_PAUSE)
    return True


def is_listening(host: str, port: int) -> bool:
    """Whether a process accepts connections at this address."""
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0
