"""Which runs are under way, which have a process, and what becomes of those whose process is gone.

If a run's process is killed, or the power fails, the run would count as under way for ever: no
other run of its tables would be requested, and it would keep its slot among concurrent runs.
Dagster's launcher for one machine does not monitor its processes once their code server is gone,
and nothing monitors a run of `in_process`. So each run has a file in the home that its process
keeps locked; the system releases the lock however the process ends. If the lock is free, the run
has ended or never will. Child processes do not inherit it: Python opens files close-on-exec, and
neither the JVM nor Spark's workers are forked without exec.

Files are seen on one machine only. On a database that machines share a run has a lease as well:
its process beats, and one that is silent for too long counts as gone and can write no more.
"""

import atexit
import datetime as dt
import fcntl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

import dagster as dg

from data_platform.assets import Table
from data_platform.build.dagster_internals import is_without_job, requested_backfills
from data_platform.build.platform import Platform
from data_platform.databases.fencing import (
    RUNS,
    Lease,
    fenced,
    lease_of,
    require_held_now,
)
from data_platform.databases.leases import HeldLease, Leases
from data_platform.runs.heartbeat import beating, holder
from data_platform.runs.requests import job_name, tables_by_job
from data_platform.runs.scope import Scope
from data_platform.runs.tags import RECONCILIATION
from data_platform.storage.locks import try_lock

BEGINS_WITHIN = dt.timedelta(minutes=10)  # a run locks its file seconds after it has started
_DRIVER, _DRIVER_LEASE = "driver.lock", "driver"
_BEGUN = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def under_way(scope: Scope) -> str | None:
    """A run or backfill that builds one of the tables now, in words; None if there is none."""
    instance = scope.instance
    keys = {table.key for table in scope.tables}
    jobs = {job_name(table) for table in scope.tables}
    for run in instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY)):
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
    """Be the only driver, of the home or of all machines on its database; yields the dead runs
    that were marked as failed.

    If another process is driving, calls `waiting` and waits until it is done, or counts as gone.
    """
    with (
        driving_home(platform, waiting=waiting) as lock,
        _only_driver(platform.leases, lock, waiting),
    ):
        try:
            dead = fail_dead_runs(instance, platform)
            with fenced(_DRIVER_LEASE):
                yield dead
        finally:
            fail_dead_runs(instance, platform)  # also removes the files of runs that ended


@contextmanager
def driving_home(
    platform: Platform, *, waiting: Callable[[], None] = lambda: None
) -> Iterator[IO[str]]:
    """Be the only driver of this home, which needs neither Dagster's instance nor the database;
    yields the file that is locked."""
    with (platform.settings.home / _DRIVER).open("a+") as lock:
        if not try_lock(lock):
            waiting()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


@contextmanager
def _only_driver(
    leases: Leases | None, lock: IO[str], waiting: Callable[[], None]
) -> Iterator[None]:
    if leases is None:
        yield
        return
    leases.withdraw(_noted(_DRIVER_LEASE, lock))  # of a command in this home, which is gone
    waited, silent = False, set()
    while (lease := leases.acquire(_DRIVER_LEASE, holder())) is None:
        if not waited:
            waiting()
        waited = True
        time.sleep(leases.beats_every)
        before, silent = silent, set(leases.look(""))
        for each in silent & before:  # a look later, so that its runs are silent as well
            if each.name == _DRIVER_LEASE:
                leases.end(each)
    _note(lock, lease)
    try:
        with beating(leases, lease):
            yield
    finally:
        lock.truncate(0)


def _note(lock: IO[str], lease: Lease) -> None:
    """Write which lease is held with this file, and by whom: the home may be given another
    database, where a lease of another holder has the same number."""
    lock.truncate(0)
    lock.write(f"{lease.epoch} {holder()}")
    lock.flush()


def _noted(name: str, lock: IO[str]) -> list[HeldLease]:
    """The lease of this name that was held with this file, if there was one."""
    lock.seek(0)
    epoch, _, by = lock.read().partition(" ")
    return [HeldLease(name, int(epoch), by)] if epoch.isdigit() else []


def require_driving() -> None:
    """Raises LeaseLost if this process counted as gone since it began `driving`."""
    with fenced(_DRIVER_LEASE):
        require_held_now()


def at_work(platform: Platform) -> tuple[bool, list[str], list[str]]:
    """Whether a command drives the home now; runs with a process; runs whose process is gone, which
    the next driver marks failed. Changes nothing."""
    live: set[str] = set()
    dead: set[str] = set()
    for file in sorted(_running(platform).glob("*")):
        if not file.suffix:
            with suppress(FileNotFoundError):  # it has ended since
                (live if _is_locked(file) else dead).add(file.name)
    driver = platform.settings.home / _DRIVER
    driven = driver.exists() and _is_locked(driver)
    if leases := platform.leases:
        holders = leases.holders("")
        driven = driven or _DRIVER_LEASE in holders
        live |= {name.removeprefix(RUNS) for name in holders if name.startswith(RUNS)} - dead
    return driven, sorted(live), sorted(dead)


def _is_locked(path: Path) -> bool:
    with path.open() as file:
        return not try_lock(file)


def hold(platform: Platform, run_id: str) -> ExitStack:
    """Show that the run has a process, until this is closed or the process ends."""
    with ExitStack() as stack:
        lease = None
        if leases := platform.leases:
            lease = leases.take(lease_of(run_id), holder())
            stack.enter_context(beating(leases, lease))
        file = stack.enter_context(_locked_file(platform, run_id))
        if lease:
            _note(file, lease)
        return stack.pop_all()


def _locked_file(platform: Platform, run_id: str) -> IO[str]:
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
    """Hold the run for the life of this process, unless the run's driver holds it.

    A run ends after its resources are torn down, so these must not release the file. With a process
    for each step, none of them lives as long as the run: such a run has no file.
    """
    if run is None or instance is None or (_running(platform) / run.run_id).exists():
        return
    if not instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_WORKER_STARTING):
        atexit.register(hold(platform, run.run_id).close)


def fail_dead_runs(instance: dg.DagsterInstance, platform: Platform) -> list[dg.DagsterRun]:
    """Mark the runs whose process is gone as failed, and return them.

    Those of other machines are found by looking at their leases again and again: each call looks
    once.
    """
    found = []
    if leases := platform.leases:
        for silent in leases.look(RUNS):
            if leases.end(silent):  # from here on it cannot write
                found += _buried(instance, silent.name.removeprefix(RUNS))
    with _files_of_the_dead(platform) as files:
        if leases and files:
            held = [_noted(lease_of(file.name), lock) for file, lock in files.items()]
            leases.withdraw([lease for each in held for lease in each])
        for file in files:
            found += _buried(instance, file.name)
            file.unlink(missing_ok=True)
    return found


@contextmanager
def _files_of_the_dead(platform: Platform) -> Iterator[dict[Path, IO[str]]]:
    """The files that no process keeps locked; in the block this one does."""
    with ExitStack() as stack:
        files: dict[Path, IO[str]] = {}
        for file in sorted(_running(platform).glob("*")):
            if file.suffix:
                continue  # not yet locked
            lock = file.open("a+")
            if try_lock(lock):
                files[file] = stack.enter_context(lock)
            else:
                lock.close()
        yield files


def fail_lost_runs(scope: Scope, now: dt.datetime) -> list[dg.DagsterRun]:
    """Mark as failed the runs of these tables that died before they had a file, and return them.

    Only runs that would have one by now: other code may run for as long as it likes. A start time
    far in the future means that the clock was set back since. On a shared database, where clocks
    of machines differ, their leases are expected, and `fail_dead_runs` finds those that stay away.
    """
    begun = [
        record
        for record in scope.instance.get_run_records(dg.RunsFilter(statuses=_BEGUN))
        if _has_a_file(record.dagster_run, scope.tables)
    ]
    if leases := scope.platform.leases:
        leases.expect(lease_of(record.dagster_run.run_id) for record in begun)
        return []
    found = []
    running = _running(scope.platform)
    for record in begun:
        run_id, at = record.dagster_run.run_id, record.start_time
        late = at is not None and abs(now.timestamp() - at) > BEGINS_WITHIN.total_seconds()
        if late and not (running / run_id).exists():
            found += _buried(scope.instance, run_id)
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
