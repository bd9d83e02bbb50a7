"""What is said of stores, queue, databases and clocks, with real ones."""

import datetime as dt
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from data_platform.build.platform import Platform
from data_platform.databases.connections import Database
from data_platform.databases.migration import HEAD, upgrade
from data_platform.databases.urls import with_driver
from data_platform.operations.doctor_services import examine_services
from data_platform.operations.examined import Examined
from data_platform.runs.instance import open_instance
from data_platform.settings.environment import environment_kept, settings_at
from data_platform.settings.model import Environment
from data_platform_tests.support.databases import Databases
from data_platform_tests.support.places import Place
from data_platform_tests.support.queues import Queue
from tools.servers import S3Server


def by_subject(platform: Platform) -> dict[str, Examined]:
    return {each.what: each for each in examine_services(platform)}


def on_database(home: Path, url: str, **more: object) -> Platform:
    return Platform(settings_at(home, catalog_uri=url, ledger_uri=url, **more))


def clock_off(platform: Platform, **by: float) -> Platform:
    return Platform(platform.settings, clock=lambda: dt.datetime.now(dt.UTC) + dt.timedelta(**by))


def test_a_queue_says_how_many_messages_wait_and_one_that_is_not_there_is_wrong(
    tmp_path: Path, queue: Queue, versitygw: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place.bucket(versitygw)
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    queue.send(["a", "b", "c"])

    def asked(url: str) -> Examined:
        settings = settings_at(tmp_path, queue_url=url, **place.settings)
        return by_subject(Platform(settings))["queue"]

    assert asked(queue.url) == Examined("queue", "answers, about 3 messages waiting")
    missing = asked(f"{queue.url}-not")
    assert not missing.ok and "buckets apply" in missing.said


@pytest.mark.parametrize(
    ("minutes", "ok", "way_out"), [(0, True, False), (-2, True, True), (20, False, True)]
)
def test_a_clock_is_compared_with_the_servers(
    tmp_path: Path, postgres_url: str, minutes: float, ok: bool, way_out: bool
) -> None:
    here = by_subject(clock_off(on_database(tmp_path, postgres_url), minutes=minutes))["clock"]

    assert (here.ok, bool(here.way_out)) == (ok, way_out), here
    if minutes:
        side = "behind" if minutes < 0 else "ahead of"
        assert f"{abs(minutes) * 60} s {side}" in here.said


def test_a_clock_is_compared_with_the_stores(
    tmp_path: Path, versitygw: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place.bucket(versitygw)
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    settings = settings_at(tmp_path, **place.settings)

    assert by_subject(Platform(settings))["clock"].way_out == ""
    slow = by_subject(clock_off(Platform(settings), hours=-1))["clock"]
    assert not slow.ok and "behind that of the landing bucket" in slow.said


def test_tables_of_another_version_are_named_and_left_as_they_are(
    tmp_path: Path, postgres_url: str
) -> None:
    platform = on_database(tmp_path, postgres_url)
    engine = Database(postgres_url).engine

    def said_of(version: str) -> Examined:
        with engine.begin() as connection:
            connection.execute(
                sa.text("UPDATE data_platform_version SET version_num = :version"),
                {"version": version},
            )
        found = by_subject(platform)["tables of the ledger"]
        with engine.connect() as connection:
            query = sa.text("SELECT version_num FROM data_platform_version")
            assert connection.scalar(query) == version
        return found

    assert "none yet" in by_subject(platform)["tables of the ledger"].said
    with engine.begin() as connection:
        upgrade(connection, "0005")
    older, newer = said_of("0005"), said_of("9999")

    assert older.ok and older.warning and "data-platform migrate" in older.way_out
    assert not newer.ok and f"this package's is {HEAD}" in newer.said
    assert "unknown" in by_subject(platform)["locks"].said


def test_tables_of_a_deployment_that_nobody_has_migrated_are_wrong(
    tmp_path: Path, postgres_url: str
) -> None:
    platform = on_database(tmp_path, postgres_url, environment=Environment.PROD)

    none = by_subject(platform)["tables of the ledger"]
    with Database(postgres_url).engine.begin() as connection:
        upgrade(connection, "0005")
    older = by_subject(platform)["tables of the ledger"]

    assert not none.ok and "data-platform migrate" in none.way_out
    assert not older.ok and "next run" not in older.way_out


@pytest.mark.parametrize(
    ("revision", "said"),
    [("6b7fb194ff9c", "behind this version's"), ("ffffffffffff", "does not know")],
)
def test_dagsters_tables_of_another_version_are_a_warning(
    tmp_path: Path, server_url: str, revision: str, said: str
) -> None:
    settings = settings_at(tmp_path, dagster_database=server_url)
    with environment_kept(), open_instance(settings):
        pass
    platform = Platform(settings)
    assert "as this version's" in by_subject(platform)["tables of Dagster"].said

    url = server_url or f"sqlite:///{settings.dagster_home}/history/runs.db"
    with sa.create_engine(with_driver(url)).begin() as connection:
        connection.execute(sa.text(f"UPDATE alembic_version SET version_num = '{revision}'"))

    found = by_subject(platform)["tables of Dagster"]
    assert found.ok and found.warning and said in found.said


def execute(url: str, *statements: str) -> None:
    with sa.create_engine(with_driver(url), poolclass=sa.NullPool).begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


@pytest.fixture
def reader(databases: Databases) -> Iterator[Callable[[str], str]]:
    """Gives the URL of a database for a user who may look at the tables that are there."""
    name, made = f"reader_{uuid.uuid4().hex[:8]}", []

    def url_of(url: str) -> str:
        made.append(url)
        execute(
            url,
            f"CREATE ROLE {name} LOGIN PASSWORD '{os.environ['PGPASSWORD']}'",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}",
        )
        return sa.make_url(url).set(username=name).render_as_string()

    yield url_of
    for url in made:
        execute(url, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def test_a_user_who_may_only_look_at_the_tables_is_wrong(
    tmp_path: Path, migrated_postgres_url: str, reader: Callable[[str], str]
) -> None:
    assert "permissions" not in by_subject(on_database(tmp_path, migrated_postgres_url))

    found = by_subject(on_database(tmp_path, reader(migrated_postgres_url)))["permissions"]

    assert not found.ok
    assert "may not write to audit_trail" in found.said and "GRANT SELECT, INSERT" in found.way_out


def test_a_user_is_right_only_with_all_that_a_run_needs(
    tmp_path: Path, migrated_postgres_url: str, reader: Callable[[str], str]
) -> None:
    url = reader(migrated_postgres_url)
    platform, user = on_database(tmp_path, url), sa.make_url(url).username

    execute(migrated_postgres_url, f"GRANT INSERT ON ALL TABLES IN SCHEMA public TO {user}")
    assert "may not write to audit_trail_number_seq, builds" in permissions_of(platform)

    execute(migrated_postgres_url, f"GRANT UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {user}")
    assert "may not write to audit_trail_number_seq, builds_" in permissions_of(platform)

    execute(migrated_postgres_url, f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {user}")
    assert permissions_of(platform) == ""


def permissions_of(platform: Platform) -> str:
    """What the doctor says of the user's permissions, if anything."""
    found = by_subject(platform).get("permissions")
    return found.said if found else ""


def test_a_user_who_may_not_create_the_tables_that_are_missing_is_wrong(
    tmp_path: Path, postgres_url: str, reader: Callable[[str], str]
) -> None:
    found = by_subject(on_database(tmp_path, reader(postgres_url)))["permissions"]

    assert not found.ok and "may not create tables" in found.said


def test_a_catalog_and_a_ledger_in_two_databases_are_a_warning(
    tmp_path: Path, databases: Databases, postgres_url: str
) -> None:
    apart = settings_at(tmp_path, catalog_uri=databases.empty(), ledger_uri=postgres_url)

    found = by_subject(Platform(apart))["databases"]

    assert found.ok and "lease is lost" in found.way_out
    assert "databases" not in by_subject(on_database(tmp_path, postgres_url))
