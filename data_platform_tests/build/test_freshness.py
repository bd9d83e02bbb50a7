"""Freshness is measured from what the platform knows of its tables, on real ones."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from pyspark.sql import SparkSession

from data_platform.build.freshness import Measured, newest_time, of_partitions, rule_of
from data_platform.contracts.freshness import FreshWithin
from data_platform.domains.retail.silver import order_lines
from data_platform.quality.overdue import Freshness, State
from data_platform.tables.calendars import Calendar
from data_platform.tables.expected_days import ExpectedDays
from data_platform_tests.support.homes import Home
from data_platform_tests.support.recent_shop import DAY, HOUR, days_ago, load, recent_shop


@pytest.fixture
def home(spark: SparkSession, tmp_path: Path) -> Iterator[Home]:
    with recent_shop(tmp_path / "home") as home:
        yield home


def measured(home: Home, rule: FreshWithin | None = None, *, now: dt.datetime) -> Freshness:
    """The freshness of the silver table, by this rule or its own."""
    table = home.tables[1]
    found = rule_of(replace(table, freshness=rule) if rule else table)
    assert found
    return Measured(home.platform, home.tables).of(table, found, now)


def midnight(days: int) -> dt.datetime:
    """The beginning of a day before today."""
    return dt.datetime.fromisoformat(days_ago(days)).replace(tzinfo=dt.UTC)


def test_a_table_without_data_is_not_late(home: Home) -> None:
    rules = Measured(home.platform, home.tables)
    now = dt.datetime.now(dt.UTC)

    assert [rules.of(*each, now).state for each in rules.rules()] == [State.UNKNOWN] * 2


def test_each_rule_measures_a_built_table(home: Home) -> None:
    load(home, 4, 2)
    now, by_event = midnight(0), FreshWithin(error=DAY, event_time="invoiced_at")

    by_partitions = measured(home, now=now)
    assert by_partitions.missing == (days_ago(3),)  # yesterday's is due in a day
    assert (by_partitions.newest, by_partitions.deadline) == (midnight(1), midnight(1))

    by_time = measured(home, by_event, now=now)
    seconds = dt.timedelta(hours=10, minutes=2)  # the last line of the files
    assert by_time.newest == midnight(2) + seconds
    assert by_time.since == midnight(1) + seconds
    assert by_time.state is State.ERROR

    published = measured(home, FreshWithin(error=HOUR, by="publication"), now=now + DAY)
    assert published.newest
    assert midnight(0) < published.newest < dt.datetime.now(dt.UTC)

    received = home.tables[0]
    rule = rule_of(received)
    assert rule
    landed = Measured(home.platform, home.tables).of(received, rule, now + 9 * DAY)
    assert landed.newest == home.platform.ledger.last_arrival("online_retail")
    assert landed.is_late


def test_event_times_without_a_zone_are_in_the_zone_of_the_days(home: Home) -> None:
    load(home, 2)
    rule = FreshWithin(
        error=DAY, event_time="invoiced_at", days=ExpectedDays(timezone="Asia/Kolkata")
    )

    found = measured(home, rule, now=midnight(0))

    assert found.newest == midnight(2) + dt.timedelta(hours=10 - 5, minutes=2 - 30)


def test_what_the_files_tell_is_read_again_after_a_change_only(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(home, 3)
    kept, table = Measured(home.platform, home.tables), home.tables[1]
    rule = rule_of(table)
    assert rule

    def state() -> Freshness:
        change = home.platform.builds.changes()[str(table.id)]
        return kept.of(table, rule, midnight(0), change)

    before = state()
    looks: list[object] = []
    find = home.platform.lake.find
    monkeypatch.setattr(
        type(home.platform.lake), "find", lambda _, each: looks.append(each) or find(each)
    )
    assert (state(), looks) == (before, [])

    load(home, 2)
    assert before.missing == (days_ago(2),)
    assert state().missing == ()
    assert looks.count(table.id) >= 1


def test_a_calendar_that_has_ended_expects_nothing(home: Home) -> None:
    rule = rule_of(order_lines)
    calendar = Calendar.of(order_lines.partitions)
    assert rule
    assert calendar
    ends = {"2011-03-28": calendar.start}

    assert of_partitions(rule, calendar, ends, dt.datetime.now(dt.UTC)).deadline is None
    in_time = calendar.start + 10 * DAY
    assert of_partitions(rule, calendar, ends, in_time).is_late


def test_a_table_without_news_for_long_is_late_since_the_first_partition_that_is_missing() -> None:
    calendar = Calendar(dg.DailyPartitionsDefinition("2026-01-01"))
    newest = dt.datetime(2026, 1, 3, tzinfo=dt.UTC)
    rule = FreshWithin(error=HOUR, by="partitions")

    found = of_partitions(rule, calendar, {"2026-01-02": newest}, newest + 90 * DAY)

    assert found.since == newest + DAY + HOUR
    assert (found.missing[0], len(found.missing)) == ("2026-01-03", 89)


def test_a_partition_that_was_left_out_is_forgotten_after_a_month() -> None:
    calendar = Calendar(dg.DailyPartitionsDefinition("2026-01-01"))
    ends = {
        f"{dt.date(2026, 1, 1) + each * DAY}": dt.datetime(2026, 1, 2, tzinfo=dt.UTC) + each * DAY
        for each in range(60)
        if each != 5
    }
    rule, gap = FreshWithin(error=HOUR, by="partitions"), ends["2026-01-07"]

    def missing(now: dt.datetime) -> tuple[str, ...]:
        there = {key: end for key, end in ends.items() if end <= now}
        return of_partitions(rule, calendar, there, now).missing

    assert missing(gap + 20 * DAY) == ("2026-01-06",)
    assert missing(gap + 35 * DAY) == ()


TEN = dt.datetime(2026, 3, 2, 10)
NOW = TEN.replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("bounds", "dates", "newest"),
    [
        ([], False, None),
        ([(TEN - DAY, TEN - HOUR), (TEN - DAY, TEN - 2 * HOUR)], False, NOW - HOUR),
        ([(TEN - DAY, TEN + DAY), (TEN - DAY, TEN - 2 * HOUR)], False, NOW - 2 * HOUR),
        ([(TEN - DAY, dt.datetime.max)], False, NOW - DAY),
        ([(TEN + HOUR, TEN + DAY)], False, None),
        ([(dt.datetime(2026, 3, 1), dt.datetime(2026, 3, 1))], True, NOW - 10 * HOUR),
    ],
)
def test_the_newest_time_is_not_one_of_the_future(bounds, dates, newest) -> None:
    assert newest_time(FreshWithin(error=DAY), bounds, NOW, dates=dates) == newest
