import datetime as dt
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from data_platform.access.people import Person, Role
from data_platform.access.trail import AUDIT_TRAIL, Change, Outcome, Through, Trail
from data_platform.databases.connections import Database
from data_platform.databases.errors import DatabaseUnavailable
from data_platform.databases.migration import VERSION_TABLE
from data_platform.databases.urls import with_driver
from tools.postgres_server import Postgres

ANN, BOB = Person("ann", Role.OPERATOR), Person("bob", Role.OPERATOR)
LINES = "silver/shop/lines"


def change(who: Person = ANN, action: str = "rollback", **others) -> Change:
    return Change(**{"who": who, "through": Through.COMMAND, "action": action, **others})


def test_a_change_is_one_entry_with_how_it_ended(migrated_url: str) -> None:
    trail = Trail(migrated_url)
    with trail.recorded(change(tables=(LINES,), partitions="2011-03-01", detail="to 7")):
        [under_way] = trail.entries()

    [done] = trail.entries()

    assert under_way.outcome == "begun"
    assert (done.who, done.role, done.through) == ("ann", "operator", "command")
    assert (done.tables, done.partitions, done.detail) == (LINES, "2011-03-01", "to 7")
    assert (done.at, done.outcome) == (under_way.at, "done")


def test_what_went_wrong_is_in_the_entry(migrated_url: str) -> None:
    trail = Trail(migrated_url)

    with pytest.raises(ValueError, match="no such snapshot"), trail.recorded(change(detail="to 7")):
        raise ValueError("no such snapshot")

    [entry] = trail.entries()
    assert (entry.outcome, entry.detail) == ("failed", "to 7; ValueError: no such snapshot")


def test_each_text_of_an_entry_is_cut(migrated_url: str) -> None:
    trail, long = Trail(migrated_url), "x" * 100_000
    texts = {"partitions": long, "run": long, "detail": long, "tables": (long,)}

    trail.add(change(Person(long, Role.VIEWER), long, **texts), Outcome.REFUSED)

    [entry] = trail.entries()
    for name in ("who", "action", *texts):
        assert getattr(entry, name) == "x" * 1999 + "…"


def test_half_a_character_is_written_as_its_number(migrated_url: str) -> None:
    trail = Trail(migrated_url)

    with trail.recorded(change(detail="a\ud800b\0c")):
        pass

    [entry] = trail.entries()
    assert (entry.detail, entry.outcome) == (r"a\ud800b\x00c", "done")


def test_moments_are_of_the_databases_clock_in_utc(migrated_url: str) -> None:
    trail = Trail(migrated_url)
    seconds = {"sqlite": "unixepoch()", "postgresql": "extract(epoch from clock_timestamp())"}

    def now() -> float:
        with trail.database.read() as connection:
            found = connection.exec_driver_sql(f"SELECT {seconds[connection.dialect.name]}")
            return float(found.scalar_one())

    before = now()
    trail.add(change(), Outcome.REFUSED)
    [entry] = trail.entries()

    assert before - 1 <= entry.at.timestamp() <= now() + 1


def test_what_cannot_be_recorded_is_not_begun(tmp_path) -> None:
    trail = Trail(f"sqlite:///{tmp_path}/no/such/folder.db")
    begun = []

    with pytest.raises(DatabaseUnavailable), trail.recorded(change()):
        begun.append(True)

    assert not begun


def test_a_change_that_is_made_stays_so_where_its_end_cannot_be_recorded(
    migrated_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    trail = Trail(migrated_url)
    with trail.recorded(change()):
        vars(trail)["database"] = Database("sqlite:////no/such/folder.db")

    assert "the audit trail does not say how rollback ended" in caplog.text
    assert [entry.outcome for entry in Trail(migrated_url).entries()] == ["begun"]


def test_whatever_goes_wrong_with_the_end_does_not_undo_a_change(
    migrated_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    trail, done = Trail(migrated_url), []

    with trail.recorded(change()):
        vars(trail)["database"] = object()  # an error that is none of a database
        done.append(True)

    assert done
    assert "the audit trail does not say how rollback ended" in caplog.text


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_trail SET who = 'nobody'", "DELETE FROM audit_trail"]
)
def test_an_entry_stays_as_it_was_written(migrated_url: str, statement: str) -> None:
    trail = Trail(migrated_url)
    trail.add(change(), Outcome.REFUSED)
    engine = sa.create_engine(with_driver(migrated_url), poolclass=sa.NullPool)

    with engine.begin() as connection, pytest.raises(exc.DBAPIError, match="append-only"):
        connection.exec_driver_sql(statement)

    assert [entry.who for entry in Trail(migrated_url).entries()] == ["ann"]


def test_all_entries_at_once_stay_too(migrated_postgres_url: str) -> None:
    engine = sa.create_engine(with_driver(migrated_postgres_url), poolclass=sa.NullPool)

    with engine.begin() as connection, pytest.raises(exc.DBAPIError, match="append-only"):
        connection.exec_driver_sql("TRUNCATE audit_trail")


def test_the_owner_forgets_old_entries_by_the_statements_in_the_guide(
    migrated_postgres_url: str,
) -> None:
    guide = (Path(__file__).parents[2] / "docs/how-to/access.md").read_text()
    statements = guide.partition("BEGIN;")[2].partition("COMMIT;")[0].split(";")[:-1]
    trail = Trail(migrated_postgres_url)
    old = {"change": "c", **dict.fromkeys(("role", "through", "action", "tables"), "")}
    old |= dict.fromkeys(("partitions", "run", "detail", "outcome"), "")
    engine = sa.create_engine(with_driver(migrated_postgres_url), poolclass=sa.NullPool)
    trail.add(change(), Outcome.REFUSED)
    with engine.begin() as connection:
        ago = sa.text("now() - interval '3 years'")
        connection.execute(AUDIT_TRAIL.insert().values(who="old", at=ago, **old))

    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)

    assert [entry.who for entry in trail.entries()] == ["ann"]
    with engine.begin() as connection, pytest.raises(exc.DBAPIError, match="append-only"):
        connection.execute(AUDIT_TRAIL.delete())


def test_entries_are_of_a_person_a_table_or_a_time_and_the_newest_are_last(
    migrated_url: str,
) -> None:
    trail = Trail(migrated_url)
    for who, action, tables in (
        (ANN, "run", ()),
        (BOB, "drop", (LINES, f"{LINES}_more")),
        (ANN, "replay", (f"{LINES}_more",)),
    ):
        with trail.recorded(change(who, action, tables=tables)):
            pass

    def actions(**filters) -> list[str]:
        return [entry.action for entry in trail.entries(**filters)]

    assert actions() == ["run", "drop", "replay"]
    assert actions(limit=2) == ["drop", "replay"]
    assert actions(who="bob") == ["drop"]
    assert actions(table=LINES) == ["drop"]
    assert actions(table=f"{LINES}_more") == ["drop", "replay"]
    assert actions(table="silver/shop/lin%") == []
    last = trail.entries()[-1].at
    assert actions(since=last) == ["replay"]
    assert actions(since=last + dt.timedelta(days=1)) == []


def test_a_server_that_does_not_answer_is_out_of_reach(migrated_postgres_url: str) -> None:
    trail = Trail(migrated_postgres_url, within=0.5)
    trail.add(change(), Outcome.REFUSED)
    with Database(migrated_postgres_url).write() as connection:
        connection.exec_driver_sql("LOCK TABLE audit_trail")

        with pytest.raises(DatabaseUnavailable, match="statement timeout"):
            trail.add(change(), Outcome.REFUSED)


def test_entries_are_added_beside_a_writer(migrated_postgres_url: str) -> None:
    trail = Trail(migrated_postgres_url)
    with Database(migrated_postgres_url).write():
        trail.add(change(), Outcome.REFUSED)

    assert len(trail.entries()) == 1


def test_a_user_who_may_only_add_and_read_can_use_it(
    migrated_postgres_url: str, postgres: Postgres
) -> None:
    url = sa.make_url(migrated_postgres_url)
    user = f"only_{url.database}"
    owner = sa.create_engine(with_driver(migrated_postgres_url), poolclass=sa.NullPool)
    with owner.begin() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {user} LOGIN PASSWORD '{postgres.password}'")
        connection.exec_driver_sql(f"GRANT SELECT, INSERT ON audit_trail TO {user}")
        connection.exec_driver_sql(f"GRANT USAGE ON SEQUENCE audit_trail_number_seq TO {user}")
        connection.exec_driver_sql(f"GRANT SELECT ON {VERSION_TABLE} TO {user}")
    trail = Trail(url.set(username=user).render_as_string())

    trail.add(change(), Outcome.REFUSED)

    assert len(trail.entries()) == 1
    with trail.database.beside() as connection:
        for refused in (AUDIT_TRAIL.delete(), AUDIT_TRAIL.update().values(who="nobody")):
            with pytest.raises(exc.ProgrammingError, match="permission denied"):
                connection.execute(refused)
