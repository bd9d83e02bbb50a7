"""A lease ends where its holder does not beat, and never because nobody could."""

import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from data_platform.databases.connections import Database
from data_platform.databases.errors import LeaseLost
from data_platform.databases.fencing import LEASES, Lease, fence, fenced, held, require_held_now
from data_platform.databases.leases import HeldLease, Leases
from data_platform.databases.urls import with_driver
from data_platform.storage.waiting import wait

TERM = 60.0
RUN = "run/a"


@pytest.fixture
def leases(migrated_postgres_url: str) -> Leases:
    return Leases(migrated_postgres_url, TERM)


def pass_time(leases: Leases, seconds: float) -> None:
    """Let this much time pass for the database."""
    with leases.database.write() as connection:
        connection.execute(LEASES.update().values(watched=LEASES.c.watched - seconds))


def looks(leases: Leases, times: int, apart: float) -> list[str]:
    """The names of what is silent after so many looks."""
    found: list[str] = []
    for _ in range(times):
        pass_time(leases, apart)
        found = [silent.name for silent in leases.look("run/")]
    return found


def is_held(lease: Lease) -> bool:
    with held(lease), fenced(lease.name):
        try:
            require_held_now()
        except LeaseLost:
            return False
    return True


def test_a_holder_that_beats_keeps_its_lease_however_often_others_look(leases: Leases):
    lease = leases.take(RUN, "here")
    for _ in range(10):
        assert leases.beat(lease)
        assert looks(leases, 1, apart=50) == []

    assert leases.holders("run/") == {RUN: "here"}


def test_a_holder_that_does_not_beat_for_the_term_loses_its_lease(leases: Leases):
    lease, other = leases.take(RUN, "here"), leases.take("run/b", "there")
    assert looks(leases, 2, apart=20) == []
    assert leases.beat(other)
    [silent] = leases.look("run/") if looks(leases, 1, apart=20) else []

    assert leases.end(silent)

    assert silent.name == RUN
    assert not leases.beat(lease)
    assert not is_held(lease)
    assert is_held(other)


@pytest.mark.parametrize("away", [60.0, 3600.0])
def test_no_lease_ends_because_the_database_was_away(leases: Leases, away: float):
    lease = leases.take(RUN, "here")
    assert looks(leases, 1, apart=20) == []

    assert looks(leases, 1, apart=away) == []  # nobody could beat meanwhile, nor look

    assert leases.beat(lease)
    assert looks(leases, 2, apart=25) == []


def test_a_clock_that_is_set_back_ends_no_lease_and_saves_none(leases: Leases):
    leases.take(RUN, "here")
    assert looks(leases, 1, apart=-3600) == []
    assert looks(leases, 2, apart=30) == [RUN]


def test_a_lease_does_not_end_if_its_holder_has_beaten_after_the_look(leases: Leases):
    lease = leases.take(RUN, "here")
    looks(leases, 3, apart=30)
    [silent] = leases.look("run/")
    assert leases.beat(lease)

    assert not leases.end(silent)
    assert is_held(lease)


def test_a_lease_without_any_beat_ends_after_two_looks_and_one_with_a_beat_after_three(
    leases: Leases,
):
    leases.take(RUN, "here")
    assert leases.beat(leases.take("run/b", "there"))

    assert [looks(leases, 1, apart=TERM) for _ in range(3)] == [[], [RUN], [RUN, "run/b"]]


def test_a_lease_is_ended_once(leases: Leases):
    leases.take(RUN, "here")
    looks(leases, 3, apart=30)
    [silent] = leases.look("run/")

    assert [leases.end(silent), leases.end(silent)] == [True, False]


def test_only_one_acquires_a_lease_until_it_is_released(leases: Leases):
    lease = leases.acquire("driver", "here")
    assert lease
    assert leases.acquire("driver", "there") is None

    leases.release(lease)

    assert leases.acquire("driver", "there")


def test_a_lease_that_is_taken_over_is_lost_to_its_former_holder(leases: Leases):
    former = leases.take(RUN, "a killed worker")
    lease = leases.take(RUN, "its successor")

    assert lease.epoch > former.epoch
    assert (is_held(former), is_held(lease)) == (False, True)
    assert (leases.beat(former), leases.beat(lease)) == (False, True)
    leases.release(former)
    assert leases.holders("") == {RUN: "its successor"}


def test_a_lease_that_is_never_taken_is_waited_for_longer_than_the_term(leases: Leases):
    leases.expect([RUN, "run/b"])
    taken = leases.take("run/b", "here")
    assert looks(leases, 19, apart=30) == ["run/b"]
    assert leases.holders("run/") == {"run/b": "here"}
    leases.release(taken)

    assert looks(leases, 2, apart=30) == [RUN]


def test_expecting_a_lease_that_is_held_changes_nothing(leases: Leases):
    lease = leases.take(RUN, "here")
    leases.expect([RUN])
    assert leases.beat(lease)


@pytest.fixture
def books(migrated_postgres_url: str) -> Iterator[sa.Table]:
    """A library's table in the database of the leases."""
    table = sa.Table("books", sa.MetaData(), sa.Column("title", sa.String))
    table.create(sa.create_engine(with_driver(migrated_postgres_url)))
    yield table


def test_a_process_that_lost_its_lease_writes_nothing(leases: Leases, books: sa.Table):
    lease = leases.take(RUN, "here")
    engine = sa.create_engine(leases.database.engine.url)
    fence(engine, books.name)
    with held(lease), fenced(RUN):
        with leases.database.write() as connection:
            connection.execute(books.insert(), {"title": "Emma"})
        with engine.begin() as connection:
            connection.execute(books.insert(), {"title": "Persuasion"})
        leases.withdraw([HeldLease(RUN, lease.epoch, "here")])
        with pytest.raises(LeaseLost, match=f"^{RUN}: the lease of this process expired"):
            leases.expect(["run/b"])
        with pytest.raises(LeaseLost), engine.begin() as connection:
            connection.execute(books.update().values(title="Sanditon"))

    with engine.connect() as connection:
        titles = set(connection.execute(sa.select(books.c.title)).scalars())
    assert titles == {"Emma", "Persuasion"}


def test_what_is_fenced_for_one_run_does_not_concern_another(leases: Leases, books: sa.Table):
    lost = leases.take(RUN, "here")
    leases.withdraw([HeldLease(RUN, lost.epoch, "here")])
    with held(lost), fenced("run/b"), leases.database.write() as connection:
        connection.execute(books.insert(), {"title": "Emma"})


def is_waited_for(leases: Leases) -> bool:
    """Whether a DELETE waits for another transaction."""
    waits = sa.text(
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' "
        "and query like 'DELETE FROM leases%' and datname = current_database()"
    )
    with leases.database.read() as connection:
        return bool(connection.execute(waits).scalar())


def test_a_lease_is_not_ended_between_a_write_and_its_commit(leases: Leases, books: sa.Table):
    lease = leases.take(RUN, "here")
    engine = sa.create_engine(leases.database.engine.url)
    fence(engine, books.name)
    order: list[str] = []

    def withdraw() -> None:
        Leases(leases.uri, TERM).withdraw([HeldLease(RUN, lease.epoch, "here")])
        order.append("withdrawn")

    thread = threading.Thread(target=withdraw)
    with held(lease), fenced(RUN), engine.begin() as connection:
        connection.execute(books.insert(), {"title": "Emma"})
        thread.start()
        assert wait(lambda: is_waited_for(leases), 60)
        assert leases.beat(lease)  # a beat does not wait
        order.append("commits")
    thread.join()

    assert order == ["commits", "withdrawn"]


def test_a_lease_in_another_database_is_asked_there(leases: Leases, tmp_path):
    lease = leases.take(RUN, "here")
    elsewhere = Database(f"sqlite:///{tmp_path}/other.db")
    with held(lease), fenced(RUN):
        with elsewhere.write() as connection:
            connection.execute(sa.text("CREATE TABLE one (number INTEGER)"))
        leases.withdraw([HeldLease(RUN, lease.epoch, "here")])
        with pytest.raises(LeaseLost), elsewhere.write() as connection:
            connection.execute(sa.text("CREATE TABLE two (number INTEGER)"))

    with elsewhere.read() as connection:
        assert "two" not in sa.inspect(connection).get_table_names()
