"""Locks of files, which the system releases however the process that holds them ends."""

import fcntl
from typing import IO


def try_lock(file: IO[str]) -> bool:
    """Lock an open file unless another process has it locked."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
