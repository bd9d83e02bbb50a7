"""Runs that failed, for another reason than held back partitions, and that no success followed."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import dagster as dg

from data_platform.build.failures import are_held_back, error_type

FAILED_SINCE = dt.timedelta(days=7)  # a failure of Friday is seen on Monday
_MOST = 500  # failed runs, the newest
_PAGE = 50  # runs that are looked at together
_Work = tuple[str, frozenset[dg.AssetKey]]  # a job, and which assets


@dataclass(frozen=True)
class FailedStep:
    """A step that failed in a run, with the type of its error; `step` is empty where the run failed
    without one, as when its process is gone."""

    step: str
    error: str


@dataclass(frozen=True)
class FailedRun:
    """A run that failed in the last week, for another reason than held back partitions; no run of
    the same job and assets succeeded after it."""

    run: str
    job: str
    assets: frozenset[dg.AssetKey]
    ended: dt.datetime | None
    steps: Sequence[FailedStep] = ()

    @property
    def work(self) -> _Work:
        """The job and its assets, which a later run has as well."""
        return self.job, self.assets


@dataclass
class FailedRuns:
    """Finds failed runs again and again; what an ended run failed with is read once."""

    _known: dict[str, FailedRun | None] = field(default_factory=dict, init=False, repr=False)

    def find(self, instance: dg.DagsterInstance, now: dt.datetime) -> Iterator[FailedRun]:
        """The runs that failed in the past week, newest first, without those that a success of the
        same job and assets has followed."""
        failed = dg.RunsFilter(
            statuses=[dg.DagsterRunStatus.FAILURE], updated_after=now - FAILED_SINCE
        )
        records = instance.get_run_records(failed, limit=_MOST)
        known = {record.dagster_run.run_id: self._of(instance, record) for record in records}
        self._known = known
        rest = [record for record in records if known[record.dagster_run.run_id]]
        succeeded = _last_successes(instance, rest)
        for record in rest:
            run = known[record.dagster_run.run_id]
            if run and succeeded.get(run.work, 0) <= record.storage_id:
                yield run

    def by_work(
        self, instance: dg.DagsterInstance, now: dt.datetime
    ) -> dict[_Work, list[FailedRun]]:
        """The same, by job and assets."""
        found: dict[_Work, list[FailedRun]] = {}
        for failed in self.find(instance, now):
            found.setdefault(failed.work, []).append(failed)
        return found

    def _of(self, instance: dg.DagsterInstance, record: dg.RunRecord) -> FailedRun | None:
        """The failed run of a record; None if checks held back all that failed."""
        run, at = record.dagster_run, record.end_time
        if run.run_id in self._known:
            return self._known[run.run_id]
        logs = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
        events = [entry.get_dagster_event() for entry in logs]
        if are_held_back(events):
            return None
        ended = dt.datetime.fromtimestamp(at, dt.UTC) if at else None
        steps = tuple(FailedStep(event.step_key or "", error_type(event)) for event in events)
        return FailedRun(run.run_id, *_work_of(record), ended, steps)


def _work_of(record: dg.RunRecord) -> _Work:
    run = record.dagster_run
    return run.job_name, frozenset(run.asset_selection or ())


def _last_successes(
    instance: dg.DagsterInstance, failed: Sequence[dg.RunRecord]
) -> dict[_Work, int]:
    """The newest successful run of each job and assets that failed, by its number in the history,
    if it is newer than the oldest failure of the job."""
    found: dict[_Work, int] = {}
    for job in {record.dagster_run.job_name for record in failed}:
        of_job = [record for record in failed if record.dagster_run.job_name == job]
        oldest = min(record.storage_id for record in of_job)
        wanted = {_work_of(record) for record in of_job}
        for record in _successes(instance, job):
            if record.storage_id < oldest or not wanted:
                break
            if (work := _work_of(record)) in wanted:
                found[work] = record.storage_id
                wanted.remove(work)
    return found


def _successes(instance: dg.DagsterInstance, job: str) -> Iterator[dg.RunRecord]:
    """The successful runs of a job, newest first."""
    succeeded = dg.RunsFilter(job_name=job, statuses=[dg.DagsterRunStatus.SUCCESS])
    last: str | None = None
    while page := instance.get_run_records(succeeded, cursor=last, limit=_PAGE):
        yield from page
        last = page[-1].dagster_run.run_id
