"""The work that a run is requested for, and when it is requested again.

Dagster never repeats a run key, however the run ended. So the work of each table (what is pending,
what is stale) is a tag of the run, and the run key also names the last run with such work that
ended. As long as the work is due, another run is requested, after longer and longer waits; other
work is not delayed.
"""

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

import dagster as dg

from data_platform.runs.tags import HIDDEN, NO_RETRIES
from data_platform.tables.identity import TableId

WORK = f"{HIDDEN}data_platform_work"  # run tag, hidden from Dagster's pages
LONGEST_WAIT = dt.timedelta(hours=1)
MOST_REPEATS = 5  # work that triggers other work must not loop forever
_ENDED = [
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
]
_ENOUGH = 10  # ended runs to look at: fewer already give the longest wait


@dataclass(frozen=True)
class DueRun:
    """A run to request, and the earliest moment for it: now, unless one of the same work ended."""

    request: dg.RunRequest
    at: dt.datetime

    @property
    def work(self) -> str:
        """The id of its work (see `work_id`)."""
        return self.request.tags[WORK]

    @property
    def waits(self) -> str:
        """The message of a sensor that skips it until the next try."""
        return f"{self.request.job_name} will be retried at {self.at.astimezone():%H:%M}"


@dataclass
class Tried:
    """What a process that runs everything due has tried so far.

    Each piece of work is tried once. A request (job and range) is repeated for other work, but at
    most `MOST_REPEATS` times while no new request comes in between: any number of jobs may run and
    fail, but endless repetition stops.
    """

    work: set[str] = field(default_factory=set)
    requests: Counter[tuple] = field(default_factory=Counter)

    def may(self, each: DueRun) -> bool:
        """Whether its work was not tried yet and is not `in_circles`."""
        return each.work not in self.work and not self.in_circles(each)

    def in_circles(self, each: DueRun) -> bool:
        """Whether it is new work of a request that was already repeated as often as allowed."""
        return each.work not in self.work and self.requests[_asked(each)] > MOST_REPEATS

    def add(self, each: DueRun) -> None:
        """Record that it is tried."""
        self.work.add(each.work)
        if _asked(each) not in self.requests:
            self.requests = Counter(dict.fromkeys(self.requests, 1))  # it may be why others repeat
        self.requests[_asked(each)] += 1


def _asked(each: DueRun) -> tuple:
    request = each.request
    tags = {name: value for name, value in request.tags.items() if not name.startswith(WORK)}
    assets = sorted(key.to_string() for key in request.asset_selection or ())
    return request.job_name, *sorted(tags.items()), *assets


def work_id(kind: str, job: str | None, parts: Iterable[str]) -> str:
    """An id of the work: equal for equal parts in the same order."""
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return f"{kind}-{job}-{digest[:16]}"


def due(
    instance: dg.DagsterInstance, request: dg.RunRequest, works: Mapping[TableId, str]
) -> DueRun:
    """The run to request and the earliest time for it; `request` has its work's id as run key.

    `works` has the id of each table's work. The run is due as soon as that of one table is: how
    many tables a tick planned must not decide how long each waits.
    """
    work = request.run_key or ""
    by_tag = {_tag(table): of_table for table, of_table in works.items()}
    ended = [
        instance.get_run_records(dg.RunsFilter(tags={name: value}, statuses=_ENDED), limit=_ENOUGH)
        for name, value in by_tag.items()
    ]
    last = max((found[0] for found in ended if found), key=attrgetter("storage_id"), default=None)
    key = f"{work}-{last.dagster_run.run_id[:8]}" if last else work
    tags = {**request.tags, WORK: work, **by_tag, **NO_RETRIES}
    now = dt.datetime.now(dt.UTC)
    at = min(next_try([one.end_time for one in found if one.end_time], now) for found in ended)
    return DueRun(request.with_replaced_attrs(run_key=key, tags=tags), at)


def _tag(table: TableId) -> str:
    """The run tag for the id of a table's work."""
    return f"{WORK}.{hashlib.sha256(str(table).encode()).hexdigest()[:12]}"


def next_try(ended: Sequence[float], now: dt.datetime) -> dt.datetime:
    """2, 4, 8, ... minutes after the last end in `ended` (UTC, seconds since 1970).

    Ends are moments of the machines that ran, whose clocks may be ahead of this one. An end that is
    more than `LONGEST_WAIT` later than now means that the clock was set back since: it counts as
    one more run, but the wait does not start from it.
    """
    latest = (now + LONGEST_WAIT).timestamp()
    past = [moment for moment in ended if moment <= latest]
    if not past:
        return dt.datetime.min.replace(tzinfo=dt.UTC)
    wait = min(dt.timedelta(minutes=2 ** len(ended)), LONGEST_WAIT)
    return dt.datetime.fromtimestamp(max(past), dt.UTC) + wait
