"""Store Dagster's event log in batches, on SQLite.

Dagster's own storage opens, commits and closes two database files for every event; a year's
backfill has thousands of partition events, and on a laptop they would take longer than the data.
Events that arrive as a batch (`DAGSTER_EVENT_BATCH_SIZE`) share one connection and one transaction
for each file. It leaves out uninformative (`SILENT`) and repeated events, and can wipe partitions
of an asset, which Dagster's own cannot. `dagster.yaml` names it. Its files are those of Dagster's
own storage, and either can read the other's. `postgres_storage` is the same for a server.
"""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import groupby
from operator import itemgetter
from typing import ClassVar, NamedTuple, Self

from dagster import (
    AssetCheckKey,
    AssetKey,
    DagsterEventType,
    EventLogEntry,
    StringSource,
    serialize_value,
)
from sqlalchemy import select
from sqlalchemy.engine import Connection

from data_platform.build.dagster_internals import (
    ASSETS,
    CHECK_EXECUTIONS,
    EVENT_TAGS,
    EVENTS,
    CheckState,
    CheckStatus,
    EventLog,
    SqliteEventLog,
    StorageConfig,
    planned_of_one,
    shortened_failure,
)
from data_platform.platform_defs.check_executions import replace_planned, replace_without_run
from data_platform.platform_defs.check_states import CheckOfAsset, check_states
from data_platform.platform_defs.run_spans import RunSpans
from data_platform.settings.environment import log_in_batches
from data_platform.telemetry.metadata import HELD_BACK, SILENT

_OF_ASSETS = {
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    DagsterEventType.ASSET_MATERIALIZATION,
}
_OF_CHECKS = {
    DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
    DagsterEventType.ASSET_CHECK_EVALUATION,
}
_AT_ONCE = 500  # partitions in a statement


def _is_evaluation(event: EventLogEntry) -> bool:
    """Whether it is a check evaluation."""
    return event.dagster_event_type == DagsterEventType.ASSET_CHECK_EVALUATION


def _is_silent(event: EventLogEntry) -> bool:
    """Whether it is the output of a non-blocking check: nothing waits for it, its results are
    logged for each partition, and a run's log would have such a line for every rule of its
    tables."""
    if event.dagster_event_type != DagsterEventType.STEP_OUTPUT:
        return False
    return SILENT.keys() <= event.get_dagster_event().step_output_data.metadata.keys()


class Stored(NamedTuple):
    """An event in the log, its id there and its serialized text."""

    event: EventLogEntry
    id: int
    text: str


class Batching(EventLog):
    """Stores a batch of asset and check events, with the rows that Dagster keeps besides the
    log."""

    _present: frozenset[str] = frozenset()
    _spans: ClassVar[RunSpans] = RunSpans()

    def store_event(self, event: EventLogEntry) -> None:
        if not _is_silent(event):
            super().store_event(shortened_failure(event, expected=HELD_BACK))
            self._spans.see(self.owner, event)

    def wipe_asset_partitions(self, asset_key: AssetKey, partition_keys: Sequence[str]) -> None:
        """Make partitions count as never materialized and never planned; observations stay.

        On SQLite the logs of runs keep their lines, on a server, which has one table for both,
        they do not.
        """
        log, tags, assets = EVENTS, EVENT_TAGS, ASSETS
        asset = asset_key.to_string()
        with self.index_connection() as connection:
            for start in range(0, len(partition_keys), _AT_ONCE):
                wiped = (
                    log.c.asset_key == asset,
                    log.c.partition.in_(partition_keys[start : start + _AT_ONCE]),
                    log.c.dagster_event_type.in_([kind.value for kind in _OF_ASSETS]),
                )
                ids = select(log.c.id).where(*wiped)
                connection.execute(tags.delete().where(tags.c.event_id.in_(ids)))
                connection.execute(log.delete().where(*wiped))
            # Dagster looks both up again in the log.
            known = {"last_materialization": None, "cached_status_data": None}
            connection.execute(assets.update().values(known).where(assets.c.asset_key == asset))

    def get_asset_check_state(
        self, keys: Sequence[CheckOfAsset]
    ) -> Mapping[AssetCheckKey, CheckState]:
        """What every page of an asset asks for, and its checks' page."""
        infos = self.get_asset_check_partition_info([key for key, _ in keys])
        return check_states(self.owner, keys, infos)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store all events, or none if one fails: Dagster then stores them one by one."""
        if {event.dagster_event_type for event in events} <= _OF_ASSETS | _OF_CHECKS:
            self._store_at_once(events, [self.row_of(event) for event in events])
        else:
            for event in events:
                self.store_event(event)

    def _store_at_once(self, events: Sequence[EventLogEntry], rows: list[dict]) -> None:
        raise NotImplementedError

    def _store_beside(self, connection: Connection, batch: list[Stored]) -> None:
        """Store what `store_event` stores besides the log, in one or two statements for all."""
        of_assets = [each for each in batch if each.event.dagster_event_type in _OF_ASSETS]
        evaluations = [each for each in batch if _is_evaluation(each.event)]
        for event, event_id, _ in batch:
            if event.dagster_event_type in _OF_CHECKS and not _is_evaluation(event):
                self.store_asset_check_event(event, event_id)
        events, ids = [each.event for each in of_assets], [each.id for each in of_assets]
        self.store_tags(connection, events, ids)
        newest = {each.event.get_dagster_event().asset_key: each for each in of_assets}
        for event, event_id, _ in newest.values():
            self.store_as_newest(connection, event, event_id)
        self._store_evaluations(connection, evaluations)

    def _store_evaluations(self, connection: Connection, evaluations: list[Stored]) -> None:
        of_runs = [one for one in evaluations if one.event.run_id]
        others = [one for one in evaluations if not one.event.run_id]  # of which none was planned
        replace_without_run(connection, [self._evaluation_row(one) for one in others])
        if not replace_planned(connection, [self._evaluation_row(one) for one in of_runs]):
            for one in of_runs:  # as Dagster does, which refuses one that is planned twice
                self.store_asset_check_event(one.event, one.id)

    def _evaluation_row(self, one: Stored) -> dict[str, object]:
        evaluation = one.event.get_dagster_event().asset_check_evaluation_data
        status = CheckStatus.SUCCEEDED if evaluation.passed else CheckStatus.FAILED
        target = evaluation.target_materialization_data
        return {
            "asset_key": evaluation.asset_key.to_string(),
            "check_name": evaluation.check_name,
            "run_id": one.event.run_id,
            "partition": evaluation.partition,
            "execution_status": status.value,
            "evaluation_event": one.text,
            "evaluation_event_timestamp": self.inserted_at(one.event),
            "evaluation_event_storage_id": one.id,
            "materialization_event_storage_id": target.storage_id if target else None,
        }

    def store_planned_checks(self, event: EventLogEntry, event_id: int | None) -> None:
        """Like Dagster's own, except that the event in the row of a partition does not list all
        partitions of the run: of a thousand static ones that would be a million keys."""
        planned = event.get_dagster_event().asset_check_planned_data
        subset = planned.partitions_subset
        keys = subset.get_partition_keys() if subset else [None]
        row = {
            "asset_key": planned.asset_key.to_string(),
            "check_name": planned.check_name,
            "run_id": event.run_id,
            "execution_status": CheckStatus.PLANNED.value,
            "evaluation_event": serialize_value(planned_of_one(event)),
            "evaluation_event_timestamp": self.inserted_at(event),
            "evaluation_event_storage_id": event_id,
        }
        with self.index_connection() as connection:
            rows = [{**row, "partition": key} for key in keys]
            connection.execute(CHECK_EXECUTIONS.insert(), rows)

    def store_evaluation_without_run(self, event: EventLogEntry, event_id: int | None) -> None:
        """Replaces the earlier one: Dagster allows one row for each partition, check and run, so a
        second evaluation outside of runs would be an error."""
        assert event_id is not None  # both databases number their events
        one = Stored(event, event_id, serialize_value(event))
        with self.index_connection() as connection:
            replace_without_run(connection, [self._evaluation_row(one)])

    def has_table(self, table_name: str) -> bool:
        """Cached, since Dagster asks for every event, and tables are never removed."""
        if table_name not in self._present and super().has_table(table_name):
            self._present |= {table_name}
        return table_name in self._present


class BatchingSqliteEventLogStorage(Batching, SqliteEventLog):
    """Configured with `dagster_home`; Dagster's own takes the directory of the files.

    A batch has one connection and one transaction for each file.
    """

    def __init__(self, base_dir: str, inst_data: StorageConfig | None = None) -> None:
        self._lock = threading.RLock()
        self._shared: dict[str, Connection] | None = None
        self._open = ExitStack()
        super().__init__(base_dir, inst_data)
        self.use_lock(self._lock)  # a batch has a connection open to each file

    @classmethod
    def config_type(cls) -> dict[str, object]:
        return {"dagster_home": StringSource}

    @classmethod
    def from_config_value(
        cls, inst_data: StorageConfig | None, config_value: Mapping[str, str]
    ) -> Self:
        log_in_batches()  # a webserver and a daemon create runs, too
        return cls(os.path.join(config_value["dagster_home"], "history", "runs"), inst_data)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        with self._lock, ExitStack() as self._open:
            self._shared = {}
            try:
                super().store_event_batch(events)
            finally:
                self._shared = None

    def _store_at_once(self, events: Sequence[EventLogEntry], rows: list[dict]) -> None:
        # The file that is opened last is committed first: the log of a run may have more events
        # than the index, as Dagster's own storage leaves it, but never fewer.
        with self.index_connection() as connection:
            for run_id, own in groupby(rows, key=itemgetter("run_id")):
                with self.run_connection(run_id) as of_run:
                    of_run.execute(EVENTS.insert(), list(own))
            connection.execute(EVENTS.insert(), rows)
            # Nobody else can write to the file now, so that these are the last ones in it. (For
            # numbers that an insert returns, SQLAlchemy executes one for each row here.)
            last = select(EVENTS.c.id).order_by(EVENTS.c.id.desc()).limit(len(rows))
            ids = connection.execute(last).scalars().all()[::-1]
            self._store_beside(connection, stored(events, ids, rows))

    @contextmanager
    def connected(self, shard: str) -> Iterator[Connection]:
        # Under the lock: another thread must not see the connections of this one's batch.
        with self._lock:
            if self._shared is None:
                with super().connected(shard) as connection:
                    yield connection
                return
            if shard not in self._shared:
                self._shared[shard] = self._open.enter_context(super().connected(shard))
            yield self._shared[shard]


def stored(events: Sequence[EventLogEntry], ids: Sequence[int], rows: list[dict]) -> list[Stored]:
    """The events with their ids in the log."""
    return [
        Stored(event, id, row["event"]) for event, id, row in zip(events, ids, rows, strict=True)
    ]
