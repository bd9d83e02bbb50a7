"""Run what is due immediately, in this process.

For the demo, the command line and tests, what `dagster dev` does over minutes: ask the sensors and
run what they request, until they request nothing.
"""

import datetime as dt
import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Literal

import dagster as dg

from data_platform.build.dagster_internals import error_outside_steps
from data_platform.build.failures import are_held_back, cause
from data_platform.build.kinds import landed
from data_platform.runs.arrivals import list_landed, record_arrivals
from data_platform.runs.due import Waiting, stale, unloaded
from data_platform.runs.failed_partitions import clear_failed_status, fail_runs_that_died
from data_platform.runs.launched import LAUNCHED_BY, execute_here
from data_platform.runs.liveness import driving, hold, require_driving, under_way
from data_platform.runs.retry import MOST_REPEATS, DueRun, Tried
from data_platform.runs.scope import Scope
from data_platform.runs.stopping import Stop, cancel_run
from data_platform.runs.tags import NO_RETRIES, RANGE_END, RANGE_START, WITHOUT_FAILURES
from data_platform.storage.errors import LakeError
from data_platform.tables.identity import TableId

_log = logging.getLogger(__name__)

COMMAND_LINE = "command line"  # what launched a run, on Dagster's pages


class TablesBusy(LakeError):
    """Another run or backfill is building the tables."""


@dataclass(frozen=True)
class Ran:
    """A run that was asked for and its result."""

    request: dg.RunRequest
    run_id: str
    success: bool
    failures: tuple[str, ...]
    only_held_back: bool = False  # nothing failed but the checks of partitions
    canceled: bool = False

    @property
    def state(self) -> Literal["done", "held back", "canceled", "failed"]:
        """How it ended; `failed` means that something other than the data was wrong."""
        if self.success:
            return "done"
        if self.canceled:
            return "canceled"
        return "held back" if self.only_held_back else "failed"

    @property
    def lines(self) -> list[str]:
        """How it ended and why, as lines to print."""
        run = f"run {self.run_id} of {self.request.job_name}: {self.state}"
        return [run] if self.canceled else [run, *self.failures]


def run_until_quiet(
    definitions: dg.Definitions,
    scope: Scope,
    *,
    announce: Callable[[dg.RunRequest], None] = lambda request: None,
    waiting: Callable[[], None] = lambda: None,
    stop: Stop | None = None,
    trouble: Callable[[str], object] = _log.error,
    waits: Callable[[TableId, Waiting], object] = lambda table, waiting: None,
    circles: Callable[[str], object] = _log.error,
    by: str = COMMAND_LINE,
) -> Iterator[Ran]:
    """Record what landed, then run what is due for it and what becomes stale because of it.

    Each piece of work runs once, whether it succeeds or not, and without the sensors' delay before
    a retry. Calls `announce` before each run, `waiting` when it has to wait for another driver,
    `trouble` once for each table that cannot be planned (the others are built), `waits` at each
    look with what a table's partitions wait for, and `circles` with a request that keeps coming
    back with nothing new in between, which is skipped. Starts no further run once `stop` was
    asked. `by` is what Dagster's pages show as the launcher. Raises TablesBusy while Dagster's
    daemon has a run or backfill of the tables under way.
    """
    tried = Tried()
    trouble, circles = _once(trouble), _once(circles)
    with driving_idle(scope, waiting=waiting):
        if bronze := landed(scope.tables):
            list_landed(scope.platform, bronze, dt.datetime.now(dt.UTC))
        listed = True
        while found := _next(scope, tried, trouble, waits, circles, listed=listed):
            listed = False
            tried.add(found)
            announce(found.request)
            yield run_one(definitions, scope, found.request, stop=stop, by=by)
            if stop and stop.asked:
                return


def _once(say: Callable[[str], object]) -> Callable[[str], object]:
    """A function that passes each text on once."""
    return lru_cache(maxsize=None)(say)


def asked_for(request: dg.RunRequest) -> str:
    """A request in words."""
    return f"the sensors ask for a run of {_named(request)}"


def _named(request: dg.RunRequest) -> str:
    start, end = request.tags.get(RANGE_START), request.tags.get(RANGE_END)
    return f"{request.job_name}, {start} to {end}" if start else str(request.job_name)


@contextmanager
def driving_idle(scope: Scope, *, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Be the home's only driver (see `driving`), after what became of runs that died is recorded.

    Raises TablesBusy where a run or backfill builds any of the tables.
    """
    with driving(scope.instance, scope.platform, waiting=waiting) as dead:
        fail_runs_that_died(scope, dead)
        _require_idle(scope)
        yield


def _require_idle(scope: Scope) -> None:
    require_driving()
    if busy := under_way(scope):
        raise TablesBusy(
            f"{busy}, and builds the same tables; the sensors ask for what is left when it has "
            "ended, or try again then"
        )


def _next(
    scope: Scope,
    tried: Tried,
    trouble: Callable[[str], object],
    waits: Callable[[TableId, Waiting], object],
    circles: Callable[[str], object],
    *,
    listed: bool,
) -> DueRun | None:
    """The next run, or None; `listed` says that the landing place was listed a moment ago."""
    _require_idle(scope)
    if bronze := landed(scope.tables):  # otherwise none of the tables reads what arrives
        now = dt.datetime.now(dt.UTC)
        for warning in record_arrivals(
            scope.platform, bronze, now, listed=listed, redeclared=listed
        ).warnings:
            _log.warning(warning)
    found = chain(
        unloaded(scope, trouble=trouble),
        stale(scope, trouble=trouble, planned=lambda plan: waits(plan.table.id, plan.waiting)),
    )
    for each in found:
        if tried.in_circles(each):
            circles(
                f"{_named(each.request)} was repeated {MOST_REPEATS} times and is asked for again; "
                "it is skipped, since its inputs change as often as it is built"
            )
        elif tried.may(each):
            return each
    return None


def run_one(
    definitions: dg.Definitions,
    scope: Scope,
    request: dg.RunRequest,
    *,
    only: dg.AssetKey | None = None,
    stop: Stop | None = None,
    by: str = COMMAND_LINE,
) -> Ran:
    """Execute one run in this process, recorded in the instance like any other.

    `only` restricts it to one asset; `by` is what Dagster's pages show as the launcher. The caller
    must be `driving` the home. The run is canceled once `stop` was asked.
    """
    run_id = str(uuid.uuid4())

    def execute() -> Ran:
        who = f"{scope.platform.settings.actor}, {by}"
        return _execute(definitions, scope.instance, request, only=only, run_id=run_id, by=who)

    def cancel() -> None:
        cancel_run(scope.instance, run_id)

    with hold(scope.platform, run_id):
        ran = stop.supervise(execute, cancel) if stop else execute()
    if not ran.success:
        clear_failed_status(scope, run_id)
    return ran


def _execute(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    request: dg.RunRequest,
    *,
    only: dg.AssetKey | None,
    run_id: str,
    by: str,
) -> Ran:
    assert request.job_name is not None
    job = definitions.resolve_job_def(request.job_name)
    result = execute_here(
        job,
        instance,
        run_id=run_id,
        tags={**request.tags, **NO_RETRIES, LAUNCHED_BY: by},
        run_config=WITHOUT_FAILURES,
        asset_selection=[only] if only else request.asset_selection,
    )
    run = instance.get_run_by_id(run_id)
    return Ran(
        request,
        run_id,
        result.success,
        failures_of(result),
        only_held_back=only_held_back(result),
        canceled=run is not None and run.status is dg.DagsterRunStatus.CANCELED,
    )


def failures_of(result: dg.ExecuteInProcessResult) -> tuple[str, ...]:
    """Why its steps failed, and why the run failed outside of them: before the first one, or after
    the last."""
    failed = [event.step_failure_data.error for event in result.get_step_failure_events()]
    return (*map(cause, failed), *_outside_steps(result))


def _outside_steps(result: dg.ExecuteInProcessResult) -> tuple[str, ...]:
    errors = map(error_outside_steps, result.all_events)
    return tuple(cause(error) for error in errors if error)


def only_held_back(result: dg.ExecuteInProcessResult) -> bool:
    """Whether nothing failed in a run but the checks of partitions."""
    return are_held_back(result.get_step_failure_events()) and not _outside_steps(result)
