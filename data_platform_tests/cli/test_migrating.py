"""Migrating all databases at once, before anything else of a version runs."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from data_platform.cli.main import main
from data_platform.databases import migration
from data_platform.databases.connections import Database
from data_platform.databases.urls import with_driver
from data_platform.settings.environment import environment_kept

EARLIER = "0013"


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    with environment_kept():
        yield


def called(home: Path, env: Mapping[str, str], *command: str, code: int = 0) -> Result:
    variables = {"DATA_PLATFORM_HOME": str(home), "DATA_PLATFORM_ENV": "test", **env}
    ended = CliRunner().invoke(main, command, env=variables)
    assert ended.exit_code == code, (ended.output, ended.exception)
    return ended


def migrated(home: Path, env: Mapping[str, str], code: int = 0) -> Result:
    return called(home, env, "migrate", code=code)


def deployed(home: Path, environment: str, url: str) -> dict[str, str]:
    """The settings of a deployment whose buckets are directories."""
    buckets = {
        f"DATA_PLATFORM_{name}": f"file://{home}/{name}" for name in ("LANDING", "WAREHOUSE")
    }
    database = {f"DATA_PLATFORM_{name}": url for name in ("DATABASE", "CATALOG")}
    return {"DATA_PLATFORM_ENV": environment, **database, **buckets}


def revise(url: str, version: str) -> None:
    with sa.create_engine(with_driver(url)).begin() as connection:
        connection.exec_driver_sql(
            f"UPDATE {migration.VERSION_TABLE} SET version_num = '{version}'"
        )


def revision(url: str, table: str = migration.VERSION_TABLE) -> str | None:
    with sa.create_engine(with_driver(url)).connect() as connection:
        if not sa.inspect(connection).has_table(table):
            return None
        return connection.exec_driver_sql(f"SELECT version_num FROM {table}").scalar()


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
    revise(f"sqlite:///{tmp_path / 'ledger.db'}", "9999")

    ended = migrated(tmp_path, {}, code=1)

    assert "its tables are of version 9999" in ended.output


@pytest.mark.integration
def test_dagsters_storage_is_left_as_it_is_where_the_ledger_is_of_a_later_version(
    tmp_path: Path, new_postgres_url: Callable[[], str]
) -> None:
    url = new_postgres_url()
    migrated(tmp_path, {"DATA_PLATFORM_DATABASE": url})
    earlier = "6b7fb194ff9c"  # of Dagster's
    revise(url, "9999")
    with sa.create_engine(with_driver(url)).begin() as connection:
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{earlier}'")

    migrated(tmp_path, {"DATA_PLATFORM_DATABASE": url}, code=1)

    assert revision(url, "alembic_version") == earlier


@pytest.mark.integration
@pytest.mark.parametrize(
    ("environment", "command"),
    [("staging", "held"), ("prod", "landing"), ("prod", "run"), ("prod", "audit-log")],
)
def test_in_a_deployment_no_other_command_makes_or_migrates_tables(
    tmp_path: Path, new_postgres_url: Callable[[], str], environment: str, command: str
) -> None:
    url = new_postgres_url()
    there = deployed(tmp_path, environment, url)

    refused = called(tmp_path, there, command, code=1)
    assert "it has no tables yet" in refused.output and "data-platform migrate" in refused.output
    assert revision(url) is None

    migrated(tmp_path, there)
    called(tmp_path, there, command)

    revise(url, EARLIER)
    refused = called(tmp_path, there, command, code=1)
    assert f"its tables are of version {EARLIER}" in refused.output
    assert f"needs version {migration.HEAD}" in refused.output
    assert revision(url) == EARLIER


@pytest.mark.integration
def test_a_backup_of_a_deployment_is_restored_into_databases_that_are_empty(
    tmp_path: Path, new_postgres_url: Callable[[], str]
) -> None:
    old = deployed(tmp_path / "old", "prod", new_postgres_url())
    new = deployed(tmp_path / "new", "prod", new_postgres_url())
    migrated(tmp_path / "old", old)
    called(tmp_path / "old", old, "backup", str(tmp_path / "backup"))

    called(tmp_path / "new", new, "restore", str(tmp_path / "backup"))

    assert revision(new["DATA_PLATFORM_DATABASE"]) == migration.HEAD
    assert "migrate" in called(tmp_path / "new", new, "audit-log").output


@pytest.mark.integration
def test_a_virtual_environment_of_a_deployment_has_tables_without_a_migration_of_its_own(
    tmp_path: Path, new_postgres_url: Callable[[], str]
) -> None:
    production = deployed(tmp_path, "prod", new_postgres_url())
    called(tmp_path, production, "environment", "create", "pr_42", code=1)
    migrated(tmp_path, production)

    called(tmp_path, production, "environment", "create", "pr_42")

    inside = {**production, "DATA_PLATFORM_VIRTUAL_ENVIRONMENT": "pr_42"}
    called(tmp_path, inside, "held")
    revise(production["DATA_PLATFORM_DATABASE"], EARLIER)
    refused = called(tmp_path, inside, "held", code=1)
    assert f"production's database has tables of version {EARLIER}" in refused.output
    assert revision(production["DATA_PLATFORM_DATABASE"]) == EARLIER


def test_on_a_laptop_each_command_migrates(tmp_path: Path) -> None:
    migrated(tmp_path, {"DATA_PLATFORM_ENV": "local"})
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    with sa.create_engine(url).begin() as connection:
        migration.remove(connection)
        migration.upgrade(connection, EARLIER)

    called(tmp_path, {"DATA_PLATFORM_ENV": "local"}, "held")

    assert revision(url) == migration.HEAD


@pytest.mark.integration
def test_the_audit_trail_has_from_which_version_to_which(
    tmp_path: Path, new_postgres_url: Callable[[], str]
) -> None:
    there = deployed(tmp_path, "prod", new_postgres_url())
    migrated(tmp_path, there)

    said = called(tmp_path, there, "audit-log").output
    assert f"no tables to {migration.HEAD}" in said
