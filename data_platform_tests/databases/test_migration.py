import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from data_platform.access.trail import AUDIT_TRAIL
from data_platform.databases import migration
from data_platform.databases.connections import Database
from data_platform.databases.errors import DatabaseNotMigrated, DatabaseTooNew
from data_platform.databases.migration import HEAD, VERSION_TABLE
from data_platform.databases.tables import METADATA
from data_platform.databases.urls import with_driver
from data_platform.lake.builds import Builds
from data_platform.landing.ledger.ledger import Ledger
from data_platform.tables.identity import TableId
from data_platform_tests.support.memory_bucket import NOW, SHOP, MemoryBucket
from data_platform_tests.support.upstream import is_pinned, parameters

SALES = TableId.parse("silver/shop/sales")


def differences(database: Database, metadata: sa.MetaData) -> list:
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        return compare_metadata(context, metadata)


def layout(connection: sa.Connection) -> dict[str, set[str]]:
    """Every column and index as the database itself writes it: compare_metadata sees neither
    collations nor the conditions of indexes."""
    if connection.dialect.name == "sqlite":
        query = "select sql from sqlite_master where sql is not null"
        statements = connection.exec_driver_sql(query).scalars()
        return {"sql": {re.sub(r"\s+", " ", text) for text in statements}}
    columns = (
        "select table_name || column_name || data_type || is_nullable || coalesce(collation_name, "
        "'') from information_schema.columns where table_schema = 'public'"
    )
    indexes = "select indexdef from pg_indexes where schemaname = 'public'"
    return {query: set(connection.exec_driver_sql(query).scalars()) for query in (columns, indexes)}


def version(database: Database) -> str | None:
    with database.engine.connect() as connection:
        return connection.exec_driver_sql(f"select version_num from {VERSION_TABLE}").scalar()


def run(url: str, *statements: str) -> None:
    engine = sa.create_engine(with_driver(url), poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_migrations_make_the_tables_that_the_code_has(database_url: str) -> None:
    database = Database(database_url)
    assert AUDIT_TRAIL.name in METADATA.tables  # each module of tables is imported
    assert differences(database, METADATA) == []
    assert version(database) == HEAD


def test_a_column_that_no_migration_makes_is_found(database_url: str) -> None:
    code = sa.MetaData()
    for table in METADATA.sorted_tables:
        table.to_metadata(code)
    code.tables["builds"].append_column(sa.Column("seconds", sa.Integer))
    [(kind, _, table, column)] = differences(Database(database_url), code)
    assert (kind, table, column.name) == ("add_column", "builds", "seconds")


def test_collations_and_conditions_are_those_of_the_code(
    new_database_url: Callable[[], str],
) -> None:
    migrated = Database(new_database_url())
    with migrated.write() as connection:
        connection.exec_driver_sql(f"drop table {VERSION_TABLE}")
        from_migrations = layout(connection)
    engine = sa.create_engine(with_driver(new_database_url()), poolclass=sa.NullPool)
    with engine.begin() as connection:
        METADATA.create_all(connection)
        from_code = layout(connection)
    assert from_migrations == from_code
    assert all(found for found in from_code.values())


def test_the_head_is_the_newest_migration() -> None:
    script = ScriptDirectory(migration.__file__.removesuffix("/migration.py"))
    assert script.get_current_head() == HEAD


def test_a_database_that_is_up_to_date_is_left_alone_and_alembic_with_it(
    database_url: str,
) -> None:
    Ledger(database_url).summary()
    look = (
        "import sys; from data_platform.landing.ledger.ledger import Ledger;"
        "print(Ledger(sys.argv[1]).summary()['pending'], 'alembic' in sys.modules)"
    )
    command = [sys.executable, "-c", look, database_url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "False"]


# As the package made them before it had migrations; each when it was first used.
OLD_LEDGER = """
CREATE TABLE landed_objects (
 id INTEGER NOT NULL, bucket VARCHAR NOT NULL, "key" VARCHAR NOT NULL, version VARCHAR NOT NULL,
 latest BOOLEAN NOT NULL, size BIGINT NOT NULL, modified DATETIME NOT NULL, etag VARCHAR,
 source VARCHAR, partition VARCHAR, state VARCHAR NOT NULL, attempts INTEGER NOT NULL,
 run_id VARCHAR, load_id VARCHAR, rows BIGINT, error VARCHAR, first_seen DATETIME NOT NULL,
 updated DATETIME NOT NULL, vanished DATETIME, PRIMARY KEY (id))
"""
OLD_INDEX = 'CREATE UNIQUE INDEX landed_latest ON landed_objects (bucket, "key") WHERE latest IS 1'
OLD_OBJECT = (
    "INSERT INTO landed_objects VALUES (7, 'memory', 'shop/2011-03-04.csv', '8-e', 1, 8, "
    "'2011-03-05 06:00:00.000000', 'e', 'shop', '2011-03-04', 'failed', 2, 'r1', 'a1', NULL, "
    "'timed out', '2011-03-05 06:01:00.000000', '2011-03-05 06:02:00.000000', NULL)"
)
OLD_BUILDS = """
CREATE TABLE builds (
 table_id VARCHAR NOT NULL, partition VARCHAR NOT NULL, attempt VARCHAR NOT NULL,
 run_id VARCHAR NOT NULL, state VARCHAR NOT NULL, contract VARCHAR NOT NULL,
 inputs VARCHAR NOT NULL, rows BIGINT NOT NULL, quarantined BIGINT NOT NULL,
 duplicates BIGINT NOT NULL, detail VARCHAR NOT NULL, created DATETIME NOT NULL,
 PRIMARY KEY (table_id, partition, attempt))
"""
OLD_BUILD = (
    "INSERT INTO builds VALUES ('silver/shop/sales', '2011-03-04', 'a1', 'r1', 'held_back', 'c', "
    "'i', 5, 2, 1, 'why', '2011-03-05 07:00:00.000000')"
)


@pytest.mark.parametrize("newer", [[], [OLD_BUILDS, OLD_BUILD]])
def test_a_ledger_older_than_migrations_keeps_its_rows(tmp_path, newer: list[str]) -> None:
    url = f"sqlite:///{tmp_path}/old.db"
    run(url, OLD_LEDGER, OLD_INDEX, OLD_OBJECT, *newer)
    [failed] = Ledger(url).failed()
    assert (failed.id, failed.attempts, failed.error) == (7, 2, "timed out")
    assert failed.bronze_version == "a1"
    assert failed.first_seen == datetime(2011, 3, 5, 6, 1, tzinfo=UTC)
    builds = Builds(url)
    assert {key: b.detail for key, b in builds.held_back(SALES).items()} == (
        {"2011-03-04": "why"} if newer else {}
    )
    assert version(builds.database) == HEAD
    assert differences(builds.database, METADATA) == []


def test_attempts_older_than_their_numbers_get_them_in_the_order_of_their_moments(
    database_url: str,
) -> None:
    with Database(database_url).engine.begin() as connection:
        migration.upgrade(connection, "0001")
        for attempt, hour in (("c", 9), ("a", 8), ("b", 10)):
            connection.exec_driver_sql(
                f"INSERT INTO builds VALUES ('{SALES}', '2011-03-04', '{attempt}', 'r', "
                f"'published', 'c', 'i', 5, 2, 1, '', '2011-03-05 {hour:02}:00:00')"
            )
    builds = Builds(database_url)
    numbers = {a: builds.of(SALES, {"2011-03-04": a})["2011-03-04"].sequence for a in "abc"}
    assert sorted(numbers, key=numbers.__getitem__) == ["a", "c", "b"]
    assert builds.latest(SALES)["2011-03-04"].attempt == "b"
    assert differences(builds.database, METADATA) == []


def test_the_checks_that_failed_before_they_had_a_column_are_known_in_it(
    database_url: str,
) -> None:
    why = "rules: 5 of 9 rows: bad 5; conservation: +1 rows; a name's end"
    with Database(database_url).engine.begin() as connection:
        migration.upgrade(connection, "0002")
        insert = (
            "INSERT INTO builds (table_id, partition, attempt, run_id, state, contract, inputs, "
            "rows, quarantined, duplicates, detail, created) VALUES "
            f"('{SALES}', '2011-03-04', 'a', 'r', 'held_back', 'c', 'i', 5, 2, 1, :why, "
            "'2011-03-05 07:00:00')"
        )
        connection.execute(sa.text(insert), {"why": why})
    [build] = Builds(database_url).held_back(SALES).values()
    assert (build.failed, build.rules, build.detail) == (("rules", "conservation"), None, why)
    assert differences(Database(database_url), METADATA) == []


def test_a_database_of_a_later_version_is_refused_and_left_as_it_is(database_url: str) -> None:
    Ledger(database_url).summary()
    run(database_url, f"update {VERSION_TABLE} set version_num = '0999'")
    with pytest.raises(DatabaseTooNew, match=rf"of version 0999, .* up to {HEAD}; use the package"):
        Ledger(database_url).summary()
    with pytest.raises(DatabaseTooNew):
        Builds(database_url).latest(SALES)
    assert version(Database(database_url)) == "0999"


def test_a_database_that_does_not_migrate_is_left_as_it_is_until_it_is_told_to(
    new_database_url: Callable[[], str],
) -> None:
    url = new_database_url()
    deployed = Database(url, migrates=False)
    for use in (deployed.read, deployed.write, deployed.beside):
        with pytest.raises(DatabaseNotMigrated, match="has no tables yet"), use():
            pytest.fail("it was used")
    assert deployed.version() is None

    with deployed.engine.begin() as connection:
        migration.upgrade(connection, "0005")
    with pytest.raises(DatabaseNotMigrated, match=f"version 0005, .* needs version {HEAD}"):
        Ledger(url, migrates=False).summary()
    assert deployed.version() == "0005"

    deployed.migrate()
    assert deployed.version() == HEAD
    assert Ledger(url, migrates=False).summary()["pending"] == 0


def test_a_database_of_a_later_version_is_not_said_to_need_a_migration(database_url: str) -> None:
    Ledger(database_url).summary()
    run(database_url, f"update {VERSION_TABLE} set version_num = '0999'")
    with pytest.raises(DatabaseTooNew, match="of version 0999"):
        Ledger(database_url, migrates=False).summary()


def test_of_many_first_users_one_migrates_and_the_others_wait(
    new_database_url: Callable[[], str],
) -> None:
    for _ in range(3):
        url = new_database_url()

        def use(_: int, url: str = url) -> int:
            return len(Builds(url).latest(SALES)) + Ledger(url).summary()["pending"]

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(use, range(8))) == 0
        assert version(Database(url)) == HEAD


def test_dagsters_own_versions_are_not_touched(postgres_url: str) -> None:
    """Its storage may share the database, and calls its table of versions as alembic does."""
    theirs = "create table alembic_version (version_num varchar(32) primary key)"
    run(postgres_url, theirs, "insert into alembic_version values ('7e2f3204cf8e')")
    Ledger(postgres_url).summary()
    engine = sa.create_engine(with_driver(postgres_url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        found = connection.exec_driver_sql("select version_num from alembic_version").scalars()
        assert list(found) == ["7e2f3204cf8e"]


def test_a_message_with_a_nul_and_names_in_the_order_of_their_bytes(database_url: str) -> None:
    ledger, bucket = Ledger(database_url, clock=lambda: NOW), MemoryBucket()
    keys = [f"shop/2011-03-04{end}.csv" for end in ("", "-B", "-a", "-ä", "_A")]
    for key in keys:
        bucket.land(key)
    ledger.record(bucket.list(), bucket, [SHOP], NOW)
    pending = ledger.pending("shop")
    assert [entry.key for entry in pending] == sorted(keys, key=str.encode)
    ledger.mark_failed({pending[0].id: "found \0 in a number"})
    assert [entry.error for entry in ledger.failed()] == ["found \\x00 in a number"]


def test_alembic_has_the_step_from_one_revision_to_another() -> None:
    assert is_pinned("alembic")
    assert parameters(ScriptDirectory._upgrade_revs) == "self, destination, current_rev"
