"""Keys of times, against Dagster's own: every kind, format, zone and offset, and clock changes."""

import datetime as dt
import pickle
from itertools import pairwise

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import types as T

from data_platform.tables.identity import PartitionColumn, Partitioning
from data_platform.tables.partition_times import (
    TimeKeys,
    as_property,
    from_properties,
    times_of,
)

ZONES = (
    "UTC",
    "America/New_York",
    "Europe/London",
    "Asia/Kolkata",
    "Australia/Lord_Howe",  # its clock changes by half an hour
    "Asia/Kathmandu",
)
CHANGES = (dt.date(2015, 11, 1), dt.date(2016, 3, 13), dt.date(2011, 12, 30), dt.date(2024, 2, 29))


@st.composite
def definitions(draw: st.DrawFn) -> dg.TimeWindowPartitionsDefinition:
    """A few days, weeks or months of some kind around a day that may have a clock change."""
    zone = draw(st.sampled_from(ZONES))
    day = draw(st.sampled_from(CHANGES) | st.dates(dt.date(1971, 2, 1), dt.date(2100, 1, 1)))
    start, end = day - dt.timedelta(days=2), day + dt.timedelta(days=3)
    match draw(st.sampled_from(["hour", "day", "week", "month", "cron"])):
        case "hour":
            return dg.HourlyPartitionsDefinition(
                start_date=dt.datetime.combine(start, dt.time()),
                end_date=dt.datetime.combine(end, dt.time()),
                timezone=zone,
                minute_offset=draw(st.sampled_from([0, 15])),
                fmt=draw(st.sampled_from([None, "%Y%m%dT%H%M", "%d.%m.%Y %H:%M"])),
            )
        case "day":
            return dg.DailyPartitionsDefinition(
                start_date=dt.datetime.combine(start, dt.time()),
                end_date=dt.datetime.combine(end, dt.time()),
                timezone=zone,
                hour_offset=draw(st.sampled_from([0, 6])),
                fmt=draw(st.sampled_from([None, "%Y%m%d", "%d.%m.%Y", "%Y-%j"])),
            )
        case "week":
            return dg.WeeklyPartitionsDefinition(
                start_date=dt.datetime.combine(start, dt.time()),
                end_date=dt.datetime.combine(end + dt.timedelta(30), dt.time()),
                timezone=zone,
                day_offset=draw(st.integers(0, 6)),
            )
        case "month":
            return dg.MonthlyPartitionsDefinition(
                start_date=dt.datetime.combine(start, dt.time()),
                end_date=dt.datetime.combine(end + dt.timedelta(90), dt.time()),
                timezone=zone,
                fmt=draw(st.sampled_from([None, "%Y-%m", "%m/%Y"])),
            )
    return dg.TimeWindowPartitionsDefinition(
        start=dt.datetime.combine(start, dt.time()),
        end=dt.datetime.combine(end, dt.time()),
        timezone=zone,
        fmt="%Y-%m-%d-%H:%M",
        cron_schedule="0 */6 * * *",
    )


@given(definitions())
def test_a_key_says_when_its_partition_begins_and_ends_as_dagster_does(
    definition: dg.TimeWindowPartitionsDefinition,
) -> None:
    times = TimeKeys.of(definition)
    spans = [times.span(key) for key in definition.get_partition_keys()]

    for key, span in zip(definition.get_partition_keys(), spans, strict=True):
        assert span == tuple(definition.time_window_for_partition_key(key))
        assert times.key(span[0]) == key
    instants = [tuple(moment.astimezone(dt.UTC) for moment in span) for span in spans]
    assert all(before[1] == after[0] for before, after in pairwise(instants))


@given(definitions())
def test_instants_hold_every_key_and_local_times_all_but_an_hour_that_comes_twice(
    definition: dg.TimeWindowPartitionsDefinition,
) -> None:
    times, keys = TimeKeys.of(definition), definition.get_partition_keys()
    for kind in (T.TimestampType(), T.TimestampNTZType(), T.StringType()):
        column = PartitionColumn("at", kind, times)
        back = [column.text(column.value(key)) for key in keys]
        twice = {key for key in keys if key[-5:-4] == "-" and isinstance(kind, T.TimestampNTZType)}
        assert [key for key, again in zip(keys, back, strict=True) if key != again] == [
            key for key in keys if key in twice
        ]


@pytest.mark.parametrize(
    ("fmt", "key", "value"),
    [
        ("%Y-%m-%d", "2026-01-05", dt.date(2026, 1, 5)),
        ("%Y%m%d", "20260105", dt.date(2026, 1, 5)),
        ("%d.%m.%Y", "05.01.2026", dt.date(2026, 1, 5)),
    ],
)
def test_a_day_is_written_in_any_format(fmt: str, key: str, value: dt.date) -> None:
    definition = dg.DailyPartitionsDefinition(start_date=dt.datetime(2026, 1, 1), fmt=fmt)
    column = PartitionColumn("day", T.DateType(), TimeKeys.of(definition))

    assert column.value(key) == value
    assert column.text(value) == key


def test_both_hours_of_a_clock_change_are_partitions_of_their_own() -> None:
    hourly = dg.HourlyPartitionsDefinition("2015-10-31-00:00", timezone="America/New_York")
    column = PartitionColumn("hour", T.TimestampType(), TimeKeys.of(hourly))

    first, second = column.value("2015-11-01-01:00"), column.value("2015-11-01-01:00-0500")

    assert first == dt.datetime(2015, 11, 1, 5, tzinfo=dt.UTC)
    assert second == dt.datetime(2015, 11, 1, 6, tzinfo=dt.UTC)
    assert column.text(second) == "2015-11-01-01:00-0500"


def test_a_month_begins_on_its_first_and_no_other_day_of_it_is_its_key() -> None:
    monthly = dg.MonthlyPartitionsDefinition(start_date="2026-01", fmt="%Y-%m")
    column = PartitionColumn("month", T.DateType(), TimeKeys.of(monthly))

    assert column.value("2026-02") == dt.date(2026, 2, 1)
    assert column.text(dt.date(2026, 2, 1)) == "2026-02"
    assert column.text(dt.date(2026, 2, 7)) == "2026-02-07"


@pytest.mark.parametrize("text", ["2016-03-13-02:00", "2016-03-13-01:30", "yesterday", ""])
def test_a_text_that_is_no_key_is_refused(text: str) -> None:
    """The hour that a clock change skips, a time within an hour, another format."""
    hourly = dg.HourlyPartitionsDefinition("2015-10-31-00:00", timezone="America/New_York")

    with pytest.raises(ValueError, match=r".+"):
        TimeKeys.of(hourly).span(text)


def test_a_tables_properties_say_it_to_whoever_reads_the_table() -> None:
    daily = dg.DailyPartitionsDefinition(start_date="2026-01-01", timezone="Europe/Oslo")
    shops = dg.StaticPartitionsDefinition(["oslo", "bergen"])
    both = dg.MultiPartitionsDefinition({"shop": shops, "day": daily})
    times = times_of(both, ["day", "shop"])

    assert times == {"day": TimeKeys("%Y-%m-%d", "Europe/Oslo", "0 0 * * *")}
    assert from_properties(as_property(times)) == times
    assert from_properties({}) == {}
    assert as_property(times_of(shops, ["shop"])) == {}


def test_a_partitioning_travels_to_tasks_without_dagster() -> None:
    daily = dg.DailyPartitionsDefinition(start_date="20260101", fmt="%Y%m%d")
    column = PartitionColumn("day", T.DateType(), TimeKeys.of(daily))
    partitioning = Partitioning((column,))
    partitioning.values("20260105")

    assert b"dagster" not in pickle.dumps(partitioning)
    assert pickle.loads(pickle.dumps(partitioning)) == partitioning


def test_a_key_that_is_written_otherwise_is_answered_with_how_it_is_written() -> None:
    months = TimeKeys("%Y-%m-%d", "UTC", "0 0 1 * *")
    with pytest.raises(ValueError, match="'2011-03' is not a time in the format %Y-%m-%d, such as"):
        months.span("2011-03")
    with pytest.raises(ValueError, match="no partition begins at '2011-03-14'; the next one is"):
        months.span("2011-03-14")
