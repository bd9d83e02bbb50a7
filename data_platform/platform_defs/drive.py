"""Running what waits, here and now: the sensors' decisions carried out in this process.

What `dagster dev` does over minutes, for the demo, the command line and tests: ask the sensors,
run what they ask for, until they ask for nothing.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import dagster as dg

from data_platform.assets import Table
from data_platform.landing.intake import tick
from data_platform.platform_defs.console import RUN_CONFIG
from data_platform.platform_defs.drivers import DRIVEN, driving
from data_platform.platform_defs.jobs import RANGE_END, RANGE_START
from data_platform.platform_defs.platform import Platform
from data_platform.platform_defs.sensors import OVERLAP_DAYS, arrival_requests, stale_requests

_SPEAKING = ("Failure", "DatabaseUnavailable", "LedgerError")  # they name the place, the way out
_MOST_RUNS = 20  # a decision that repeats itself must not run for ever


@dataclass(frozen=True)
class Ran:
    """A run that was asked for and its result."""

    request: dg.RunRequest
    run_id: str
    success: bool
    failures: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        """What became of it, for a person."""
        state = "done" if self.success else "failed"
        return [f"run {self.run_id} of {self.request.job_name}: {state}", *self.failures]


def run_until_quiet(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    platform: Platform,
    tables: Sequence[Table],
    *,
    announce: Callable[[dg.RunRequest], None] = lambda request: None,
) -> Iterator[Ran]:
    """Record what landed, then run what it asks for and what becomes stale by it."""
    done: set[str | None] = set()
    with driving(instance, platform):
        for _ in range(_MOST_RUNS):
            request = _next(instance, platform, tables)
            if request is None or request.run_key in done:
                return
            done.add(request.run_key)
            announce(request)
            yield execute(definitions, instance, request)


def asked_for(request: dg.RunRequest) -> str:
    """A request in words."""
    start, end = request.tags.get(RANGE_START), request.tags.get(RANGE_END)
    span = f", {start} to {end}" if start else ""
    return f"the sensors ask for a run of {request.job_name}{span}"


def _next(
    instance: dg.DagsterInstance, platform: Platform, tables: Sequence[Table]
) -> dg.RunRequest | None:
    landed = [table for table in tables if table.source]
    sources = [table.source for table in landed if table.source]
    now = dt.datetime.now(dt.UTC)
    tick(platform.bucket, sources, platform.ledger, now, overlap_days=OVERLAP_DAYS)
    for request in arrival_requests(platform, instance, landed):
        return request
    for request in stale_requests(platform, [table for table in tables if not table.source]):
        return request
    return None


def execute(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    request: dg.RunRequest,
    *,
    only: dg.AssetKey | None = None,
) -> Ran:
    """One run in this process, recorded in the instance as any other; `only` one of its assets.

    For whoever is `driving` the home.
    """
    assert request.job_name is not None
    job = definitions.resolve_job_def(request.job_name)
    result = job.execute_in_process(
        instance=instance,
        tags={**request.tags, **DRIVEN},
        run_config=RUN_CONFIG,
        raise_on_error=False,
        asset_selection=[only] if only else request.asset_selection,
    )
    failures = tuple(
        cause(event.step_failure_data.error) for event in result.get_step_failure_events()
    )
    return Ran(request, result.run_id, result.success, failures)


def cause(error) -> str:
    """The message of a failure that explains itself, else the innermost one: what went wrong,
    before where."""
    while error is not None and error.cause is not None and error.cls_name not in _SPEAKING:
        error = error.cause
    if error is None:
        return "unknown"
    return error.message.strip().removeprefix(f"{error.cls_name}: ").split("Failure: ", 1)[-1]
