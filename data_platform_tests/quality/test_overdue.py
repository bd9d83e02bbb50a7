"""How fresh a table is depends on its newest data, the expected days and the present moment."""

import datetime as dt
from zoneinfo import ZoneInfo

import dagster as dg
from hypothesis import given
from hypothesis import strategies as st

from data_platform.contracts.freshness import FreshWithin
from data_platform.quality.overdue import Freshness, State, judged, judged_by_partitions
from data_platform.tables.calendars import Calendar
from data_platform.tables.expected_days import ExpectedDays
from data_platform_tests.tables.test_expected_days import WEEKEND, days_, durations, moments

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
BERLIN = ZoneInfo("Europe/Berlin")
WORSE = [State.FRESH, State.WARNING, State.ERROR]
RULE = FreshWithin(
    warn=6 * HOUR, error=DAY, days=ExpectedDays(closed=WEEKEND, timezone="Europe/Berlin")
)
DAILY = Calendar(dg.DailyPartitionsDefinition("2026-03-01", timezone="Europe/Berlin"))

rules = st.builds(
    lambda warn, more, days, given: FreshWithin(
        warn=warn if given != "error" else None,
        error=warn + more if given != "warn" else None,
        days=days,
    ),
    durations,
    durations,
    days_,
    st.sampled_from(["warn", "error", "both"]),
)


def at(day: int, hour: int = 0) -> dt.datetime:
    return dt.datetime(2026, 3, day, hour, tzinfo=BERLIN)


@given(rules, moments, durations, durations)
def test_it_only_gets_worse_with_time(rule, newest, passed, more) -> None:
    earlier, later = (judged(rule, newest, newest + by) for by in (passed, passed + more))

    assert WORSE.index(later.state) >= WORSE.index(earlier.state)
    assert later.deadline == earlier.deadline
    if later.state == earlier.state:
        assert later.since == earlier.since


@given(rules, moments, durations, durations)
def test_newer_data_never_makes_it_worse(rule, newest, newer, passed) -> None:
    now = newest + newer + passed
    states = [judged(rule, each, now).state for each in (newest, newest + newer)]
    assert WORSE.index(states[1]) <= WORSE.index(states[0])


@given(rules, moments, moments)
def test_a_closed_day_never_makes_it_late(rule, newest, now) -> None:
    zone = ZoneInfo(rule.days.timezone)
    day = now.astimezone(zone).date()
    begins = rule.days.start_of(day)
    if rule.days.has(day) or newest > begins:
        return
    assert judged(rule, newest, begins).state == judged(rule, newest, now).state


@given(rules, moments, durations)
def test_it_is_late_exactly_from_its_deadline_on(rule, newest, passed) -> None:
    found = judged(rule, newest, newest + passed)

    assert found.deadline == rule.days.after(newest, rule.first)
    assert found.is_late == (newest + passed >= found.deadline)
    assert found.since is not None
    assert found.since <= newest + passed


@given(rules, moments, durations, st.sampled_from(["UTC", "Asia/Tokyo", "America/New_York"]))
def test_the_zone_in_which_a_moment_is_written_does_not_matter(rule, newest, passed, zone) -> None:
    now = newest + passed
    assert judged(rule, newest.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone))) == (
        judged(rule, newest, now)
    )


def test_a_warning_becomes_an_error() -> None:
    newest = at(23, 12)  # a Monday

    found = [judged(RULE, newest, newest + each) for each in (HOUR, 6 * HOUR, 23 * HOUR, DAY)]

    assert [each.state for each in found] == ["fresh", "warning", "warning", "error"]
    assert found[-1] == Freshness(
        State.ERROR, newest, since=newest + DAY, deadline=newest + 6 * HOUR
    )


def by_partitions(now: dt.datetime, *there: str) -> Freshness:
    _, newest = max(DAILY.definition.time_window_for_partition_key(key) for key in there)
    return judged_by_partitions(RULE, DAILY.windows(at(17)), there, newest, now)


WEEK = ("2026-03-17", "2026-03-18", "2026-03-19", "2026-03-20")


def test_a_partition_that_is_due_and_not_there_is_named() -> None:
    found = by_partitions(at(25, 7), *WEEK)

    assert found.missing == ("2026-03-23", "2026-03-24")
    assert (found.state, found.newest) == (State.ERROR, at(21))
    assert (found.since, found.deadline) == (at(25), at(24, 6))


def test_a_weekend_without_partitions_is_fresh_until_monday_s_is_due() -> None:
    assert [by_partitions(at(*moment), *WEEK).state for moment in ((22, 23), (24, 5), (24, 6))] == [
        "fresh",
        "fresh",
        "warning",
    ]


def test_a_partition_of_friday_is_due_on_monday() -> None:
    found = by_partitions(at(22, 12), *WEEK[:-1])

    assert (found.state, found.deadline, found.missing) == (State.FRESH, at(23, 6), ())


def test_a_gap_is_late_although_newer_partitions_are_there() -> None:
    found = by_partitions(at(20, 7), "2026-03-17", "2026-03-19")

    assert (found.missing, found.newest) == (("2026-03-18",), at(20))
    assert found.deadline == at(19, 6)


def test_a_partition_that_comes_makes_it_fresh_again() -> None:
    assert by_partitions(at(20, 7), *WEEK[:3]).state == "fresh"
