"""The process of a home's warm engine: `python -m data_platform.engine.warm.server DIRECTORY`.

It reads its `Spec` from standard input, tells its address in the directory, and ends when nobody
has used it for a while, or nobody uses it and its owner has ended.
"""

import fcntl
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from data_platform.engine.warm.engines import Running, start
from data_platform.engine.warm.place import Found, Place, Spec, try_lock

_PAUSE = 0.5  # seconds between two looks at who is there


def main(directory: Path, spec: Spec) -> int:
    """Be the engine of a directory; gives the process's exit code."""
    place = Place(directory)
    with place.file("keeper") as keeper, place.file("server") as alive:
        if not (try_lock(keeper) and try_lock(alive)):
            return 1  # another process was first
        running = start(spec, directory, alive.fileno())
        try:
            place.write(Found(running.address, os.getpid(), spec.key))
            return 0 if _serve(place, spec, running) else 1
        finally:
            place.clear()
            running.stop()


def _serve(place: Place, spec: Spec, running: Running) -> bool:
    """Wait until the engine is not needed any more; False if it has ended by itself."""
    used = time.monotonic()
    with place.file("users") as users:
        while running.is_alive():
            if not try_lock(users):
                used = time.monotonic()
            elif time.monotonic() - used > spec.idle or not _is_alive(spec.owner):
                place.clear()  # who comes now waits for the lock, and then finds no address
                return True
            else:
                fcntl.flock(users, fcntl.LOCK_UN)
            time.sleep(_PAUSE)
    return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    return True


def _end(_: int, __: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    sys.exit(main(Path(sys.argv[1]), Spec(**json.load(sys.stdin))))
