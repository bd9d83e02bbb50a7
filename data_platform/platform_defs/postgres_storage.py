"""Store Dagster's event log in batches, on PostgreSQL.

dagster-postgres writes a batch of materializations with one insert, but notes only the last one's
asset; a batch of check evaluations it refuses, and Dagster then stores them one by one, with two
connections and more for each. `databases.dagster` names this storage in `dagster.yaml`. The tables
are as dagster-postgres has them: either reads the other's. No other module uses the private API
of dagster-postgres; the version is pinned, and a test compares what is used here with it.
"""

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Self

from dagster import EventLogEntry
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.storage import DagsterPostgresStorage
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from data_platform.build.dagster_internals import CHECK_EXECUTIONS, EVENTS, StorageConfig
from data_platform.platform_defs.event_log import Batching, stored
from data_platform.settings.environment import log_in_batches

_LOG = logging.getLogger(__name__)
_NUMBERED = EVENTS.insert().returning(EVENTS.c.id, sort_by_parameter_order=True)
_MANY = 500  # rows of a batch that can change a plan
# The rule of autovacuum, with a fifth for its tenth of the rows. For anybody but the owner of a
# table or of the database ANALYZE does nothing, without an error.
_NOT_ANALYZED = text(
    "SELECT s.relname, pg_has_role(c.relowner, 'USAGE') OR pg_has_role(d.datdba, 'USAGE')"
    " FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid"
    " JOIN pg_database d ON d.datname = current_database()"
    " WHERE s.relid = ANY(:tables ::regclass[]) AND n_mod_since_analyze > 50 + n_live_tup / 5"
)
_SLOW = "Dagster's event log was not analyzed, its pages may be slow: %s"


class BatchingPostgresEventLogStorage(Batching, PostgresEventLogStorage):
    """Stores a batch with one insert, and the rows besides the log in another transaction.

    They are separate because an event must be visible as soon as it has its id: a reader that
    continues from the last id it saw would miss events of a longer transaction.

    The tables are analyzed as they grow. Autovacuum does so too, but a minute or more later, and
    with the statistics of an empty table the first page of an asset with thousands of new
    partitions takes 15 seconds instead of a quarter of one.
    """

    def __init__(self, *args, **options) -> None:
        self._batch = threading.local()
        self._of_another: set[str] = set()  # tables of another owner, each told once
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
        if len(rows) >= _MANY:
            self._analyze()

    def _analyze(self) -> None:
        """Analyze the tables of the log that have changed by a fifth.

        An error is not raised, since Dagster would then store the batch a second time.
        """
        tables = {"tables": [EVENTS.name, CHECK_EXECUTIONS.name]}
        try:
            with self._connect() as connection:
                for name, may in connection.execute(_NOT_ANALYZED, tables).all():
                    if may:
                        connection.execute(text(f"ANALYZE (SKIP_LOCKED) {name}"))
                    elif name not in self._of_another:
                        self._of_another.add(name)
                        _LOG.warning(_SLOW, f"let its user own the table {name}")
        except (DBAPIError, DagsterPostgresException) as error:
            _LOG.warning(_SLOW, error)

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
