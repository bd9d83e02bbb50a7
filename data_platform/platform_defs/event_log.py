"""Dagster's SQLite event log, with batches written as batches.

Dagster's own opens, commits and closes two database files for every event; a year's backfill has
thousands of partition events, and on a laptop they would take longer than the data. Events that
arrive as a batch share one connection and one transaction for each file. A server (Postgres) has
its own batch insert, so this is for the laptop only; `dagster.yaml` names it.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from dagster import EventLogEntry
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from sqlalchemy.engine import Connection


class BatchingSqliteEventLogStorage(SqliteEventLogStorage):
    """Configured as Dagster's: `config: {base_dir: ...}`."""

    _shared: dict[str, Connection] | None = None
    _open: ExitStack

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """All events or, where one fails, none: Dagster then stores them one by one."""
        with self._db_lock, ExitStack() as self._open:
            self._shared = {}
            try:
                for event in events:
                    self.store_event(event)
            finally:
                self._shared = None

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        if self._shared is None:
            with super()._connect(shard) as connection:
                yield connection
            return
        if shard not in self._shared:
            self._shared[shard] = self._open.enter_context(super()._connect(shard))
        yield self._shared[shard]
