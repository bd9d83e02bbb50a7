"""Observe what is wrong with the platform now, one cause for each incident.

A cause has no text of a row or of an exception: they may quote what must not leave the platform.
"""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

import dagster as dg

from data_platform.access.ranges import as_ranges
from data_platform.assets import Table
from data_platform.build.held import held_now
from data_platform.build.kinds import landed
from data_platform.build.platform import Platform
from data_platform.build.table_checks import held_as_told
from data_platform.databases.errors import DatabaseError
from data_platform.health.failed_runs import FailedRun, failed_runs
from data_platform.landing.ledger.tables import Entry
from data_platform.quality.findings import READABLE
from data_platform.quality.held import named
from data_platform.storage.errors import LakeError
from data_platform.telemetry.incidents import Cause, Kind, Severity
from data_platform.telemetry.notices import not_taken
from data_platform.telemetry.tracing import step_key
from data_platform.telemetry.wording import counted

PLATFORM = "team:platform"
"""The owner of what belongs to no table."""
_RETRIED = dt.timedelta(minutes=10)  # within which a sensor requests the work of a failed run again
_TRIES = 3  # of a notice, within about a quarter of an hour
_SILENT = dt.timedelta(minutes=15)
_TICKS = 2  # a sensor that fails once is evaluated again


@dataclass(frozen=True)
class OtherCheck:
    """A check of an asset that is not a table of the platform, and the asset's owner."""

    key: dg.AssetCheckKey
    owner: str
    kind: Kind = Kind.CHECK


@dataclass(frozen=True)
class Causes:
    """Observes a platform with these tables and other checks, which was `last` observed then."""

    platform: Platform
    tables: Sequence[Table]
    checks: Sequence[OtherCheck] = ()
    last: dt.datetime | None = None
    troubles: list[str] = field(default_factory=list, init=False)

    def observe(
        self, instance: dg.DagsterInstance, now: dt.datetime
    ) -> tuple[list[Cause], set[Kind]]:
        """What is wrong, and the kinds of causes that could be looked at; what could not is in
        `troubles`."""
        found: list[Cause] = []
        observed: set[Kind] = set()
        parts: list[tuple[set[Kind], Callable[[], Iterable[Cause]]]] = [
            ({Kind.HELD_BACK}, self._held_back),
            ({Kind.OBJECT}, self._objects),
            ({Kind.RUN}, lambda: self._runs(instance, now)),
            ({Kind.SENSOR}, lambda: _sensors(instance)),
            ({Kind.CHECK, Kind.BUCKET}, lambda: self._checks(instance)),
            ({Kind.CHANNEL}, self._channels),
            ({Kind.SILENCE}, lambda: self._silence(now)),
        ]
        for kinds, look in parts:
            try:
                found += list(look())
                observed |= kinds
            except (LakeError, DatabaseError) as error:
                self.troubles.append(f"{', '.join(sorted(kinds))}: {error}")
        return found, observed

    def _held_back(self) -> Iterator[Cause]:
        for table in self.tables:
            builds = held_now(table, self.platform)
            told = held_as_told(table, self.platform, builds)
            by_rule: dict[str, list[str]] = {}
            for key, held in told.items():
                if READABLE not in held.failed:  # its objects are causes of their own
                    by_rule.setdefault(", ".join(sorted(held.failed)), []).append(key)
            for rule, keys in by_rule.items():
                newest = max((builds[key] for key in keys), key=attrgetter("sequence"))
                held = told[newest.partition]
                reasons = Counter[str]()
                for key in keys:
                    reasons.update(builds[key].rules or {})
                one = keys[0] if len(keys) == 1 else ""
                yield Cause(
                    kind=Kind.HELD_BACK,
                    subject=str(table.id),
                    rule=rule,
                    severity=Severity.ERROR,
                    owner=table.owner,
                    title=f"{table.id}: {_partitions(keys)} held back by {rule}",
                    partitions=as_ranges(keys),
                    reasons=dict(reasons.most_common()),
                    look=f"data-platform quarantine list {named(table.id, one)}"
                    if held.rows
                    else f"data-platform held {table.id}",
                    mend=held.way_out,
                    run=newest.run_id,
                )

    def _objects(self) -> Iterator[Cause]:
        owners = {table.source.name: table.owner for table in landed(self.tables)}
        for entry in self.platform.ledger.failed():
            yield _of_object(
                entry,
                rule="unreadable",
                severity=Severity.ERROR,
                owner=owners.get(entry.source or "", PLATFORM),
                said=f"of source {entry.source} cannot be read",
                mend="correct the object and land it again under the same key, or do without it: "
                f"`data-platform landing --forget {entry.key}`",
            )
        for entry in self.platform.ledger.unknown():
            yield _of_object(
                entry,
                rule="unknown",
                severity=Severity.WARNING,
                owner=PLATFORM,
                said="belongs to no source",
                mend="declare a source for it, rename it, or do without it: "
                f"`data-platform landing --forget {entry.key}`",
            )

    def _runs(self, instance: dg.DagsterInstance, now: dt.datetime) -> Iterator[Cause]:
        by_work: dict[object, list[FailedRun]] = {}
        for failed in failed_runs(instance, now):
            by_work.setdefault(failed.work, []).append(failed)
        causes: dict[str, Cause] = {}
        for of_work in by_work.values():
            newest = of_work[0]
            if len(of_work) == 1 and newest.ended and now - newest.ended < _RETRIED:
                continue  # the sensor asks for it again, and one success is enough
            for cause in self._of_run(newest, len(of_work)):
                causes.setdefault(cause.key, cause)
        yield from causes.values()

    def _of_run(self, failed: FailedRun, times: int) -> Iterator[Cause]:
        by_step = {step_key(table.id): table for table in self.tables}
        found = [(step.step, step.error) for step in failed.steps] or [("", "interrupted")]
        for step, error in found:
            table = by_step.get(step)
            subject = str(table.id) if table else step or failed.job
            yield Cause(
                kind=Kind.RUN,
                subject=subject,
                rule=error,
                severity=Severity.ERROR,
                owner=table.owner if table else PLATFORM,
                title=f"{subject}: {counted(times, 'run')} of {failed.job} failed with {error}",
                look=f"data-platform find {failed.run}",
                mend="the run's page has the error and its stack trace; once the cause is gone, "
                "the sensors, or `data-platform run`, build what is due",
                run=failed.run,
            )

    def _checks(self, instance: dg.DagsterInstance) -> Iterator[Cause]:
        for check in self.checks:
            record = instance.get_latest_asset_check_evaluation_record(check.key)
            event = record.event.dagster_event if record and record.event else None
            if record is None or event is None or event.asset_check_evaluation_data.passed:
                continue
            asset = check.key.asset_key.to_user_string()
            severity = event.asset_check_evaluation_data.severity
            is_error = severity is dg.AssetCheckSeverity.ERROR
            yield Cause(
                kind=check.kind,
                subject=asset,
                rule=check.key.name,
                severity=Severity.ERROR if is_error else Severity.WARNING,
                owner=check.owner,
                title=f"{asset}: the check {check.key.name} fails",
                look="data-platform buckets audit"
                if check.kind is Kind.BUCKET
                else f"the checks of {asset} in the Dagster UI",
                mend="data-platform buckets apply"
                if check.kind is Kind.BUCKET
                else "correct what it checks, and materialize the asset again",
                run=record.run_id,
            )

    def _channels(self) -> Iterator[Cause]:
        for channel, count in not_taken(self.platform.builds.database, _TRIES).items():
            yield Cause(
                kind=Kind.CHANNEL,
                subject=channel,
                rule="not taken",
                severity=Severity.WARNING,
                owner=PLATFORM,
                title=f"the channel {channel} takes no notices; {counted(count, 'notice')} wait",
                look="data-platform doctor",
                mend="correct its URL, or what it leads to; the notices are sent then",
            )

    def _silence(self, now: dt.datetime) -> Iterator[Cause]:
        if self.last and now - self.last > _SILENT:
            yield Cause(
                kind=Kind.SILENCE,
                subject="the platform",
                rule="silent",
                severity=Severity.ERROR,
                owner=PLATFORM,
                title=f"the platform did nothing from {self.last:%Y-%m-%d %H:%M} to "
                f"{now:%Y-%m-%d %H:%M} UTC",
                look="data-platform status",
                mend="see why its daemon did not run; what landed meanwhile is loaded now",
            )


def _partitions(keys: Sequence[str]) -> str:
    return "it is" if list(keys) == [""] else counted(len(keys), "partition")


def _of_object(
    entry: Entry, *, rule: str, severity: Severity, owner: str, said: str, mend: str
) -> Cause:
    return Cause(
        kind=Kind.OBJECT,
        subject=f"{entry.bucket}/{entry.key}",
        rule=rule,
        severity=severity,
        owner=owner,
        title=f"the landed object {entry.key} {said}",
        partitions=entry.partition or "",
        look="data-platform landing",
        mend=mend,
        run=entry.run_id or "",
    )


def _sensors(instance: dg.DagsterInstance) -> Iterator[Cause]:
    for state in instance.all_instigator_state():
        if not state.is_running or not hasattr(state.instigator_data, "last_tick_timestamp"):
            continue
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=_TICKS + 1)
        ended = [tick for tick in ticks if tick.is_completed or tick.is_failure][:_TICKS]
        if len(ended) == _TICKS and all(tick.is_failure for tick in ended):
            error = ended[0].error
            yield Cause(
                kind=Kind.SENSOR,
                subject=state.instigator_name,
                rule=(error.cls_name if error else None) or "failure",
                severity=Severity.ERROR,
                owner=PLATFORM,
                title=f"the sensor {state.instigator_name} fails",
                look=f"the ticks of {state.instigator_name} in the Dagster UI",
                mend="its ticks have the error; nothing is lost, since the next tick that works "
                "finds all that is due",
            )
