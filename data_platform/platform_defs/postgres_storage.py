"""Store Dagster's event log in batches, on PostgreSQL.

dagster-postgres writes a batch of materializations with one insert, but notes only the last one's
asset; a batch of check evaluations it refuses, and Dagster then stores them one by one, with two
connections and more for each. `databases.dagster` names this storage in `dagster.yaml`. The tables
are as dagster-postgres has them: either reads the other's. No other module uses the private API
of dagster-postgres; the version is pinned, and a test compares what is used here with it.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Self

from dagster import EventLogEntry
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.storage import DagsterPostgresStorage
from sqlalchemy.engine import Connection

from data_platform.build.dagster_internals import EVENTS, StorageConfig
from data_platform.platform_defs.event_log import Batching, stored
from data_platform.settings.environment import log_in_batches

_NUMBERED = EVENTS.insert().returning(EVENTS.c.id, sort_by_parameter_order=True)


class BatchingPostgresEventLogStorage(Batching, PostgresEventLogStorage):
    """Stores a batch with one insert, and the rows besides the log in another transaction.

    They are separate because an event must be visible as soon as it has its id: a reader that
    continues from the last id it saw would miss events of a longer transaction.
    """

    def __init__(self, *args, **options) -> None:
        self._batch = threading.local()
        super().__init__(*args, **options)

    def _store_at_once(self, events: Sequence[EventLogEntry], rows: list[dict]) -> None:
        with self._connect() as connection:
            ids = connection.execute(_NUMBERED, rows).scalars().all()
        try:
            with self.index_transaction() as connection:
                self._batch.connection = connection
                self._store_beside(connection, stored(events, ids, rows))
        except Exception:
            self._batch.connection = None
            with self._connect() as connection:
                events_of_batch = EVENTS.c.id.in_(ids)
                connection.execute(EVENTS.delete().where(events_of_batch))
            raise
        finally:
            self._batch.connection = None

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        if shared := getattr(self._batch, "connection", None):
            yield shared
        else:
            with super()._connect() as connection:
                yield connection


class BatchingPostgresStorage(DagsterPostgresStorage):
    """dagster-postgres's storage with the event log above."""

    def __init__(self, postgres_url: str, *args, **options) -> None:
        super().__init__(postgres_url, *args, **options)
        self._event_log_storage = BatchingPostgresEventLogStorage(postgres_url)

    @classmethod
    def from_config_value(
        cls, inst_data: StorageConfig | None, config_value: Mapping[str, str]
    ) -> Self:
        log_in_batches()  # a webserver and a daemon create runs, too
        return cls(config_value["postgres_url"], inst_data=inst_data)
