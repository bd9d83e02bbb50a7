import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy import make_url

from data_platform.databases.connections import Database
from data_platform.databases.errors import DatabaseUnavailable
from data_platform.databases.urls import waiting, with_driver
from data_platform.lake.builds import Builds
from data_platform.lake.catalog import Lake
from data_platform.landing.ledger.ledger import Ledger
from data_platform.tables.identity import TableId
from data_platform_tests.support.memory_bucket import NOW, SHOP, MemoryBucket

SALES = TableId.parse("silver/shop/sales")
COUNT = sa.text("select count(*) from landed_objects")

# A writer that has changed something and does not end.
HALF_WAY = """
import sys
from data_platform.databases.connections import Database
with Database(sys.argv[1]).write() as connection:
    connection.exec_driver_sql(
        "insert into builds (sequence, table_id, partition, attempt, run_id, state, contract, "
        "inputs, rows, quarantined, duplicates, detail, created) values (1, 'silver/shop/sales', "
        "'p', 'a', 'r', 'held_back', 'c', 'i', 0, 0, 0, '', '2011-03-04 00:00:00')"
    )
    print("changed", flush=True)
    sys.stdin.readline()
"""


@contextlib.contextmanager
def writer_half_way(url: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HALF_WAY, url]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout and process.stdout.readline() == "changed\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_killed_writer_leaves_nothing_and_no_lock(database_url: str) -> None:
    Builds(database_url).latest(SALES)
    with writer_half_way(database_url) as process:
        process.kill()
        process.wait()
        with Database(database_url).write() as connection:
            assert connection.execute(sa.text("select count(*) from builds")).scalar() == 0


def test_each_statement_beside_the_writers_is_committed(database_url: str) -> None:
    with Database(database_url).beside() as connection:
        connection.exec_driver_sql("insert into builds_changes (number, table_id) values (7, 'x')")
        with Database(database_url).read() as other:
            found = other.exec_driver_sql("select number from builds_changes where table_id = 'x'")
            assert found.scalars().all() == [7]


def test_readers_do_not_wait_for_a_writer_nor_see_its_changes(database_url: str) -> None:
    Builds(database_url).latest(SALES)
    with writer_half_way(database_url):
        assert Builds(database_url, wait=0.05).latest(SALES) == {}
        with pytest.raises(DatabaseUnavailable, match="another process holds it"):
            Ledger(database_url, busy_timeout=0.05).give_up("shop", attempts=1)


def test_a_writer_waits_for_another_and_sees_what_it_did(database_url: str) -> None:
    Builds(database_url).latest(SALES)
    with writer_half_way(database_url) as process:
        ended = threading.Event()

        def end() -> None:
            ended.set()
            print(file=process.stdin, flush=True)

        threading.Timer(0.5, end).start()
        with Database(database_url).write() as connection:
            assert ended.is_set()
            assert connection.execute(sa.text("select count(*) from builds")).scalar() == 1


def test_a_transaction_that_reads_sees_one_moment(database_url: str) -> None:
    ledger, bucket = Ledger(database_url, clock=lambda: NOW), MemoryBucket()
    with ledger.database.read() as connection:
        assert connection.execute(COUNT).scalar() == 0
        bucket.land("shop/2011-03-04.csv")
        Ledger(database_url).record(bucket.list(), bucket, [SHOP], NOW)
        assert connection.execute(COUNT).scalar() == 0
    with ledger.database.read() as connection:
        assert connection.execute(COUNT).scalar() == 1


@pytest.mark.integration
def test_a_writer_that_hangs_loses_its_lock(postgres_url: str) -> None:
    """A laptop that sleeps, a machine that is gone: the server does not hear of it."""
    Ledger(postgres_url).summary()
    hung = Database(postgres_url, wait=0.2)
    with contextlib.suppress(DatabaseUnavailable), hung.write() as connection:
        Ledger(postgres_url).give_up("shop", attempts=1)  # waits until the server ends the other
        connection.execute(COUNT)
        pytest.fail("the transaction of the writer that hung goes on")


@pytest.fixture
def refused(server: sa.URL, monkeypatch: pytest.MonkeyPatch):
    """What each of the three users of a database says of one that it cannot have."""

    def ask(url: sa.URL, password: str | None = None) -> str:
        if password is not None:
            monkeypatch.setenv("PGPASSWORD", password)
        text = url.render_as_string(hide_password=False)
        said = []
        for use in (
            Ledger(text).summary,
            lambda: Builds(text).latest(SALES),
            Lake({"type": "sql", "uri": text}, "/nowhere").tables,
        ):
            with pytest.raises(DatabaseUnavailable) as error:
                use()
            said.append(str(error.value))
        assert said[0] == said[1] == said[2]
        return said[0]

    return ask


@pytest.mark.integration
def test_errors_of_a_server_name_the_database_and_the_way_out(server: sa.URL, refused) -> None:
    nobody = server.set(host="127.0.0.1", port=1)
    assert f"database {nobody}: " in refused(nobody)
    assert "Connection refused" in refused(nobody)
    assert "the server is up" in refused(nobody)
    assert "or name another one in DATA_PLATFORM_DATABASE" in refused(server.set(database="none"))
    assert "the host and port" in refused(server.set(host="no.such.host.invalid"))


@pytest.mark.integration
def test_a_wrong_password_is_not_shown(server: sa.URL, refused) -> None:
    wrong = refused(server, "wr0ng-pass")
    assert "set DATA_PLATFORM_DATABASE_PASSWORD" in wrong
    assert "wr0ng" not in wrong
    assert "wr0ng" not in refused(server.set(password="wr0ng-pass"))
    assert "no password supplied; set DATA_PLATFORM_DATABASE_PASSWORD" in refused(server, "")


@pytest.fixture
def modest(postgres_url: str, server: sa.URL) -> Iterator[sa.URL]:
    """The database as a user without rights has it, who may have one connection."""
    with administer(server) as connection:
        password = os.environ["PGPASSWORD"]
        connection.exec_driver_sql(
            f"create role modest login password '{password}' connection limit 1"
        )
        yield make_url(postgres_url).set(username="modest")
        connection.exec_driver_sql("drop role modest")


@pytest.mark.integration
def test_a_user_without_rights_hears_which(modest: sa.URL, refused) -> None:
    assert "permission denied for schema public; the URL's user needs" in refused(modest)


@pytest.mark.integration
def test_a_server_without_a_free_connection_says_so(modest: sa.URL, refused) -> None:
    engine = sa.create_engine(with_driver(modest.render_as_string()), poolclass=sa.NullPool)
    with engine.connect():
        assert "raise the server's max_connections" in refused(modest)


@pytest.mark.integration
def test_a_server_that_was_away_is_there_again_for_the_next_transaction(
    postgres_url: str, server: sa.URL
) -> None:
    ledger = Ledger(postgres_url)
    lake = Lake({"type": "sql", "uri": postgres_url}, "/nowhere")
    assert (ledger.summary()["pending"], lake.tables()) == (0, [])
    with (
        pytest.raises(DatabaseUnavailable, match="counts whole or not at all"),
        ledger.database.write() as connection,
    ):
        end_connections(server, make_url(postgres_url).database)
        connection.execute(COUNT)
    assert (ledger.summary()["pending"], lake.tables()) == (0, [])


@contextlib.contextmanager
def administer(server: sa.URL) -> Iterator[sa.Connection]:
    url = with_driver(server.render_as_string())
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        yield connection


def end_connections(server: sa.URL, name: str | None) -> None:
    """As a restart of the server does."""
    query = "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s"
    with administer(server) as connection:
        ended = connection.exec_driver_sql(query, (name,)).scalars().all()
    assert ended and all(ended)


@pytest.mark.parametrize("name", ["catalog.db", "a b/ü.db"])
def test_only_sqlite_is_told_how_long_to_wait_in_its_url(name: str) -> None:
    url = make_url(waiting(f"sqlite:////home/{name}"))
    assert (url.database, url.query["timeout"]) == (f"/home/{name}", "60")
    assert waiting(f"sqlite:////home/{name}?timeout=1") == f"sqlite:////home/{name}?timeout=1"
    assert waiting("postgresql://db/lake") == "postgresql://db/lake"
