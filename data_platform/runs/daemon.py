"""Dagster's daemon, one at a time: the command `dagster-daemon run` with its own options.

Dagster supports one daemon for each storage. Two of them evaluate the same sensors, both may create
a run of one run key, and both launch the same run of the queue. A node that cannot be reached may
keep its daemon alive while another starts elsewhere. So a daemon holds a lease, where the database
is a server, and another one waits until it is released or has expired.
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points

from data_platform.build.platform import Platform
from data_platform.databases.errors import DatabaseError, DatabaseUnavailable
from data_platform.databases.fencing import Lease
from data_platform.databases.leases import Leases
from data_platform.runs.container import enter_its_home
from data_platform.runs.heartbeat import beating, holder
from data_platform.settings.environment import settings_from_env
from data_platform.settings.model import Settings
from data_platform.settings.values import SettingsError
from data_platform.telemetry.logs import log_as

LEASE = "daemon"
_log = logging.getLogger(__name__)


@contextmanager
def only_daemon(settings: Settings, *, lost: Callable[[], None]) -> Iterator[None]:
    """Wait until no other daemon is at work on the database, and keep others waiting.

    If the lease is lost, because this process was frozen or cut off from the database, `lost` is
    called in another thread: another daemon is at work, and repeats what this one has begun.
    """
    leases = Platform(settings).leases
    if leases is None:
        yield
        return
    with beating(leases, _awaited(leases), lost=lost):
        yield


def _awaited(leases: Leases) -> Lease:
    """The lease. Raises DatabaseError if the database cannot be used at first; later it is waited
    for, as the daemon at work does."""
    if lease := leases.acquire(LEASE, holder()):
        return lease
    other = leases.holders(LEASE).get(LEASE, "another process")
    _log.warning("another daemon is at work (%s); this one waits until it ends", other)
    away = False
    while lease is None:
        time.sleep(leases.beats_every)
        try:
            for silent in leases.look(LEASE):
                leases.end(silent)
            lease = leases.acquire(LEASE, holder())
            away = False
        except DatabaseUnavailable as error:
            if not away:
                _log.warning("the database cannot be used; this daemon still waits: %s", error)
            away = True
    _log.warning("the other daemon has ended; this one is at work")
    return lease


def main() -> None:
    [command] = entry_points(group="console_scripts", name="dagster-daemon")
    dagster_daemon = command.load()  # takes seconds, which one that waits has behind it
    try:
        settings = settings_from_env()
        log_as(settings.log_format)
        enter_its_home(settings)
        with only_daemon(settings, lost=lambda: os._exit(1)):  # at once
            sys.argv = ["dagster-daemon", "run", *sys.argv[1:]]
            dagster_daemon()
    except (SettingsError, DatabaseError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
