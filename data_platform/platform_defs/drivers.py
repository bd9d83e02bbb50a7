"""Runs that a process drives itself, and what becomes of those whose process died.

Dagster's daemon looks after the runs that it launched. A run of `drive` has nobody: if its process
is killed, the run would count as under way for ever, and nothing else would be asked for. So a
home has one driver at a time, who holds a lock that goes with its process; whoever finds the lock
free knows that the driven runs that did not end never will.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from data_platform.platform_defs.platform import Platform

DRIVEN = {"data_platform/driven": "true"}  # run tag
_LOCK = "driver.lock"
_UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@contextmanager
def driving(instance: dg.DagsterInstance, platform: Platform) -> Iterator[None]:
    """The place of the home's driver; waits until another one has left it."""
    with (platform.settings.home / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _bury(instance)
        yield


def bury_dead_runs(instance: dg.DagsterInstance, platform: Platform) -> None:
    """Mark the runs of a driver that died as failed; nothing while a driver is at work."""
    with (platform.settings.home / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        _bury(instance)


def _bury(instance: dg.DagsterInstance) -> None:
    for run in instance.get_runs(dg.RunsFilter(tags=DRIVEN, statuses=_UNFINISHED)):
        instance.report_run_failed(run, "The process that drove this run ended before the run did.")
