"""The process of a home's warm engine: `python -m data_platform.engine.warm.server DIRECTORY`.

It reads its `Spec` from standard input, records its address in the directory, and closes the
sessions of runs that were killed. It ends when it has been idle for the given time, or when its
owner has ended and no run uses it.
"""

import os
import shutil
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO

from data_platform.engine.warm.engines import Running, start
from data_platform.engine.warm.place import Found, Place, Spec, session_address
from data_platform.settings.environment import export
from data_platform.storage.locks import try_lock

_PAUSE = 0.5  # seconds between checks for users


def main(directory: Path, spec: Spec) -> int:
    """Run the engine of a directory; returns the process's exit code."""
    place = Place(directory)
    code = _keep(place, spec)
    if spec.temporary and code == 0:  # after a failure the log is needed
        shutil.rmtree(directory, ignore_errors=True)
    return code


def _keep(place: Place, spec: Spec) -> int:
    with place.file("keeper") as keeper, place.file("server") as alive:
        if not (try_lock(keeper) and try_lock(alive)):
            return 1  # another process was first
        # Recorded before the JVM starts, so that its process group can always be killed.
        place.write(Found(os.getpid(), spec.key))
        sys.path[:] = spec.path
        export(PYTHONPATH=os.pathsep.join(spec.path), TMPDIR=str(place.work), **spec.variables)
        running = start(spec, place, alive.fileno())
        try:
            place.write(Found(os.getpid(), spec.key, running.address))
            return 0 if _serve(place, spec, running, keeper) else 1
        finally:
            if place.is_there(keeper):
                place.clear()
            running.stop()


def _serve(place: Place, spec: Spec, running: Running, keeper: IO[str]) -> bool:
    """Wait until the engine is no longer needed; False if it ended on its own."""
    used = time.monotonic()
    while running.is_alive():
        if not place.is_there(keeper):
            return True  # the home was removed
        with place.file("attach") as attach:
            if try_lock(attach):  # otherwise a run is attaching
                using, gone = place.users()
                for session in gone:
                    _close(place, session, running.address)
                if using:
                    used = time.monotonic()
                elif time.monotonic() - used > spec.idle or not _is_alive(spec.owner):
                    place.clear()  # a run that attaches now waits for the end
                    return True
        time.sleep(_PAUSE)
    return False


def _close(place: Place, session: str, server: str) -> None:
    """Close a session, and interrupt its queries."""

    def close() -> None:
        from pyspark.errors import PySparkException  # both are slow to import
        from pyspark.sql.connect.client import SparkConnectClient

        client = SparkConnectClient(
            session_address(server, session), use_reattachable_execute=False
        )
        try:
            with suppress(PySparkException):  # it was closed already, or the engine is ending
                client.release_session()
        finally:
            client.close()

    place.forget(session)
    threading.Thread(target=close, daemon=True).start()  # it may take long


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it belongs to another user
        pass
    return True


def _end(_: int, __: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    sys.exit(main(Path(sys.argv[1]), Spec.from_json(sys.stdin.read())))
