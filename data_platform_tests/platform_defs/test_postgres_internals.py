"""What `postgres_storage` relies on is in the installed dagster-postgres; no server is needed."""

import inspect

from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.storage import DagsterPostgresStorage

from data_platform_tests.support.upstream import is_pinned, parameters

_CONFIGURED = "postgres_url, should_autocreate_tables=, inst_data=, token_provider="


def test_the_version_is_the_one_that_is_pinned() -> None:
    assert is_pinned("dagster-postgres")


def test_both_storages_take_a_url() -> None:
    assert parameters(PostgresEventLogStorage) == _CONFIGURED
    assert parameters(DagsterPostgresStorage) == _CONFIGURED


def test_every_connection_to_the_event_log_is_made_by_one_method() -> None:
    assert parameters(PostgresEventLogStorage._connect) == "self"
    assert parameters(PostgresEventLogStorage.index_transaction) == "self"
    for method in ("index_connection", "run_connection"):
        assert "self._connect()" in inspect.getsource(getattr(PostgresEventLogStorage, method))


def test_the_storage_keeps_its_event_log_in_a_field() -> None:
    source = inspect.getsource(DagsterPostgresStorage.event_log_storage.fget)  # type: ignore[attr-defined]

    assert "return self._event_log_storage" in source
