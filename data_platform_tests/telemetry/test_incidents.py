"""Incidents follow the causes that are observed, on SQLite and PostgreSQL."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_platform.databases.connections import Database
from data_platform.telemetry.incidents import (
    Cause,
    Change,
    Event,
    Kind,
    Severity,
    UnknownIncident,
    acknowledge,
    incidents,
    reconcile,
)

NOW = dt.datetime(2026, 3, 2, 10, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
LINES = Cause(
    kind=Kind.HELD_BACK,
    subject="silver/retail/order_lines",
    rule="rules",
    severity=Severity.ERROR,
    owner="team:retail",
    title="silver/retail/order_lines: 365 partitions held back by rules",
    partitions="2011-01-01..2011-12-31",
    reasons={"quantity.not_null": 12},
    look="data-platform held",
    mend="correct the input",
    run="0b7a",
)
OBJECT = replace(LINES, kind=Kind.OBJECT, subject="landing/a.csv", rule="unreadable")


def every(_: Cause) -> bool:
    """All was looked at."""
    return True


@pytest.fixture
def database(migrated_url: str) -> Database:
    return Database(migrated_url)


def changes(found: Iterable[Change]) -> list[tuple[Event, str]]:
    return [(each.event, each.incident.key) for each in found]


def test_a_cause_opens_one_incident_however_often_it_is_seen(database: Database) -> None:
    first = reconcile(database, [LINES], every, NOW)
    again = reconcile(database, [LINES], every, NOW + MINUTE)

    assert changes(first) == [(Event.OPENED, LINES.key)]
    assert again == []
    [found] = incidents(database)
    assert (found.opened, found.seen, found.closed) == (NOW, NOW + MINUTE, None)
    assert {name: getattr(found, name) for name in vars(LINES)} == vars(LINES)


def test_an_incident_has_what_was_last_seen_of_its_cause(database: Database) -> None:
    reconcile(database, [LINES], every, NOW)
    more = replace(LINES, partitions="2011-01-01..2012-01-01", reasons={"quantity.not_null": 20})

    assert reconcile(database, [more], every, NOW + MINUTE) == []

    [found] = incidents(database)
    assert (found.partitions, found.reasons) == (more.partitions, more.reasons)


def test_a_cause_that_is_gone_closes_its_incident(database: Database) -> None:
    reconcile(database, [LINES, OBJECT], every, NOW)

    closed = reconcile(database, [OBJECT], every, NOW + MINUTE)

    assert changes(closed) == [(Event.CLOSED, LINES.key)]
    assert [each.key for each in incidents(database)] == [OBJECT.key]
    both = incidents(database, closed=True)
    assert {each.key: each.closed for each in both} == {LINES.key: NOW + MINUTE, OBJECT.key: None}


def test_what_could_not_be_looked_at_stays_open(database: Database) -> None:
    reconcile(database, [LINES, OBJECT], every, NOW)

    assert (
        reconcile(database, [], lambda cause: cause.kind is not Kind.HELD_BACK, NOW + MINUTE) != []
    )

    assert [each.key for each in incidents(database)] == [LINES.key]


def test_a_cause_that_comes_back_is_another_incident(database: Database) -> None:
    numbers = []
    for causes in ([LINES], [], [LINES]):
        found = reconcile(database, causes, every, NOW)
        numbers += [each.incident.number for each in found]

    opened, closed, again = numbers
    assert opened == closed
    assert again > opened


def test_an_incident_is_acknowledged_with_a_name_and_a_reason(database: Database) -> None:
    [change] = reconcile(database, [LINES], every, NOW)

    done = acknowledge(database, change.incident.number, "ann@x.org", "asked the sender", NOW)
    reconcile(database, [LINES], every, NOW + MINUTE)

    [found] = incidents(database)
    assert (found.acknowledged_by, found.acknowledged_for) == ("ann@x.org", "asked the sender")
    assert found.acknowledged == done.acknowledged == NOW


def test_only_an_open_incident_is_acknowledged(database: Database) -> None:
    reconcile(database, [LINES], every, NOW)
    reconcile(database, [], every, NOW)
    [change] = reconcile(database, [OBJECT], every, NOW)

    with pytest.raises(UnknownIncident, match=f"the open ones: {change.incident.number}$"):
        acknowledge(database, 1, "ann@x.org", "seen", NOW)


@given(
    observed=st.lists(st.sets(st.sampled_from("abcde")), min_size=1, max_size=8),
)
def test_the_open_incidents_are_always_the_causes_last_seen(
    observed: list[set[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('incidents')}/ledger.db")
    opened = closed = 0
    for seen in observed:
        for change in reconcile(
            database, [replace(LINES, subject=name) for name in seen], every, NOW
        ):
            opened += change.event is Event.OPENED
            closed += change.event is Event.CLOSED

    assert {each.subject for each in incidents(database)} == observed[-1]
    assert opened - closed == len(observed[-1])
