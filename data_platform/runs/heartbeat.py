"""Beat for a lease while this process does its work, on a database that several machines share."""

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from data_platform.databases.errors import DatabaseError, DatabaseUnavailable
from data_platform.databases.fencing import Lease, held
from data_platform.databases.leases import Leases
from data_platform.engine.session import cancel_jobs

_log = logging.getLogger(__name__)


def holder() -> str:
    """This process, for people."""
    return f"{socket.gethostname()}, process {os.getpid()}"


@contextmanager
def beating(
    leases: Leases, lease: Lease, *, lost: Callable[[], None] = cancel_jobs
) -> Iterator[None]:
    """Hold the lease within the block. If it is lost, `lost` is called, in another thread; by
    default it cancels the engine's jobs, since nothing that they compute can be published."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(leases.beats_every):
            try:
                if leases.beat(lease):
                    continue
            except DatabaseUnavailable as error:  # as it is for those who look for beats
                _log.warning("%s: the heartbeat failed, and is repeated: %s", lease.name, error)
                continue
            _log.error("%s: the lease is lost; nothing more of it is written", lease.name)
            with suppress(Exception):  # the session may be ending
                lost()
            return

    thread = threading.Thread(target=beat, daemon=True, name=f"heartbeat of {lease.name}")
    thread.start()
    with held(lease):
        try:
            yield
        finally:
            stop.set()
            thread.join(leases.beats_every)
            with suppress(DatabaseError):  # it ends by itself
                leases.release(lease)
