"""Observe the metrics of the platform: its tables, what lands, Dagster's runs and sensors.

What is known of a table is kept until it changes, so that an observation costs a few queries
however many tables and partitions there are.
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import dagster as dg

from data_platform.assets import Table
from data_platform.build import counting
from data_platform.build.kinds import landed
from data_platform.build.platform import Platform
from data_platform.health.causes import told
from data_platform.health.sensor_states import last_evaluations
from data_platform.lake.attempts import Attempts, attempts
from data_platform.lake.figures import TableFigures, figures
from data_platform.lake.totals import Total, totals
from data_platform.landing.arrivals.queue import QueueIntake
from data_platform.tables.identity import TableId
from data_platform.telemetry import metrics as m
from data_platform.telemetry.metrics import Metric, Observation

_TOTALS: dict[str, tuple[Metric, dict[str, str]]] = {
    counting.PUBLISHED_ROWS: (m.ROWS, {"outcome": "published"}),
    counting.QUARANTINED_ROWS: (m.ROWS, {"outcome": "quarantined"}),
    counting.DUPLICATE_ROWS: (m.ROWS, {"outcome": "duplicate"}),
    counting.BYTES: (m.BYTES_WRITTEN, {}),
    counting.PARTITIONS: (m.BUILT, {"outcome": "published"}),
    counting.HELD_BACK: (m.BUILT, {"outcome": "held_back"}),
    **{counting.seconds_of(p): (m.PHASE_SECONDS, {"phase": p}) for p in counting.PHASES},
    **{counting.count_of(p): (m.PHASE_COUNT, {"phase": p}) for p in counting.PHASES},
}
_OPEN_RUNS = {
    "queued": [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED],
    "starting": [dg.DagsterRunStatus.STARTING],
    "started": [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING],
}
_ENDED_RUNS = {
    "success": dg.DagsterRunStatus.SUCCESS,
    "failure": dg.DagsterRunStatus.FAILURE,
    "canceled": dg.DagsterRunStatus.CANCELED,
}


@dataclass
class _Known:
    """What was observed of a table while the register counted `change` changes of it."""

    change: int
    published: TableFigures | None
    attempts: Attempts


@dataclass
class Measuring:
    """Observes a platform's metrics again and again, with the `sensors` of these names (None: all).
    What cannot be observed is said to `trouble`, and all else is observed."""

    platform: Platform
    tables: Sequence[Table]
    sensors: Collection[str] | None = None
    _known: dict[TableId, _Known] = field(default_factory=dict, init=False, repr=False)

    def observe(
        self, instance: dg.DagsterInstance, now: dt.datetime, trouble: Callable[[str], object]
    ) -> list[Observation]:
        """The values of all metrics now."""
        found: list[Observation] = []
        parts: dict[str, Callable[[], Iterable[Observation]]] = {
            "tables": lambda: self._of_tables(now, trouble),
            "totals": self._totals,
            "landing": lambda: self._landing(now),
            "queue": self._queue,
            "runs": lambda: _runs(instance, now),
            "sensors": lambda: _sensors(instance, now, self.sensors),
        }
        for name, observed in parts.items():
            try:
                found += observed()
            except Exception as error:  # of a database, of Dagster: all else is observed
                trouble(f"{name}: {told(error)}")
        return found

    def _of_tables(
        self, now: dt.datetime, trouble: Callable[[str], object]
    ) -> Iterator[Observation]:
        changes = self.platform.builds.changes()
        for table in self.tables:
            try:
                yield from self._of_table(table.id, changes.get(str(table.id), 0), now)
            except Exception as error:
                trouble(f"{table.id}: {told(error)}")

    def _of_table(self, table: TableId, change: int, now: dt.datetime) -> Iterator[Observation]:
        known, labels = self._look(table, change), {"table": str(table)}
        tried = known.attempts
        yield Observation(m.HELD_BACK, tried.held_back, labels)
        if tried.received:
            yield Observation(m.QUARANTINED_SHARE, tried.quarantined / tried.received, labels)
            yield Observation(m.DUPLICATE_SHARE, tried.duplicates / tried.received, labels)
        if tried.published:
            yield Observation(m.FRESHNESS, (now - tried.published).total_seconds(), labels)
        if (of := known.published) is None:
            return
        yield Observation(m.ROW_COUNT, of.rows, labels)
        yield Observation(m.SIZE, of.bytes, labels)
        yield Observation(m.PARTITIONS, of.partitions, labels)
        if of.newest_end:
            yield Observation(m.DATA_AGE, (now - of.newest_end).total_seconds(), labels)
        for column, rate in of.null_rates.items():
            yield Observation(m.NULL_RATE, rate, {**labels, "column": column})

    def _look(self, table: TableId, change: int) -> _Known:
        known = self._known.get(table)
        if known and known.change == change and known.attempts.settled:
            return known
        # First: what is published afterwards is seen next time.
        tried = attempts(self.platform.builds, table)
        loaded = self.platform.lake.find(table)
        known = _Known(change, figures(loaded) if loaded else None, tried)
        self._known[table] = known
        return known

    def _totals(self) -> Iterator[Observation]:
        for table, of in totals(self.platform.builds.database).items():
            for name, total in of.items():
                yield from _total(table, name, total)

    def _landing(self, now: dt.datetime) -> Iterator[Observation]:
        found = self.platform.ledger.open_objects()
        for table in landed(self.tables):
            source = table.source.name
            for state in ("pending", "failed"):
                count, _ = found.get((source, state), (0, now))
                yield Observation(m.OBJECTS, count, {"source": source, "state": state})
            _, oldest = found.get((source, "pending"), (0, now))
            seconds = (now - oldest).total_seconds()
            yield Observation(m.OLDEST_PENDING, seconds, {"source": source})
        unknown = sum(count for (_, state), (count, _) in found.items() if state == "unknown")
        yield Observation(m.UNKNOWN, unknown)

    def _queue(self) -> Iterator[Observation]:
        if isinstance(queue := self.platform.intake, QueueIntake):
            yield Observation(m.QUEUE_DEPTH, queue.waiting())


def _total(table: str, name: str, total: Total) -> Iterator[Observation]:
    if name in _TOTALS:
        metric, labels = _TOTALS[name]
        yield Observation(metric, total.total, {"table": table, **labels})
    elif name == counting.MEMORY:
        yield Observation(m.MEMORY, total.last, {"table": table})


def _runs(instance: dg.DagsterInstance, now: dt.datetime) -> Iterator[Observation]:
    for state, statuses in _OPEN_RUNS.items():
        count = instance.get_runs_count(dg.RunsFilter(statuses=statuses))
        yield Observation(m.RUNS_OPEN, count, {"state": state})
    for state, status in _ENDED_RUNS.items():
        count = instance.get_runs_count(dg.RunsFilter(statuses=[status]))
        yield Observation(m.RUNS_ENDED, count, {"state": state})
    queued = dg.RunsFilter(statuses=_OPEN_RUNS["queued"])
    oldest = instance.get_run_records(queued, limit=1, ascending=True)
    since = oldest[0].create_timestamp if oldest else now
    yield Observation(m.OLDEST_QUEUED, (now - since).total_seconds())


def _sensors(
    instance: dg.DagsterInstance, now: dt.datetime, names: Collection[str] | None
) -> Iterator[Observation]:
    for name, moment in last_evaluations(instance, names).items():
        lag = max((now - moment).total_seconds(), 0.0)
        yield Observation(m.SENSOR_LAG, lag, {"sensor": name})
