"""A table's calendar as declared, whatever of it has ended: against Dagster's lists of then."""

import datetime as dt
from itertools import pairwise

import dagster as dg
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pyspark.sql import types as T

from data_platform.quality.mapping import event_time
from data_platform.quality.windows import Span, Upstream, reads_of, span_of
from data_platform.tables.calendars import Calendar
from data_platform.tables.identity import PartitionColumn, Partitioning, TableId
from data_platform.tables.partition_columns import column_type
from data_platform.tables.partition_times import TimeKeys

START = dt.datetime(2015, 10, 30)  # of a weekend with a clock change in New York
LANDED = Partitioning((PartitionColumn("file", T.StringType()),))
CRONS = {  # and over how many days
    "10 * * * *": 2,
    "0 */7 * * *": 4,
    "0 0 * * *": 12,
    "30 5 * * *": 12,
    "0 0 * * 3": 50,
    "0 0 15 * *": 150,
}


@st.composite
def calendars(draw: st.DrawFn) -> dg.TimeWindowPartitionsDefinition:
    cron, days = draw(st.sampled_from(list(CRONS.items())))
    ends = draw(st.none() | st.integers(0, days * 24))
    excluded = draw(st.sampled_from([None, ["0 0 * * 0"], [START + dt.timedelta(days=1)]]))
    return dg.TimeWindowPartitionsDefinition(
        start=START,
        end=None if ends is None else START + dt.timedelta(hours=ends),
        cron_schedule=cron,
        fmt="%Y-%m-%d %H:%M%z",
        timezone=draw(st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata"])),
        end_offset=draw(st.sampled_from([-1, 0, 0, 0, 2])),
        exclusions=excluded,
    )


def _partitioning(definition: dg.TimeWindowPartitionsDefinition) -> Partitioning:
    column = PartitionColumn("at", T.TimestampType(), TimeKeys.of(definition))
    return Partitioning((column,))


@settings(max_examples=60)
@given(calendars(), st.data())
def test_what_a_partition_reads_by_event_time_does_not_change_as_others_end(
    definition: dg.TimeWindowPartitionsDefinition, data: st.DataObject
) -> None:
    """Rows of a partition to come are read by nobody yet; all others by whom they will be read."""
    days = 2 * CRONS[definition.cron_schedule]
    start = START.replace(tzinfo=dt.UTC)
    hours = st.integers(-48, days * 24)
    spans = {
        str(number): _span(start, *given) if given else None
        for number, given in enumerate(
            data.draw(st.lists(st.none() | st.tuples(hours, st.integers(0, 60)), max_size=8))
        )
    }
    upstream = Upstream(
        TableId.parse("silver/shop/sales"), LANDED, dict.fromkeys(spans, "v"), spans
    )
    partitioning, end = _partitioning(definition), Calendar(definition).end
    nows = sorted(data.draw(st.lists(hours, min_size=2, max_size=4)))
    windows = []
    for now in nows:
        with dg.partition_loading_context(start + dt.timedelta(hours=now)):
            keys = definition.get_partition_keys()
        windows.append(
            reads_of(partitioning, keys, event_time("sold_on"), upstream, end=end).window
        )

    for early, late in pairwise(windows):
        assert early == {key: late[key] for key in early}
    last = windows[-1]
    for key, read in last.items():
        own = span_of(partitioning, key)
        assert own is not None
        overlapping = {k for k, s in spans.items() if s and s[0] < own[1] and s[1] >= own[0]}
        assert overlapping <= set(read)
    of_none = {k for k, s in spans.items() if s is None or (end is not None and s[0] >= end)}
    assert not last or of_none <= set(last[next(iter(last))])


def _span(start: dt.datetime, begins: int, hours: int) -> Span:
    low = start + dt.timedelta(hours=begins)
    return low, low + dt.timedelta(hours=hours)


@settings(max_examples=30)
@given(calendars(), st.sampled_from([T.StringType(), T.TimestampType()]))
def test_a_calendar_has_what_dagster_will_list_and_nothing_else(
    definition: dg.TimeWindowPartitionsDefinition, kind: T.DataType
) -> None:
    calendar, column = Calendar(definition), PartitionColumn("at", kind, TimeKeys.of(definition))
    assume(calendar.end is None or calendar.start < calendar.end)
    days = CRONS[definition.cron_schedule]
    around = dg.TimeWindowPartitionsDefinition(
        start=START - dt.timedelta(days=2),
        end=START + dt.timedelta(days=days),
        cron_schedule=definition.cron_schedule,
        fmt=definition.fmt,
        timezone=definition.timezone,
    )
    with dg.partition_loading_context(START.replace(tzinfo=dt.UTC) + dt.timedelta(days=3 * days)):
        keys, listed = around.get_partition_keys(), definition.get_partition_keys()
    values = pa.array([column.value(key) for key in keys])

    named = calendar.named(column, values, calendar.start, calendar.end).to_pylist()

    assert [k for k, has in zip(keys, named, strict=True) if has] == [
        k for k in keys if k in listed
    ]


@pytest.mark.parametrize("text", ["", "x", "2015-11-31", "0000-01-01", "9999-12-31", "2015-11-1"])
def test_a_text_that_is_no_key_names_no_partition(text: str) -> None:
    definition = dg.MonthlyPartitionsDefinition("2015-10-01")
    column = PartitionColumn("at", T.StringType(), TimeKeys.of(definition))

    assert Calendar(definition).beginning(column, text) is None


def test_dates_are_those_of_the_zone() -> None:
    definition = dg.DailyPartitionsDefinition("2015-10-30", timezone="America/New_York")
    column = PartitionColumn("at", column_type(definition), TimeKeys.of(definition))
    calendar = Calendar(definition)

    assert calendar.beginning(column, dt.date(2015, 11, 2)) == dt.datetime(
        2015, 11, 2, 5, tzinfo=dt.UTC
    )
    assert (calendar.start, calendar.end) == (dt.datetime(2015, 10, 30, 4, tzinfo=dt.UTC), None)
