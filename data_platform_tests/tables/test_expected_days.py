"""Time passes on expected days only, whatever the zone does with its clocks."""

import datetime as dt
import re
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_platform.tables.expected_days import END_OF_TIME, WEEKDAYS, ExpectedDays

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
WEEKEND = ("saturday", "sunday")
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Havana",
    "Asia/Kolkata",
    "Asia/Beirut",
)
FRIDAY = dt.date(2026, 3, 27)  # Europe's clocks change on the Sunday after it

moments = st.datetimes(
    dt.datetime(2024, 1, 1),
    dt.datetime(2027, 1, 1),
    timezones=st.just(dt.UTC),
    allow_imaginary=False,
)
durations = st.timedeltas(dt.timedelta(microseconds=1), dt.timedelta(days=40))
days_ = st.builds(
    ExpectedDays,
    closed=st.lists(st.sampled_from(WEEKDAYS), max_size=6).map(tuple),
    holidays=st.sampled_from(["", "DE", "US", "XNYS"]),
    timezone=st.sampled_from(ZONES),
)


def counted(days: ExpectedDays, start: dt.datetime, end: dt.datetime) -> dt.timedelta:
    """How much of the time between two moments is of expected days, summed up day by
    day."""
    zone, passed = ZoneInfo(days.timezone), dt.timedelta()
    day = start.astimezone(zone).date() - DAY
    while days.start_of(day) < end:
        begins, ends = days.start_of(day), days.start_of(day + DAY)
        if days.has(day):
            passed += max(min(end, ends) - max(start, begins), dt.timedelta())
        day += DAY
    return passed


@given(days_, moments, durations)
def test_exactly_the_duration_has_passed_on_expected_days(days, moment, duration) -> None:
    assert counted(days, moment, days.after(moment, duration)) == duration


@given(days_, moments, durations)
def test_what_is_due_is_due_on_an_expected_day(days, moment, duration) -> None:
    due = days.after(moment, duration)
    assert days.has(due.astimezone(ZoneInfo(days.timezone)).date())


@given(days_, moments, durations, durations)
def test_later_data_and_longer_durations_are_due_later(days, moment, duration, more) -> None:
    due = days.after(moment, duration)
    assert days.after(moment, duration + more) > due
    assert days.after(moment + more, duration) >= due


def test_a_weekend_does_not_count() -> None:
    days = ExpectedDays(closed=WEEKEND, timezone="Europe/Berlin")
    berlin = ZoneInfo("Europe/Berlin")
    friday_evening = dt.datetime(2026, 3, 27, 20, tzinfo=berlin)

    assert days.after(friday_evening, 6 * HOUR) == dt.datetime(2026, 3, 30, 2, tzinfo=berlin)


def test_a_day_on_which_the_clock_changes_has_its_own_length() -> None:
    days = ExpectedDays(timezone="Europe/Berlin")
    spring, autumn = days.start_of(dt.date(2026, 3, 29)), days.start_of(dt.date(2026, 10, 25))

    assert days.start_of(dt.date(2026, 3, 30)) - spring == 23 * HOUR
    assert days.start_of(dt.date(2026, 10, 26)) - autumn == 25 * HOUR
    assert days.after(spring, DAY) == spring + DAY  # elapsed time, not that of a clock on the wall


@pytest.mark.parametrize(
    ("holidays", "closed", "open_"),
    [
        ("DE-BY", dt.date(2026, 1, 6), dt.date(2026, 1, 7)),
        ("DE-BE", dt.date(2026, 5, 1), dt.date(2026, 1, 6)),
        ("XNYS", dt.date(2026, 11, 26), dt.date(2026, 10, 12)),
    ],
)
def test_holidays_of_a_country_or_an_exchange_do_not_count(holidays, closed, open_) -> None:
    days = ExpectedDays(holidays=holidays)

    assert not days.has(closed)
    assert days.has(open_)


def test_a_date_can_be_closed() -> None:
    days = ExpectedDays(closed=(FRIDAY,))

    assert [days.has(FRIDAY), days.has(FRIDAY + DAY)] == [False, True]
    assert not days.any_of(days.start_of(FRIDAY), days.start_of(FRIDAY + DAY))
    assert days.any_of(days.start_of(FRIDAY), days.start_of(FRIDAY + 2 * DAY))


def test_there_is_no_deadline_beyond_the_calendar() -> None:
    last = dt.datetime(9999, 12, 31, 12, tzinfo=dt.UTC)
    assert ExpectedDays().after(last, DAY) == END_OF_TIME
    assert ExpectedDays(timezone="America/New_York").moment(dt.datetime.max) == END_OF_TIME


@pytest.mark.parametrize(
    ("days", "message"),
    [
        (ExpectedDays(closed=("Saturday",)), "'Saturday', which is no weekday; there are monday"),
        (ExpectedDays(closed="sunday"), "closed is a tuple"),  # pyright: ignore
        (ExpectedDays(closed=(7,)), "weekdays and dates, not 7"),  # pyright: ignore
        (ExpectedDays(closed=WEEKDAYS), "no data is ever expected"),
        (ExpectedDays(holidays="DE-XX"), "no part of DE; there is DE-BB"),
        (ExpectedDays(holidays="XNYZ"), "neither a country.*did you mean XNYS"),
        (ExpectedDays(holidays=49), "neither a country"),  # pyright: ignore
        (ExpectedDays(timezone="Berlin"), "'Berlin' is not a time zone"),
    ],
)
def test_days_that_cannot_be_followed_say_why(days: ExpectedDays, message: str) -> None:
    assert re.search(message, days.problem or "")
