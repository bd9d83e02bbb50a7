"""Find a run, and what it built, by any id that leads to it."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from data_platform.build.platform import Platform
from data_platform.lake.errors import NotThere
from data_platform.lake.past_runs import built_by, runs_of_attempt
from data_platform.lake.snapshots import run_of
from data_platform.operations.repair import instance_of
from data_platform.telemetry.ids import trace_of

_KINDS = "a run, a trace, a backfill, an attempt or a snapshot"


@dataclass(frozen=True)
class FoundRun:
    """A run as Dagster has it, and the partitions that it built. Without Dagster's record of it,
    which can be deleted, `job` and `status` are empty."""

    run: str
    trace: str
    job: str
    status: str
    created: dt.datetime | None
    ended: dt.datetime | None
    built: Sequence[dict[str, object]]

    @property
    def line(self) -> str:
        """The run in words."""
        if not self.job:
            return f"run {self.run}: Dagster has no record of it"
        ended = f" to {self.ended:%H:%M:%S}" if self.ended else ""
        when = f", {self.created:%Y-%m-%d %H:%M:%S}{ended} UTC" if self.created else ""
        return f"run {self.run} of {self.job}: {self.status}{when}; trace {self.trace}"


def find(platform: Platform, name: str) -> list[FoundRun]:
    """The runs that an id leads to: several for a backfill. Raises NotThere if there is none."""
    with instance_of(platform) as instance:
        found = [
            run
            for run_id in _run_ids(platform, instance, name.strip())
            if (run := _found(platform, instance, run_id))
        ]
    if not found:
        raise NotThere(
            f"{name!r} leads to no run: it must be the id of {_KINDS} of this platform, which has "
            "not been deleted"
        )
    return found


def _run_ids(platform: Platform, instance: dg.DagsterInstance, name: str) -> list[str]:
    runs = _of_backfill(instance, name)
    try:
        runs.append(str(uuid.UUID(name)))  # a run, or a trace
    except ValueError:
        runs += runs_of_attempt(platform.builds, name)
    if name.isdigit():
        runs += _of_snapshot(platform, int(name))
    return list(dict.fromkeys(runs))


def _of_backfill(instance: dg.DagsterInstance, name: str) -> list[str]:
    filters = dg.RunsFilter(tags=dg.DagsterRun.tags_for_backfill_id(name))
    return list(instance.get_run_ids(filters))


def _of_snapshot(platform: Platform, number: int) -> list[str]:
    loaded = (platform.lake.find(table) for table in platform.lake.tables())
    return [run for table in loaded if table and (run := run_of(table, number))]


def _found(platform: Platform, instance: dg.DagsterInstance, run_id: str) -> FoundRun | None:
    built = built_by(platform.builds, run_id)
    record = instance.get_run_record_by_id(run_id)
    if record is None:
        return FoundRun(run_id, trace_of(run_id), "", "", None, None, built) if built else None
    run = record.dagster_run
    ended = dt.datetime.fromtimestamp(record.end_time, dt.UTC) if record.end_time else None
    status = run.status.value.lower()
    created = record.create_timestamp.astimezone(dt.UTC)
    return FoundRun(run_id, trace_of(run_id), run.job_name, status, created, ended, built)
