"""Running what waits, here and now: the sensors' decisions carried out in this process.

What `dagster dev` does over minutes, for the demo, the command line and tests: ask the sensors,
run what they ask for, until they ask for nothing.
"""

import datetime as dt
import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Literal

import dagster as dg
from dagster._core.events import JobFailureData
from dagster._core.storage.tags import MAX_RETRIES_TAG

from data_platform.assets import Table
from data_platform.build.failures import cause
from data_platform.build.platform import Platform
from data_platform.landing.arrivals.listing import reconcile
from data_platform.runs.arrivals import record_arrivals, settle_arrivals
from data_platform.runs.due import Waiting, arrivals, stale
from data_platform.runs.failed_partitions import clear_failed_status
from data_platform.runs.launched import LAUNCHED_BY, execute_here, person
from data_platform.runs.liveness import driving, fail_lost_runs, hold, under_way
from data_platform.runs.retry import MOST_REPEATS, DueRun, Tried
from data_platform.runs.stopping import Stop, cancel_run
from data_platform.runs.tags import RANGE_END, RANGE_START, WITHOUT_FAILURES
from data_platform.storage.errors import LakeError
from data_platform.tables.identity import TableId
from data_platform.telemetry.metadata import HELD_BACK

_log = logging.getLogger(__name__)

COMMAND_LINE = "command line"  # as what launched a run


class TablesBusy(LakeError):
    """Somebody else's run or backfill is building the tables."""


@dataclass(frozen=True)
class Ran:
    """A run that was asked for and its result."""

    request: dg.RunRequest
    run_id: str
    success: bool
    failures: tuple[str, ...]
    only_held_back: bool = False  # all that failed is partitions that did not pass their checks
    canceled: bool = False

    @property
    def state(self) -> Literal["done", "held back", "canceled", "failed"]:
        """`failed` is by more than what is wrong with the data."""
        if self.success:
            return "done"
        if self.canceled:
            return "canceled"
        return "held back" if self.only_held_back else "failed"

    @property
    def lines(self) -> list[str]:
        """What became of it, for a person."""
        run = f"run {self.run_id} of {self.request.job_name}: {self.state}"
        return [run] if self.canceled else [run, *self.failures]


def run_until_quiet(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    platform: Platform,
    tables: Sequence[Table],
    *,
    announce: Callable[[dg.RunRequest], None] = lambda request: None,
    waiting: Callable[[], None] = lambda: None,
    stop: Stop | None = None,
    trouble: Callable[[str], object] = _log.error,
    waits: Callable[[TableId, Waiting], object] = lambda table, waiting: None,
    circles: Callable[[str], object] = _log.error,
    by: str = COMMAND_LINE,
) -> Iterator[Ran]:
    """Record what landed, then run what it asks for and what becomes stale by it.

    Every piece of work once, whatever became of it, and at once: a person who asks does not wait
    for the sensors' next try. Calls `announce` before each run, and `waiting` where it has to wait
    for another driver; `trouble` is told, once, of each table that cannot be planned, while the
    others are built, and `waits`, at each look, of what a table's partitions wait for. What is
    asked for again and again, with nothing new in between, is left, and `circles` told of it.
    After a run in which somebody wanted to `stop` there is no other. Dagster's pages say that the
    runs were launched `by` this. Raises TablesBusy where Dagster's daemon has a run or backfill of
    the tables under way.
    """
    tried = Tried()
    trouble, circles = _once(trouble), _once(circles)
    with driving(instance, platform, waiting=waiting) as buried:
        lost = fail_lost_runs(instance, platform, tables, dt.datetime.now(dt.UTC))
        for run in [*buried, *lost]:
            clear_failed_status(instance, platform, tables, run.run_id)
        require_idle(instance, tables)
        # A person means all that is there, where a sensor's tick may look at recent days only.
        sources = [table.source for table in tables if table.source]
        if sources:
            landed = [table for table in tables if table.source]
            settle_arrivals(platform, landed)
            reconcile(platform.bucket, sources, platform.ledger, dt.datetime.now(dt.UTC))
        listed = True
        while found := _next(
            instance, platform, tables, tried, trouble, waits, circles, listed=listed
        ):
            listed = False
            tried.add(found)
            announce(found.request)
            yield run_one(definitions, instance, platform, tables, found.request, stop=stop, by=by)
            if stop and stop.asked:
                return


def _once(tell: Callable[[str], object]) -> Callable[[str], object]:
    """Tells each text once."""
    return lru_cache(maxsize=None)(tell)


def asked_for(request: dg.RunRequest) -> str:
    """A request in words."""
    return f"the sensors ask for a run of {_named(request)}"


def _named(request: dg.RunRequest) -> str:
    start, end = request.tags.get(RANGE_START), request.tags.get(RANGE_END)
    return f"{request.job_name}, {start} to {end}" if start else str(request.job_name)


def require_idle(instance: dg.DagsterInstance, tables: Sequence[Table]) -> None:
    """Raises TablesBusy, which names the run or backfill that builds one of the tables now."""
    if busy := under_way(instance, tables):
        raise TablesBusy(
            f"{busy}, and builds the same tables; the sensors ask for what is left when it has "
            "ended, or try again then"
        )


def _next(
    instance: dg.DagsterInstance,
    platform: Platform,
    tables: Sequence[Table],
    tried: Tried,
    trouble: Callable[[str], object],
    waits: Callable[[TableId, Waiting], object],
    circles: Callable[[str], object],
    *,
    listed: bool,
) -> DueRun | None:
    """The next run; `listed` says that the landing place was, a moment ago."""
    require_idle(instance, tables)
    landed = [table for table in tables if table.source]
    derived = [table for table in tables if not table.source]
    if landed:  # else nobody here reads what arrives
        now = dt.datetime.now(dt.UTC)
        for warning in record_arrivals(
            platform, landed, now, listed=listed, redeclared=listed
        ).warnings:
            _log.warning(warning)
    found = chain(
        arrivals(platform, instance, landed, trouble=trouble),
        stale(platform, instance, derived, trouble=trouble, waits=waits),
    )
    for each in found:
        if tried.in_circles(each):
            circles(
                f"{_named(each.request)} was repeated {MOST_REPEATS} times and is asked for again; "
                "it is left, since its inputs change as often as it is built"
            )
        elif tried.may(each):
            return each
    return None


def run_one(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    platform: Platform,
    tables: Sequence[Table],
    request: dg.RunRequest,
    *,
    only: dg.AssetKey | None = None,
    stop: Stop | None = None,
    by: str = COMMAND_LINE,
) -> Ran:
    """One run in this process, recorded in the instance as any other; `only` one of its assets,
    launched `by` what.

    For whoever is `driving` the home. The run is canceled where somebody wants to `stop` it.
    """
    run_id = str(uuid.uuid4())

    def execute() -> Ran:
        return _execute(definitions, instance, request, only=only, run_id=run_id, by=by)

    with hold(platform, run_id):
        ran = stop.supervise(execute, lambda: cancel_run(instance, run_id)) if stop else execute()
    if not ran.success:
        clear_failed_status(instance, platform, tables, run_id)
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
        tags={**request.tags, MAX_RETRIES_TAG: "0", LAUNCHED_BY: f"{person()}, {by}"},
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
    """Why its steps failed; of a run that came to no step, why it did not."""
    failed = [event.step_failure_data.error for event in result.get_step_failure_events()]
    if not failed:
        ended = (event.event_specific_data for event in result.all_events if event.is_job_failure)
        failed = [data.error for data in ended if isinstance(data, JobFailureData) and data.error]
    return tuple(map(cause, failed))


def only_held_back(result: dg.ExecuteInProcessResult) -> bool:
    """Whether all that failed in a run is partitions that did not pass their checks."""
    failed = [
        event.step_failure_data.user_failure_data for event in result.get_step_failure_events()
    ]
    return bool(failed) and all(data and HELD_BACK in data.metadata for data in failed)
