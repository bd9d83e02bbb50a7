import datetime as dt
from dataclasses import replace
from itertools import pairwise
from typing import Any

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import types as T

from data_platform.lake.builds import Build
from data_platform.lake.table import WHOLE_TABLE, PartitionColumn, Partitioning, TableId
from data_platform.quality.freshness import (
    Trailing,
    Upstream,
    Window,
    digest,
    is_stale,
    start_of,
    trailing,
)

LINES = TableId("silver", "retail", "order_lines")
DAILY = Partitioning((PartitionColumn("day", T.DateType()),))
HOURLY = Partitioning((PartitionColumn("hour", T.TimestampNTZType()),))
STATIC = Partitioning((PartitionColumn("shop", T.StringType()),))
MULTI = Partitioning((PartitionColumn("day", T.DateType()), PartitionColumn("s", T.StringType())))
DAYS = st.dates(dt.date(2010, 1, 1), dt.date(2013, 1, 1))


def _upstream(scheme: Partitioning, *keys: str) -> Upstream:
    return Upstream.of(LINES, scheme, {key: f"version of {key}" for key in keys})


def _day(day: dt.date, back: Trailing | None = None) -> Window:
    start = dt.datetime.combine(day, dt.time())
    return Window(back.start(start) if back else start, start, start + dt.timedelta(days=1))


def _build(inputs: str, contract: str, state: str = "published") -> Build:
    now = dt.datetime(2011, 3, 4)
    return Build(str(LINES), "k", "a", "r", state, contract, inputs, 1, 0, 0, now)  # type: ignore[arg-type]


@given(st.sets(DAYS, max_size=30), DAYS, st.integers(1, 100))
def test_a_trailing_day_reads_exactly_the_days_that_it_reaches(
    days: set[dt.date], day: dt.date, back: int
) -> None:
    upstream = _upstream(DAILY, *map(str, days))

    read = upstream.inputs(str(day), _day(day, trailing(days=back)))

    reached = {d for d in days if day - dt.timedelta(days=back) <= d <= day}
    assert set(read) == (set(map(str, reached)) if day in days else set())
    assert list(read) == sorted(read)


def test_a_day_that_did_not_land_is_not_built_from_the_days_before() -> None:
    upstream, window = _upstream(DAILY, "2011-03-03"), _day(dt.date(2011, 3, 4), trailing(days=9))

    assert upstream.inputs("2011-03-04", window) == ()
    assert upstream.within_reach("2011-03-04", window) == ("2011-03-03",)


@given(st.sets(DAYS, min_size=1, max_size=40), st.integers(1, 12))
def test_a_month_reads_every_day_of_it_and_of_the_months_it_reaches_back(
    days: set[dt.date], months: int
) -> None:
    definition = dg.MonthlyPartitionsDefinition("2010-01-01", end_date="2013-02-01")
    month = min(days).replace(day=1)
    start, end = definition.time_window_for_partition_key(str(month))
    start, end = start.replace(tzinfo=None), end.replace(tzinfo=None)
    window = Window(trailing(months=months).start(start), start, end)

    read = _upstream(DAILY, *map(str, days)).inputs(str(month), window)

    ordinal = month.year * 12 + month.month
    expected = {d for d in days if 0 <= ordinal - (d.year * 12 + d.month) <= months}
    assert set(read) == set(map(str, expected))


@given(st.datetimes(dt.datetime(2005, 1, 1), dt.datetime(2020, 1, 1)), st.integers(1, 40))
def test_months_back_begin_on_the_first_across_years(moment: dt.datetime, months: int) -> None:
    first = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)

    back = trailing(months=months).start(first)

    assert back.day == 1
    assert (first.year * 12 + first.month) - (back.year * 12 + back.month) == months


@given(st.integers(1, 40), st.integers(0, 40))
def test_months_back_from_any_day_keep_the_day_or_take_the_months_last(
    months: int, days: int
) -> None:
    for day in (dt.datetime(2011, 1, 1) + dt.timedelta(n) for n in range(365 + 366)):
        start = trailing(months=months, days=days).start(day)

        back = start + dt.timedelta(days=days)
        assert (day.year * 12 + day.month) - (back.year * 12 + back.month) == months
        lacks_the_day = (back + dt.timedelta(days=day.day - back.day)).month != back.month
        assert back.day == day.day or (
            lacks_the_day and (back + dt.timedelta(days=1)).month != back.month
        )


def test_a_month_before_the_31st_of_march_is_the_end_of_february() -> None:
    march, leap = dt.datetime(2011, 3, 31), dt.datetime(2012, 3, 31)

    assert trailing(months=1).start(march) == dt.datetime(2011, 2, 28)
    assert trailing(months=1).start(leap) == dt.datetime(2012, 2, 29)


@pytest.mark.parametrize(
    "nothing", [{}, {"days": -1}, {"months": -1, "days": 40}, {"of": "gold/money/rates"}]
)
def test_an_input_that_does_not_reach_back_is_refused(nothing: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"trailing\(days=.* does not reach back"):
        trailing(**nothing)


def test_an_hour_over_hours_and_over_a_day() -> None:
    hours = _upstream(HOURLY, "2011-03-04-05:00", "2011-03-04-06:00", "2011-03-04-07:00")
    start = dt.datetime(2011, 3, 4, 6)
    hour = Window(start, start, start + dt.timedelta(hours=1))

    assert hours.inputs("2011-03-04-06:00", hour) == ("2011-03-04-06:00",)
    assert hours.inputs("2011-03-04", _day(dt.date(2011, 3, 4))) == hours.keys


def test_static_and_multi_partitions_read_the_one_of_their_own_key() -> None:
    static = _upstream(STATIC, "london", "leeds")
    multi = _upstream(MULTI, "2011-03-04|london", "2011-03-04|leeds")

    assert static.inputs("leeds", None) == ("leeds",)
    assert static.inputs("york", None) == ()
    assert multi.inputs("2011-03-04|leeds", None) == ("2011-03-04|leeds",)
    assert (static.starts, multi.starts) == ((), ())


def test_a_table_without_partitions_reads_all_and_is_read_by_all() -> None:
    assert _upstream(DAILY, "2011-03-05", "2011-03-04").inputs(WHOLE_TABLE, None) == (
        "2011-03-04",
        "2011-03-05",
    )
    whole = _upstream(Partitioning(), WHOLE_TABLE)
    assert whole.inputs("2011-03-04", _day(dt.date(2011, 3, 4))) == (WHOLE_TABLE,)
    assert whole.inputs(WHOLE_TABLE, None) == (WHOLE_TABLE,)


def test_a_table_that_was_never_written_gives_no_inputs() -> None:
    nothing = Upstream(LINES, (), (), {})

    assert nothing.inputs("2011-03-04", _day(dt.date(2011, 3, 4))) == ()
    assert nothing.inputs(WHOLE_TABLE, None) == ()


@pytest.mark.parametrize(
    ("scheme", "key", "start"),
    [
        (DAILY, "2011-03-04", dt.datetime(2011, 3, 4)),
        (HOURLY, "2011-03-04-05:00", dt.datetime(2011, 3, 4, 5)),
        (STATIC, "leeds", None),
        (MULTI, "2011-03-04|leeds", None),
        (Partitioning(), WHOLE_TABLE, None),
    ],
)
def test_only_a_single_date_or_time_says_when_a_partition_begins(
    scheme: Partitioning, key: str, start: dt.datetime | None
) -> None:
    assert start_of(scheme, key) == start


READS = st.sets(
    st.tuples(st.just(LINES), DAYS.map(str), st.sampled_from(["a1", "a2", "b1"])), max_size=8
)


@given(READS, READS, st.randoms())
def test_a_digest_tells_sets_of_inputs_apart_and_not_their_order(one, other, random) -> None:
    shuffled = list(one)
    random.shuffle(shuffled)

    assert digest(shuffled) == digest(one)
    assert (digest(one) == digest(other)) == (one == other)


@pytest.mark.parametrize(
    ("published", "latest", "stale"),
    [
        (None, None, True),  # never built
        (_build("i", "c"), _build("i", "c"), False),
        (_build("old", "c"), _build("old", "c"), True),  # inputs changed
        (_build("i", "old"), _build("i", "old"), True),  # contract changed
        (None, _build("i", "c", "held_back"), False),  # it would be held back again
        (_build("old", "c"), _build("i", "c", "held_back"), False),
        (_build("old", "c"), _build("other", "c", "held_back"), True),  # mended, or worse
        (_build("old", "c"), _build("i", "old", "held_back"), True),  # judged by another contract
        # back to what the published version is of: its checks fail until it is judged again
        (_build("i", "c"), _build("other", "c", "held_back"), True),
        (_build("i", "c"), _build("i", "other", "held_back"), True),
        # published by a run whose commit was lost to another: built, yet not what is there
        (None, _build("i", "c"), True),
        (_build("i", "c"), replace(_build("i", "c"), attempt="killed"), True),
    ],
)
def test_a_partition_is_stale_where_building_it_would_say_something_new(
    published: Build | None, latest: Build | None, stale: bool
) -> None:
    assert is_stale(published=published, latest=latest, inputs="i", contract="c") is stale


def test_upstream_keys_are_in_time_order() -> None:
    upstream = _upstream(HOURLY, "2011-03-04-23:00", "2011-03-05-00:00", "2011-03-04-01:00")

    assert all(a < b for a, b in pairwise(upstream.starts))
    assert upstream.keys[0] == "2011-03-04-01:00"
