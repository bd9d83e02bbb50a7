"""Migrating all databases at once, before anything else of a version runs."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from data_platform.cli.main import main
from data_platform.databases import migration
from data_platform.databases.connections import Database
from data_platform.settings.environment import environment_kept


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    with environment_kept():
        yield


def migrated(home: Path, env: Mapping[str, str], code: int = 0) -> Result:
    variables = {"DATA_PLATFORM_HOME": str(home), "DATA_PLATFORM_ENV": "test", **env}
    ended = CliRunner().invoke(main, ["migrate"], env=variables)
    assert ended.exit_code == code, (ended.output, ended.exception)
    return ended


def tables(url: str) -> set[str]:
    with Database(url).read() as connection:
        return set(sa.inspect(connection).get_table_names())


@pytest.mark.integration
def test_a_new_server_has_all_tables_afterwards_and_a_second_time_changes_nothing(
    tmp_path: Path, new_postgres_url: Callable[[], str]
) -> None:
    url = new_postgres_url()

    migrated(tmp_path, {"DATA_PLATFORM_DATABASE": url})
    made = tables(url)
    migrated(tmp_path / "another", {"DATA_PLATFORM_DATABASE": url})

    assert {"runs", "event_logs", "iceberg_tables", migration.VERSION_TABLE} <= made
    assert tables(url) == made


def test_a_database_of_a_later_version_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrated(tmp_path, {})
    with sa.create_engine(f"sqlite:///{tmp_path / 'ledger.db'}").begin() as connection:
        connection.execute(sa.text(f"UPDATE {migration.VERSION_TABLE} SET version_num = '9999'"))

    ended = migrated(tmp_path, {}, code=1)

    assert "its tables are of version 9999" in ended.output
