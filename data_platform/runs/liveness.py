"""Which runs are under way, which have a process, and what becomes of those whose process is gone.

If a run's process is killed, or the power fails, the run would count as under way for ever: no
other run of its tables would be requested, and it would keep its slot among concurrent runs.
Dagster's launcher for one machine does not monitor its processes once their code server is gone,
and nothing monitors a run of `in_process`. So each run has a file in the home that its process
keeps locked; the system releases the lock however the process ends. If the lock is free, the run
has ended or never will. Child processes do not inherit it: Python opens files close-on-exec, and
neither the JVM nor Spark's workers are forked without exec.
"""

import datetime as dt
import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import dagster as dg

from data_platform.assets import Table
from data_platform.build.dagster_internals import is_without_job, requested_backfills
from data_platform.build.platform import Platform
from data_platform.runs.requests import job_name, tables_by_job
from data_platform.runs.scope import Scope
from data_platform.runs.tags import RECONCILIATION
from data_platform.storage.locks import try_lock

BEGINS_WITHIN = dt.timedelta(minutes=10)  # a run locks its file seconds after it has started
_DRIVER = "driver.lock"
_BEGUN = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_until_exit: list[IO[str]] = []


def under_way(scope: Scope) -> str | None:
    """A run or backfill that builds one of the tables now, in words; None if there is none."""
    instance = scope.instance
    keys = {table.key for table in scope.tables}
    jobs = {job_name(table) for table in scope.tables}
    for run in instance.get_runs(dg.RunsFilter(statuses=_UNDER_WAY)):
        if run.job_name in jobs or keys & set(run.asset_selection or ()):
            return f"run {run.run_id} of {run.job_name} is under way"
    for backfill in requested_backfills(instance):
        if keys & set(backfill.asset_selection or ()):
            return f"backfill {backfill.backfill_id} is under way"
    return None


@contextmanager
def driving(
    instance: dg.DagsterInstance,
    platform: Platform,
    *,
    waiting: Callable[[], None] = lambda: None,
) -> Iterator[list[dg.DagsterRun]]:
    """Be the home's only driver; yields the dead runs that were marked as failed.

    If another process is driving, calls `waiting` and waits until it is done.
    """
    with (platform.settings.home / _DRIVER).open("w") as lock:
        if not try_lock(lock):
            waiting()
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield fail_dead_runs(instance, platform)
        finally:
            fail_dead_runs(instance, platform)  # also removes the files of runs that ended


def at_work(platform: Platform) -> tuple[bool, list[str], list[str]]:
    """Whether a command drives the home now; runs with a process; runs whose process is gone, which
    the next driver marks failed. Changes nothing."""
    live: list[str] = []
    dead: list[str] = []
    for file in sorted(_running(platform).glob("*")):
        if not file.suffix:
            (live if _is_locked(file) else dead).append(file.name)
    driver = platform.settings.home / _DRIVER
    return driver.exists() and _is_locked(driver), live, dead


def _is_locked(path: Path) -> bool:
    with path.open() as file:
        return not try_lock(file)


def hold(platform: Platform, run_id: str) -> IO[str]:
    """The run's file, locked until it is closed or the process ends."""
    final = _running(platform) / run_id
    final.parent.mkdir(parents=True, exist_ok=True)
    made = final.with_suffix(".new")
    lock = made.open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    made.rename(final)  # nobody can find it before it is locked
    return lock


def hold_until_exit(
    platform: Platform, instance: dg.DagsterInstance | None, run: dg.DagsterRun | None
) -> None:
    """Hold the run's file for the life of this process, unless the run's driver holds it.

    A run ends after its resources are torn down, so these must not release the file. With a process
    for each step, none of them lives as long as the run: such a run has no file.
    """
    if run is None or instance is None or (_running(platform) / run.run_id).exists():
        return
    if not instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_WORKER_STARTING):
        _until_exit.append(hold(platform, run.run_id))


def fail_dead_runs(instance: dg.DagsterInstance, platform: Platform) -> list[dg.DagsterRun]:
    """Mark the runs whose process is gone as failed, and return them."""
    found = []
    for file in sorted(_running(platform).glob("*")):
        if file.suffix:
            continue  # not yet locked
        with file.open("a") as lock:
            if not try_lock(lock):
                continue
            found += _buried(instance, file.name)
            file.unlink(missing_ok=True)
    return found


def fail_lost_runs(scope: Scope, now: dt.datetime) -> list[dg.DagsterRun]:
    """Mark as failed the runs of these tables that died before they had a file, and return them.

    Only runs that would have one by now: other code may run for as long as it likes. A start time
    far in the future means that the clock was set back since.
    """
    found = []
    running = _running(scope.platform)
    for record in scope.instance.get_run_records(dg.RunsFilter(statuses=_BEGUN)):
        run, begun = record.dagster_run, record.start_time
        late = begun is not None and abs(now.timestamp() - begun) > BEGINS_WITHIN.total_seconds()
        if late and _has_a_file(run, scope.tables) and not (running / run.run_id).exists():
            found += _buried(scope.instance, run.run_id)
    return found


def _has_a_file(run: dg.DagsterRun, tables: Sequence[Table]) -> bool:
    if is_without_job(run):
        return bool({table.key for table in tables} & set(run.asset_selection or ()))
    return run.job_name in {*tables_by_job(tables), RECONCILIATION}


def _buried(instance: dg.DagsterInstance, run_id: str) -> list[dg.DagsterRun]:
    run = instance.get_run_by_id(run_id)  # as it is now: it may have ended a moment ago
    if run is None or run.is_finished:
        return []
    instance.report_run_failed(run, "The process of this run is gone; it ended before the run did.")
    return [run]


def _running(platform: Platform) -> Path:
    return platform.settings.home / "running"
