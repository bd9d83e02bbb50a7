"""Which partitions of an input a partition reads: pure, by key and time."""

import datetime as dt
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import types as T

from data_platform.quality.mapping import (
    Dimension,
    EventTime,
    Everything,
    How,
    dimension,
    event_time,
    everything,
    trailing,
)
from data_platform.quality.windows import (
    EventWindow,
    Reads,
    Upstream,
    event_windows,
    known_keys,
    reads_of,
    span_of,
)
from data_platform.tables.identity import WHOLE_TABLE, PartitionColumn, Partitioning, TableId
from data_platform.tables.partition_times import TimeKeys

LINES = TableId("silver", "retail", "order_lines")
DAYS = st.dates(dt.date(2010, 1, 1), dt.date(2013, 1, 1))


def _timed(definition: dg.TimeWindowPartitionsDefinition, kind: T.DataType) -> Partitioning:
    return Partitioning((PartitionColumn("at", kind, TimeKeys.of(definition)),))


def _labels(*names: str) -> Partitioning:
    return Partitioning(tuple(PartitionColumn(name, T.StringType()) for name in names))


DAILY = _timed(dg.DailyPartitionsDefinition("2010-01-01"), T.DateType())
HOURLY = _timed(dg.HourlyPartitionsDefinition("2010-01-01-00:00"), T.TimestampType())
MONTHLY = _timed(dg.MonthlyPartitionsDefinition("2010-01", fmt="%Y-%m"), T.DateType())
STATIC = _labels("shop")
WHOLE = Partitioning()
MULTI = Partitioning((*DAILY.columns, *STATIC.columns))


def _reads(
    partitioning: Partitioning, key: str, upstream: Partitioning, *keys: str, how: How | None = None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a partition reads of these, and which of them are its own."""
    found = reads_of(partitioning, [key], how, Upstream(LINES, upstream, dict.fromkeys(keys, "v")))
    return found.window[key], found.own[key]


@given(st.sets(DAYS, max_size=30), DAYS, st.integers(1, 100))
def test_a_trailing_day_reads_exactly_the_days_that_it_reaches(
    days: set[dt.date], day: dt.date, back: int
) -> None:
    read, own = _reads(DAILY, str(day), DAILY, *map(str, days), how=trailing(days=back))

    reached = {d for d in days if day - dt.timedelta(days=back) <= d <= day}
    assert list(read) == sorted(map(str, reached))
    assert own == ((str(day),) if day in days else ())


@given(st.sets(DAYS, min_size=1, max_size=40), st.integers(1, 12))
def test_a_month_reads_every_day_of_it_and_of_the_months_it_reaches_back(
    days: set[dt.date], months: int
) -> None:
    month = min(days).replace(day=1)
    keys = map(str, days)

    read, own = _reads(MONTHLY, f"{month:%Y-%m}", DAILY, *keys, how=trailing(months=months))

    ordinal = month.year * 12 + month.month
    back = {d: ordinal - (d.year * 12 + d.month) for d in days}
    assert set(read) == {str(d) for d, n in back.items() if 0 <= n <= months}
    assert set(own) == {str(d) for d, n in back.items() if n == 0}


@given(DAYS, st.sampled_from(["2010-07", "2011-02", "2012-12"]))
def test_a_day_reads_the_month_it_is_in_and_no_other(day: dt.date, month: str) -> None:
    read, own = _reads(DAILY, str(day), MONTHLY, month)

    assert read == own == ((month,) if f"{day:%Y-%m}" == month else ())


def test_an_hour_reads_the_day_it_is_in_and_a_day_its_hours() -> None:
    assert _reads(HOURLY, "2011-03-04-05:00", DAILY, "2011-03-03", "2011-03-04")[0] == (
        "2011-03-04",
    )
    hours = ("2011-03-03-23:00", "2011-03-04-00:00", "2011-03-04-23:00", "2011-03-05-00:00")
    assert _reads(DAILY, "2011-03-04", HOURLY, *hours)[0] == hours[1:3]


def test_utc_hours_are_read_by_the_day_they_are_in_where_the_days_are() -> None:
    """The 1st of November 2015 has 25 hours in New York, and begins at 04:00 UTC."""
    there = _timed(
        dg.DailyPartitionsDefinition("2015-01-01", timezone="America/New_York"), T.DateType()
    )
    start = dt.datetime(2015, 10, 31, tzinfo=dt.UTC)
    hours = [f"{start + dt.timedelta(hours=n):%Y-%m-%d-%H:00}" for n in range(72)]

    read, own = _reads(there, "2015-11-01", HOURLY, *hours)

    assert (read[0], read[-1], len(read)) == ("2015-11-01-04:00", "2015-11-02-04:00", 25)
    assert own == read


def test_a_trailing_day_begins_at_midnight_of_its_zone_across_a_clock_change() -> None:
    zone = "America/New_York"
    there = _timed(dg.DailyPartitionsDefinition("2015-01-01", timezone=zone), T.DateType())
    keys = ["2015-10-30", "2015-10-31", "2015-11-01", "2015-11-02"]

    assert _reads(there, "2015-11-02", there, *keys, how=trailing(days=2))[0] == tuple(keys[1:])
    span = span_of(there, "2015-11-01")
    assert span and span[1] - span[0] == dt.timedelta(hours=25)
    assert span[0] == dt.datetime(2015, 11, 1, tzinfo=ZoneInfo(zone))


def test_labels_are_read_by_their_like() -> None:
    assert _reads(STATIC, "leeds", STATIC, "london", "leeds") == (("leeds",), ("leeds",))
    assert _reads(STATIC, "york", STATIC, "london", "leeds") == ((), ())
    assert _reads(_labels("store"), "leeds", STATIC, "london", "leeds")[0] == ("leeds",)
    both = ("2011-03-04|leeds", "2011-03-04|york", "2011-03-05|leeds")
    assert _reads(MULTI, "2011-03-04|leeds", MULTI, *both)[0] == ("2011-03-04|leeds",)
    assert _reads(DAILY, "2011-03-04", MULTI, *both)[0] == both[:2]
    assert _reads(STATIC, "leeds", MULTI, *both)[0] == ("2011-03-04|leeds", "2011-03-05|leeds")
    assert _reads(MULTI, "2011-03-04|leeds", DAILY, "2011-03-04", "2011-03-05")[0] == (
        "2011-03-04",
    )
    assert _reads(MULTI, "2011-03-04|leeds", STATIC, "leeds", "york")[0] == ("leeds",)


def test_labels_trail_within_themselves() -> None:
    keys = ("2011-03-03|leeds", "2011-03-03|york", "2011-03-04|leeds", "2011-03-04|york")

    read, own = _reads(MULTI, "2011-03-04|york", MULTI, *keys, how=trailing(days=1))

    assert (read, own) == ((keys[1], keys[3]), (keys[3],))


@pytest.mark.parametrize(
    ("upstream", "keys"), [(WHOLE, (WHOLE_TABLE,)), (STATIC, ("leeds", "york"))]
)
def test_what_shares_nothing_with_a_table_is_read_whole_and_has_nothing_built(
    upstream: Partitioning, keys: tuple[str, ...]
) -> None:
    assert _reads(DAILY, "2011-03-04", upstream, *keys) == (keys, ())


def test_a_table_without_partitions_reads_all_of_everything() -> None:
    days = ("2011-03-04", "2011-03-05")
    assert _reads(WHOLE, WHOLE_TABLE, DAILY, *reversed(days)) == (days, days)
    assert _reads(WHOLE, WHOLE_TABLE, WHOLE, WHOLE_TABLE) == ((WHOLE_TABLE,), (WHOLE_TABLE,))
    assert _reads(WHOLE, WHOLE_TABLE, DAILY, *days, how=dimension()) == (days, ())


def test_declared_inputs_are_read_whole_whatever_their_partitions() -> None:
    days = ("2011-03-04", "2011-03-05")
    assert _reads(STATIC, "leeds", DAILY, *days, how=everything()) == (days, days)
    assert _reads(DAILY, "2011-03-05", DAILY, *days, how=dimension()) == (days, ())


def test_a_table_that_was_never_written_gives_no_inputs() -> None:
    assert _reads(DAILY, "2011-03-04", DAILY) == ((), ())
    assert _reads(WHOLE, WHOLE_TABLE, DAILY) == ((), ())


def _by_event_time(
    spans: dict[str, tuple[int, int] | None], *keys: int, last: int | None = None
) -> Reads:
    """March 2011, by the days of the month that the input's partitions hold rows of; no day after
    the `last` will be a partition."""

    def day(number: int) -> dt.datetime:
        return dt.datetime(2011, 3, 1, 12, tzinfo=dt.UTC) + dt.timedelta(days=number - 1)

    times = {key: (day(s[0]), day(s[1])) if s else None for key, s in spans.items()}
    upstream = Upstream(LINES, DAILY, dict.fromkeys(spans, "v"), times)
    end = dt.datetime(2011, 3, 1, tzinfo=dt.UTC) + dt.timedelta(days=last) if last else None
    days = [f"2011-03-{n:02}" for n in keys]
    return reads_of(DAILY, days, event_time("sold_on"), upstream, end=end)


def test_rows_count_for_the_time_they_name_wherever_they_landed() -> None:
    found = _by_event_time({"2011-03-01": (1, 1), "2011-03-02": (1, 2)}, 1, 2, 3)

    assert found.window == {
        "2011-03-01": ("2011-03-01", "2011-03-02"),
        "2011-03-02": ("2011-03-02",),
        "2011-03-03": (),
    }
    assert found.own == found.window


@pytest.mark.parametrize("span", [None, (1, 2), (9, 30), (10, 10), (20, 30)])
def test_rows_that_will_be_of_no_partition_are_met_in_the_first(
    span: tuple[int, int] | None,
) -> None:
    found = _by_event_time({"2011-03-05": span}, 4, 5, 6, last=9)

    assert {key for key, read in found.window.items() if read} == {"2011-03-04"}


@pytest.mark.parametrize(("last", "span"), [(None, (7, 7)), (None, (9, 30)), (9, (7, 9))])
def test_rows_of_a_partition_that_is_yet_to_come_wait_for_it(
    last: int | None, span: tuple[int, int]
) -> None:
    found = _by_event_time({"2011-03-05": span}, 4, 5, 6, last=last)

    assert not any(found.window.values())


def test_rows_without_a_time_are_met_in_the_first_beside_the_others() -> None:
    noon = dt.datetime(2011, 3, 5, 12, tzinfo=dt.UTC)
    times = {"2011-03-07": (noon, noon), "2011-03-08": (noon, noon)}
    upstream = Upstream(LINES, DAILY, dict.fromkeys(times, "v"), times, {"2011-03-08"})
    keys = [f"2011-03-0{n}" for n in (4, 5, 6)]

    found = reads_of(DAILY, keys, event_time("sold_on"), upstream).window

    assert found == {keys[0]: ("2011-03-08",), keys[1]: tuple(times), keys[2]: ()}


@given(st.sets(DAYS, min_size=1, max_size=9), st.datetimes(dt.datetime(2009, 1, 1)))
def test_each_row_counts_for_one_partition_whatever_its_time(
    days: set[dt.date], moment: dt.datetime
) -> None:
    last = dt.datetime.combine(max(days), dt.time(), dt.UTC)
    windows = event_windows(DAILY, map(str, days), last + dt.timedelta(days=1))
    at = moment.replace(tzinfo=dt.UTC)

    def counts(of: EventWindow) -> bool:
        beyond = of.beyond is not None and of.beyond <= at
        return beyond or ((of.after is None or of.after <= at) and at < of.until)

    [key] = [key for key, of in windows.items() if counts(of)]
    assert key == str(moment.date()) or moment.date() not in days
    assert [key for key, of in windows.items() if of.is_first] == [str(min(days))]


@given(
    st.dictionaries(
        DAYS.map(str), st.none() | st.tuples(st.integers(-40, 70), st.integers(0, 9)), max_size=12
    )
)
def test_no_partition_of_an_input_read_by_event_time_is_left_out(
    given_spans: dict[str, tuple[int, int] | None],
) -> None:
    spans = {key: span and (span[0], span[0] + span[1]) for key, span in given_spans.items()}
    found = _by_event_time(spans, *range(1, 32), last=31)

    assert {one for read in found.window.values() for one in read} == set(spans)
    for key, span in spans.items():
        if span and span[0] <= 31 and span[1] >= 1:
            inside = {f"2011-03-{n:02}" for n in range(max(span[0], 1), min(span[1], 31) + 1)}
            inside |= {"2011-03-01"} if span[1] > 31 else set()
            assert {own for own, read in found.window.items() if key in read} == inside


def test_keys_of_before_are_told_from_those_of_now() -> None:
    assert known_keys(MONTHLY, ["2011-03", "2011-03-01", "x"]) == ["2011-03"]


def test_a_dimension_says_what_its_changes_make_stale() -> None:
    assert dimension(of="gold/shop/prices", changes="as_of") == Dimension(
        "gold/shop/prices", "as_of"
    )
    assert everything(of="gold/shop/prices") == Everything("gold/shop/prices")
    assert event_time("sold_on", of="silver/shop/sales") == EventTime(
        "sold_on", "silver/shop/sales"
    )
    with pytest.raises(ValueError, match="it is one of all, latest, as_of"):
        dimension(changes="never")  # type: ignore[arg-type]


def test_partitions_are_read_in_the_order_of_time() -> None:
    definition = dg.DailyPartitionsDefinition("01.01.2010", fmt="%d.%m.%Y")
    written = _timed(definition, T.DateType())
    keys = ["31.01.2011", "01.02.2011", "15.01.2011"]

    read, _ = _reads(WHOLE, WHOLE_TABLE, written, *keys)

    assert all(span_of(written, a) < span_of(written, b) for a, b in pairwise(read))  # type: ignore[operator]


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
