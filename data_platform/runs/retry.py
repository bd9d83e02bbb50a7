"""The work that a run is asked for, and when it is asked for again.

Dagster never repeats a run key, whatever became of its run. The work itself (what is pending, what
is stale) is therefore a tag of the run, and its key says as well which run of that work was the
last to end: as long as the work is there, another run is asked for, later and later. Other work is
not delayed by it.
"""

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import dagster as dg
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.tags import HIDDEN_TAG_PREFIX, MAX_RETRIES_TAG

WORK = f"{HIDDEN_TAG_PREFIX}data_platform_work"  # run tag, which Dagster's pages leave out
LONGEST_WAIT = dt.timedelta(hours=1)
MOST_REPEATS = 5  # work that makes other work must not run for ever
_ENOUGH = 10  # ended runs that are looked at: fewer already make the longest wait


@dataclass(frozen=True)
class DueRun:
    """A run that should be, and from when on: at once, unless one of the same work has ended."""

    request: dg.RunRequest
    at: dt.datetime

    @property
    def work(self) -> str:
        return self.request.tags[WORK]

    @property
    def waits(self) -> str:
        """For whom it is too early."""
        return f"{self.request.job_name} waits for its next try at {self.at.astimezone():%H:%M}"


@dataclass
class Tried:
    """The runs of a process that runs all that is due: each piece of work once, and a request (a
    job, a range) for other work again, but only so often while no request is a new one.

    There may be any number of jobs, and each may fail; only going round in circles has an end.
    """

    work: set[str] = field(default_factory=set)
    requests: Counter[tuple] = field(default_factory=Counter)

    def may(self, each: DueRun) -> bool:
        """Whether it is work that was not tried yet, and not one `in_circles`."""
        return each.work not in self.work and not self.in_circles(each)

    def in_circles(self, each: DueRun) -> bool:
        """Whether it is other work of a request that was repeated as often as one may be."""
        return each.work not in self.work and self.requests[_asked(each)] > MOST_REPEATS

    def add(self, each: DueRun) -> None:
        self.work.add(each.work)
        if _asked(each) not in self.requests:
            self.requests = Counter(dict.fromkeys(self.requests, 1))  # it may be why others repeat
        self.requests[_asked(each)] += 1


def _asked(each: DueRun) -> tuple:
    request = each.request
    tags = {name: value for name, value in request.tags.items() if name != WORK}
    assets = sorted(key.to_string() for key in request.asset_selection or ())
    return request.job_name, *sorted(tags.items()), *assets


def work_id(kind: str, job: str | None, parts: Iterable[str]) -> str:
    """The same for the same parts in the same order."""
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return f"{kind}-{job}-{digest[:16]}"


def due(instance: dg.DagsterInstance, request: dg.RunRequest) -> DueRun:
    """The request, whose run key is the id of its work, as it is to be made and from when on.

    It has no retries of Dagster's own, which would come on top of the sensors'.
    """
    work = request.run_key or ""
    of_work = dg.RunsFilter(tags={WORK: work}, statuses=FINISHED_STATUSES)
    ended = instance.get_run_records(of_work, limit=_ENOUGH)
    key = f"{work}-{ended[0].dagster_run.run_id[:8]}" if ended else work
    tags = {**request.tags, WORK: work, MAX_RETRIES_TAG: "0"}
    moments = [record.end_time for record in ended if record.end_time is not None]
    at = next_try(moments, dt.datetime.now(dt.UTC))
    return DueRun(request.with_replaced_attrs(run_key=key, tags=tags), at)


def next_try(ended: Sequence[float], now: dt.datetime) -> dt.datetime:
    """2, 4, 8, ... minutes after the last of the runs that ended (UTC, seconds since 1970).

    A run that ended later than now did so by a clock that was set back since: it counts as one
    more, and nobody waits for its moment to come again.
    """
    past = [moment for moment in ended if moment <= now.timestamp()]
    if not past:
        return dt.datetime.min.replace(tzinfo=dt.UTC)
    wait = min(dt.timedelta(minutes=2 ** len(ended)), LONGEST_WAIT)
    return dt.datetime.fromtimestamp(max(past), dt.UTC) + wait
