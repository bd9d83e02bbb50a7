"""Observe what is wrong with the platform now, one cause for each incident.

A cause has no text of a row or of an exception: they may quote what must not leave the platform.
"""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

import dagster as dg

from data_platform.access.ranges import as_ranges
from data_platform.assets import Table
from data_platform.build.dagster_internals import CheckStatus
from data_platform.build.freshness import Measured
from data_platform.build.held import held_now
from data_platform.build.platform import Platform
from data_platform.build.table_checks import held_as_told
from data_platform.databases.errors import DatabaseError
from data_platform.health.arrival_causes import PLATFORM, dead_letters, objects
from data_platform.health.failed_runs import FailedRun, FailedRuns
from data_platform.health.late_tables import late_tables
from data_platform.health.sensor_states import running_sensors
from data_platform.landing.arrivals.queue import QueueError
from data_platform.quality.findings import READABLE
from data_platform.storage.errors import LakeError
from data_platform.telemetry.incidents import Cause, Kind, Severity
from data_platform.telemetry.notices import not_taken
from data_platform.telemetry.tracing import step_key
from data_platform.telemetry.wording import counted

SENSOR = "incidents"
"""Dagster's sensor that observes causes."""
SILENT = dt.timedelta(minutes=15)
"""How long it may not have been evaluated."""
_RETRIED = dt.timedelta(minutes=10)  # within which a sensor requests the work of a failed run again
_TRIES = 3  # of a notice, within about a quarter of an hour
_EVALUATIONS = 10  # the newest of a check
_EVALUATED = (CheckStatus.SUCCEEDED, CheckStatus.FAILED)
_TICKS = 2  # a sensor that fails once is evaluated again


@dataclass(frozen=True)
class OtherCheck:
    """A check of an asset that is not a table of the platform, and the asset's owner."""

    key: dg.AssetCheckKey
    owner: str
    kind: Kind = Kind.CHECK


@dataclass(frozen=True)
class Observed:
    """The causes that were found, the kinds and subjects that could not be looked at, and why."""

    causes: list[Cause] = field(default_factory=list)
    unseen: set[Kind] = field(default_factory=set)
    unseen_subjects: set[str] = field(default_factory=set)
    troubles: list[str] = field(default_factory=list)

    def seen(self, cause: Cause) -> bool:
        """Whether a cause would have been found if it were there."""
        return cause.kind not in self.unseen and cause.subject not in self.unseen_subjects

    def not_seen(self, table: Table, error: Exception) -> None:
        """Note that a table could not be looked at."""
        self.unseen_subjects.add(str(table.id))
        self.troubles.append(f"{table.id}: {told(error)}")


@dataclass
class Causes:
    """Observes a platform with these tables and other checks again and again.

    `sensors` are the names of the declared sensors (None: any), `channels` those that notices go
    to; `last` is when it was observed before.
    """

    platform: Platform
    tables: Sequence[Table]
    checks: Sequence[OtherCheck] = ()
    sensors: Collection[str] | None = None
    channels: Collection[str] = ()
    last: dt.datetime | None = None
    _measured: Measured = field(init=False, repr=False)
    _failed: FailedRuns = field(default_factory=FailedRuns, init=False, repr=False)

    def __post_init__(self) -> None:
        self._measured = Measured(self.platform, self.tables)

    def observe(self, instance: dg.DagsterInstance, now: dt.datetime) -> Observed:
        """What is wrong now. Raises nothing: what cannot be looked at is in the result."""
        found = Observed()
        parts: list[tuple[set[Kind], Callable[[], Iterable[Cause]]]] = [
            ({Kind.HELD_BACK}, lambda: self._held_back(found)),
            ({Kind.FRESHNESS}, lambda: late_tables(self._measured, now, found.not_seen)),
            ({Kind.OBJECT}, lambda: objects(self.platform, self.tables)),
            ({Kind.DEAD_LETTERS}, lambda: dead_letters(self.platform)),
            ({Kind.RUN}, lambda: self._runs(instance, now)),
            ({Kind.SENSOR}, lambda: _sensors(instance, self.sensors)),
            ({Kind.CHECK, Kind.BUCKET}, lambda: self._checks(instance)),
            ({Kind.CHANNEL}, self._channels),
            ({Kind.SILENCE}, lambda: self._silence(now)),
        ]
        for kinds, look in parts:
            try:
                found.causes.extend([*look()])
            except Exception as error:  # of a database, of Dagster: all else is observed
                found.unseen.update(kinds)
                found.troubles.append(f"{', '.join(sorted(kinds))}: {told(error)}")
        self.last = now
        return found

    def _held_back(self, found: Observed) -> Iterator[Cause]:
        for table in self.tables:
            try:
                yield from self._held_back_of(table)
            except Exception as error:
                found.not_seen(table, error)

    def _held_back_of(self, table: Table) -> Iterator[Cause]:
        builds = held_now(table, self.platform)
        all_held = held_as_told(table, self.platform, builds)
        by_check: dict[str, list[str]] = {}
        for key, held in all_held.items():
            for name in held.failed:
                if name != READABLE:  # its objects are causes of their own
                    by_check.setdefault(name, []).append(key)
        for check, keys in by_check.items():
            newest = max((builds[key] for key in keys), key=attrgetter("sequence"))
            reasons = Counter[str]()
            for key in keys:
                reasons.update(builds[key].rules or {})
            one = all_held[keys[0]] if len(keys) == 1 else None
            which = "it is" if keys == [""] else f"{counted(len(keys), 'partition')}"
            yield Cause(
                kind=Kind.HELD_BACK,
                subject=str(table.id),
                rule=check,
                severity=Severity.ERROR,
                owner=table.owner,
                title=f"{table.id}: {which} held back by {check}",
                partitions=as_ranges(keys),
                reasons=dict(reasons.most_common()),
                look=one.rows if one and one.rows else "data-platform held",
                mend=one.way_out
                if one
                else "a corrected input or contract releases them; `data-platform held` says "
                "what else does, for each",
                run=newest.run_id,
            )

    def _runs(self, instance: dg.DagsterInstance, now: dt.datetime) -> Iterator[Cause]:
        by_subject: dict[str, list[tuple[FailedRun, str]]] = {}
        for of_work in self._failed.by_work(instance, now).values():
            newest = of_work[0]
            if len(of_work) == 1 and newest.ended and now - newest.ended < _RETRIED:
                continue  # the sensor asks for it again, and one success is enough
            for failed in of_work:
                for subject, error in self._subjects(failed):
                    by_subject.setdefault(subject, []).append((failed, error))
        owners = {str(table.id): table.owner for table in self.tables}
        for subject, failures in by_subject.items():
            newest, error = failures[0]
            yield Cause(
                kind=Kind.RUN,
                subject=subject,
                rule="runs",
                severity=Severity.ERROR,
                owner=owners.get(subject, PLATFORM),
                title=f"{subject}: {counted(len(failures), 'run')} failed, the last with {error}",
                reasons=dict(Counter(error for _, error in failures).most_common()),
                look=f"data-platform find {newest.run}",
                mend="the run's page has the error and its stack trace; once the cause is gone, "
                "the sensors, or `data-platform run`, build what is due",
                run=newest.run,
            )

    def _subjects(self, failed: FailedRun) -> Iterator[tuple[str, str]]:
        """What failed in a run, with the type of the error: tables, other steps, or the job."""
        by_step = {step_key(table.id): str(table.id) for table in self.tables}
        for step in failed.steps:
            yield by_step.get(step.step, step.step), step.error
        if not failed.steps:  # its process is gone, whatever it was at
            of_run = [str(table.id) for table in self.tables if table.key in failed.assets]
            yield of_run[0] if len(of_run) == 1 else failed.job, "interrupted"

    def _checks(self, instance: dg.DagsterInstance) -> Iterator[Cause]:
        log = instance.event_log_storage
        for check in self.checks:
            # The newest may be of a run that has yet to evaluate it, or never will.
            records = log.get_asset_check_execution_history(check.key, limit=_EVALUATIONS)
            ended = [record for record in records if record.status in _EVALUATED]
            event = ended[0].event.dagster_event if ended and ended[0].event else None
            if event is None or ended[0].status is CheckStatus.SUCCEEDED:
                continue
            asset = check.key.asset_key.to_user_string()
            is_error = event.asset_check_evaluation_data.severity is dg.AssetCheckSeverity.ERROR
            is_bucket = check.kind is Kind.BUCKET
            yield Cause(
                kind=check.kind,
                subject=asset,
                rule=check.key.name,
                severity=Severity.ERROR if is_error else Severity.WARNING,
                owner=check.owner,
                title=f"{asset}: the check {check.key.name} fails",
                look="data-platform buckets audit"
                if is_bucket
                else f"the checks of {asset} in the Dagster UI",
                mend="data-platform buckets apply"
                if is_bucket
                else "correct what it checks, and materialize the asset again",
                run=ended[0].run_id,
            )

    def _channels(self) -> Iterator[Cause]:
        waiting = not_taken(self.platform.builds.database, _TRIES)
        for channel, count in waiting.items():
            if channel in self.channels:
                what = f"the channel {channel} does not accept notices"
                yield channel_fails(channel, f"{what}: {counted(count, 'notice')} wait")

    def _silence(self, now: dt.datetime) -> Iterator[Cause]:
        if self.last and now - self.last > SILENT:
            yield Cause(
                kind=Kind.SILENCE,
                subject="the platform",
                rule="silent",
                severity=Severity.ERROR,
                owner=PLATFORM,
                title="the platform did not look for incidents from "
                f"{self.last:%Y-%m-%d %H:%M} to {now:%Y-%m-%d %H:%M} UTC",
                look="data-platform status",
                mend="see why its daemon did not evaluate sensors; what landed meanwhile is "
                "loaded now",
            )


def channel_fails(channel: str, title: str) -> Cause:
    """That notices cannot be sent to a channel."""
    return Cause(
        kind=Kind.CHANNEL,
        subject=channel,
        rule="not accepted",
        severity=Severity.WARNING,
        owner=PLATFORM,
        title=title,
        look="data-platform doctor",
        mend="correct DATA_PLATFORM_ALERTS, the channel's variable, or what its URL leads to; the "
        "notices are sent then",
    )


def told(error: Exception) -> str:
    """An error for a log: the platform's own texts quote no rows."""
    own = isinstance(error, LakeError | DatabaseError | QueueError)
    return str(error) if own else type(error).__name__


def _sensors(instance: dg.DagsterInstance, names: Collection[str] | None) -> Iterator[Cause]:
    for state in running_sensors(instance, names):
        name = state.instigator_name
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=_TICKS + 1)
        ended = [tick for tick in ticks if tick.is_completed or tick.is_failure][:_TICKS]
        if len(ended) == _TICKS and all(tick.is_failure for tick in ended):
            error = ended[0].error
            yield Cause(
                kind=Kind.SENSOR,
                subject=name,
                rule="ticks",
                severity=Severity.ERROR,
                owner=PLATFORM,
                title=f"the sensor {name} fails with {(error and error.cls_name) or 'an error'}",
                look=f"the ticks of {name} in the Dagster UI",
                mend="its ticks have the error; nothing is lost, since the next tick that works "
                "finds all that is due",
            )
