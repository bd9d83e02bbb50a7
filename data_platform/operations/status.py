"""The state of the platform in one screen: tables, landed objects, runs."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import dagster as dg

from data_platform.assets import Table
from data_platform.build.planning import plan_due
from data_platform.build.platform import Platform
from data_platform.health.failed_runs import FailedRun, FailedRuns
from data_platform.lake.files import versions
from data_platform.lake.look import Look
from data_platform.operations.attention import Attention, attention
from data_platform.operations.repair import instance_of
from data_platform.runs.liveness import at_work
from data_platform.storage.errors import LakeError
from data_platform.telemetry.wording import counted

_NOT_BEGUN = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
]


@dataclass(frozen=True)
class TableStatus:
    """Numbers of partitions of a table, 0 or 1 for one without partitions. `stale`: to build, new
    ones included; `held`: their last build was held back; `waiting`: an input was never published;
    `expired`: can no longer be built. `trouble` says why a table cannot be planned."""

    table: str
    published: int
    stale: int
    held: int
    waiting: int
    expired: int
    trouble: str = ""


@dataclass(frozen=True)
class Waiting:
    """How many requested runs have not begun, and when the oldest one was requested: one that waits
    for long is in a full queue, or its daemon or its image is missing."""

    runs: int
    since: dt.datetime | None

    @property
    def line(self) -> str:
        """In words."""
        since = f", the oldest since {self.since:%Y-%m-%d %H:%M} UTC" if self.since else ""
        return f"runs waiting: {self.runs or 'none'}{since}"


@dataclass(frozen=True)
class Status:
    """What is published and what is left to do. `objects` are counts of landed objects by state,
    `at_work` the runs that have a process, `failed` those that no success has followed."""

    tables: Sequence[TableStatus]
    objects: dict[str, int]
    at_work: Sequence[str]
    waiting: Waiting
    failed: Sequence[FailedRun]
    attention: Attention

    @property
    def needs_attention(self) -> bool:
        """Whether a person should look: at what no run can fix, or at a run that failed."""
        troubled = any(each.trouble or each.expired for each in self.tables)
        return bool(self.attention or self.failed or troubled)

    @property
    def values(self) -> dict[str, object]:
        """As JSON has it."""
        return {
            "tables": [asdict(each) for each in self.tables],
            "objects": self.objects,
            "runs_at_work": list(self.at_work),
            "runs_waiting": asdict(self.waiting),
            "failed_runs": [
                {"run": each.run, "job": each.job, "ended": each.ended} for each in self.failed
            ],
            "attention": self.attention.lines,
        }

    @property
    def lines(self) -> Iterator[str]:
        """All but the tables, in words."""
        states = [f"{count:,} {state}" for state, count in self.objects.items() if count]
        for table in self.tables:
            if table.trouble:
                yield f"{table.table} cannot be planned: {table.trouble}"
        yield f"landed objects: {', '.join(states) or 'none'}"
        yield f"runs at work: {', '.join(self.at_work) or 'none'}"
        yield self.waiting.line
        if self.failed:
            failed = counted(len(self.failed), "failed run")
            newest = self.failed[0]
            yield f"{failed} in the last week, the newest {newest.run} of {newest.job}"
        yield from self.attention.lines


def status(platform: Platform, tables: Sequence[Table], now: dt.datetime) -> Status:
    """The state now; reads metadata only."""
    driven, live, _ = at_work(platform)
    look, left = Look(platform.lake), attention(platform, tables)
    held = Counter(str(row["table"]) for row in left.held)
    with instance_of(platform) as instance:
        waiting, failed = _waiting(instance), list(FailedRuns().find(instance, now))
    return Status(
        [_of_table(table, platform, look, held[str(table.id)]) for table in tables],
        {str(state): count for state, count in platform.ledger.summary().items()},
        live or (["a command is between two runs"] if driven else []),
        waiting,
        failed,
        left,
    )


def _of_table(table: Table, platform: Platform, look: Look, held: int) -> TableStatus:
    found = TableStatus(str(table.id), 0, 0, held, 0, 0)
    try:
        found = replace(found, published=len(versions(look.files(table.id))))
        plan = plan_due(table, platform, look)
    except (LakeError, ValueError) as error:  # of this table alone
        return replace(found, trouble=str(error))
    return replace(
        found, stale=len(plan.keys), waiting=len(plan.waiting), expired=len(plan.expired)
    )


def _waiting(instance: dg.DagsterInstance) -> Waiting:
    waiting = dg.RunsFilter(statuses=_NOT_BEGUN)
    oldest = instance.get_run_records(waiting, limit=1, ascending=True)
    since = oldest[0].create_timestamp if oldest else None
    return Waiting(instance.get_runs_count(waiting), since)
