"""Which other partitions rows may name, by what their partition reads."""

import datetime as dt
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce

import dagster as dg
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.assets import JudgedTable
from data_platform.build.inputs import Input
from data_platform.build.placement import Others, Times, among, others
from data_platform.build.planning import Plan
from data_platform.contracts.contract import Contract
from data_platform.contracts.schema import column_type
from data_platform.quality.mapping import How, event_time, everything
from data_platform.quality.windows import Upstream
from data_platform.tables.calendars import Calendar
from data_platform.tables.identity import WHOLE_TABLE, PartitionColumn, Partitioning, TableId
from data_platform.tables.partition_times import TimeKeys
from data_platform_tests.support.days_of_sales import DAYS, Answer, table_of

JANUARY = tuple(f"2026-01-{n:02}" for n in range(1, 32))
DAY = Partitioning((PartitionColumn("day", T.DateType()),))
MONTHLY = TimeKeys("%Y-%m", "UTC", "0 0 1 * *")
MONTH = Partitioning((PartitionColumn("month", T.DateType(), MONTHLY),))
SHOP = Partitioning((PartitionColumn("shop", T.StringType()),))
NONE = Partitioning()
NEW_YORK = "America/New_York"


def _table(**changes: object) -> JudgedTable:
    return replace(table_of(lambda sales: sales), **changes)  # type: ignore[arg-type]


Given = tuple[Sequence[str], Partitioning]


def _input(partitioning: Partitioning) -> Input:
    return Input(Upstream(TableId.parse("silver/shop/sales"), partitioning, {}), {})


def _others(*given: Given, key: str = "2026-01-05", **changes: object) -> Others:
    """Of a partition that reads these of inputs that are so partitioned."""
    inputs = {f"input{n}": partitioning for n, (_, partitioning) in enumerate(given)}
    plan = Plan(
        table := _table(**changes),
        (key,),
        {},
        {},
        inputs={name: _input(partitioning) for name, partitioning in inputs.items()},
        reads={f"input{n}": {key: tuple(keys)} for n, (keys, _) in enumerate(given)},
    )
    return others(table, plan, plan.keys)


def _at(number: int) -> dt.datetime:
    return dt.datetime(2026, 1, number, tzinfo=dt.UTC)


def _days(first: int, last: int) -> Others:
    every_day = Calendar(TimeKeys.of(DAYS).definition)
    return Others((Times(every_day, _at(first), _at(last) + dt.timedelta(days=1)),))


def test_of_its_own_day_alone_no_row_may_name_another() -> None:
    assert _others((JANUARY[4:5], DAY)) == _days(5, 5)


def test_rows_may_name_the_days_before_that_were_read() -> None:
    assert _others((JANUARY[1:5], DAY)) == _days(2, 5)
    assert _others((JANUARY[4:5], DAY), (JANUARY[2:5], DAY)) == _days(3, 5)


def test_rows_of_a_month_may_name_its_days() -> None:
    assert _others((["2026-01"], MONTH)) == _days(1, 31)


def test_a_dimension_says_nothing_of_days() -> None:
    assert _others((["york"], SHOP)) == Others()
    assert _others((JANUARY[4:5], DAY), ([WHOLE_TABLE], NONE), (["york"], SHOP)) == _days(5, 5)


def test_where_each_has_the_rows_of_its_own_time_none_may_name_another() -> None:
    assert _others((JANUARY[4:6], DAY), ins={"input0": event_time("sold_on")}) == Others()


def test_where_all_is_read_whole_rows_of_no_partition_count_for_the_first() -> None:
    every = Others((Times(Calendar(DAYS), _at(1), _at(31) + dt.timedelta(days=1)),))
    ins: dict[str, How] = {"input0": everything()}

    assert _others((JANUARY[4:5], DAY), ins=ins) == Others(any=True)
    assert _others((JANUARY[4:5], DAY), key=JANUARY[0], ins=ins) == every
    beside = [(JANUARY[4:5], DAY), (JANUARY[4:5], DAY)]  # its rows are of one partition alone
    assert _others(*beside, ins=ins) == every


def test_partitions_that_are_not_known_before_they_come_are_any() -> None:
    dynamic = dg.DynamicPartitionsDefinition(name="shops")
    shops = dg.StaticPartitionsDefinition(["york", "leeds"])
    both = dg.MultiPartitionsDefinition({"a": dynamic, "b": shops})
    for partitions, every in (
        (dynamic, (None,)),
        (both, (None, frozenset({"york", "leeds"}))),
    ):
        found = _others(([], DAY), partitions=partitions, ins={"input0": everything()})

        assert found == Others(every)


def test_what_names_no_beginning_of_a_partition_is_outside_whatever_the_type(
    spark: SparkSession,
) -> None:
    """A day within a month, a minute within an hour, a text that is not a key, what the calendar
    leaves out and what is before or after it; not what is yet to come."""
    months = dg.MonthlyPartitionsDefinition("2026-02", fmt="%Y-%m", timezone=NEW_YORK)
    hours = dg.HourlyPartitionsDefinition("2026-02-01-00:00", end_date="2026-03-01-00:00")
    working = dg.TimeWindowPartitionsDefinition(
        start="20260201", fmt="%Y%m%d", cron_schedule="0 0 * * *", exclusions=["0 0 * * 0"]
    )
    moment, day = dt.datetime(2026, 2, 3, 4), dt.date
    minute, hour = dt.timedelta(minutes=1), dt.timedelta(hours=1)
    last = dt.datetime(2026, 2, 28, 23)
    months_have = [day(2026, 2, 1), day(2999, 1, 1)]
    months_lack = [day(2026, 1, 1), day(2026, 3, 2), day(9999, 12, 31)]
    named, stray = [moment, last], [moment + minute, last + hour]
    cases: list[tuple[dg.TimeWindowPartitionsDefinition, T.DataType, list, list]] = [
        (months, T.DateType(), months_have, months_lack),
        (months, T.StringType(), ["2026-02", "2999-01"], ["2026-01", "2026-2", "x", ""]),
        (hours, T.TimestampNTZType(), named, stray),
        (hours, T.TimestampType(), [*map(_utc, named)], [*map(_utc, stray)]),
        (working, T.IntegerType(), [20260203, 29990103], [20260201, 20260131, 0, -1]),
    ]

    def of_case(number: int) -> DataFrame:
        definition, kind, named, stray = cases[number]
        data = [(value,) for value in (*named, *stray, None)]
        frame = spark.createDataFrame(data, T.StructType([T.StructField("at", kind)]))
        has = Others((_every(definition),)).has(_timed(definition, kind))
        return frame.select(F.lit(number).alias("case"), F.coalesce(has, F.lit(False)).alias("has"))

    rows = map(of_case, range(len(cases)))
    found = reduce(DataFrame.unionAll, rows).collect()

    told = [[row["has"] for row in found if row["case"] == number] for number in range(len(cases))]
    assert told == [[True] * len(n) + [False] * (len(s) + 1) for _, _, n, s in cases]


def _utc(moment: dt.datetime) -> dt.datetime:
    return moment.replace(tzinfo=dt.UTC)


def _timed(definition: dg.TimeWindowPartitionsDefinition, kind: T.DataType) -> Partitioning:
    return Partitioning((PartitionColumn("at", kind, TimeKeys.of(definition)),))


def _every(definition: dg.TimeWindowPartitionsDefinition) -> Times:
    calendar = Calendar(definition)
    return Times(calendar, calendar.start, calendar.end)


def test_a_window_reaches_back_to_before_the_calendar_also_of_texts() -> None:
    daily = dg.DailyPartitionsDefinition("05.01.2026", fmt="%d.%m.%Y")
    column = Answer.columns[0]
    texts = replace(
        Answer, columns=(replace(column, type=column_type(T.StringType())), *Answer.columns[1:])
    )

    (found,) = _others(
        (["2026-01-03", "2026-01-05"], DAY), key="05.01.2026", partitions=daily, contract=texts
    ).columns

    assert isinstance(found, Times)
    values = pa.array(["02.01.2026", "03.01.2026", "05.01.2026", "06.01.2026", None])
    (at,) = _timed(daily, T.StringType()).columns
    named = found.calendar.named(at, values, found.start, found.end)
    assert named.to_pylist() == [False, True, True, False, None]


@pytest.mark.parametrize("zone", ["UTC", NEW_YORK])
def test_which_days_rows_may_name_does_not_change_as_days_end(zone: str) -> None:
    """A row of today in yesterday's partition is judged today as it will be tomorrow."""
    daily = dg.DailyPartitionsDefinition("2026-01-01", timezone=zone)
    found = []
    for hour in range(0, 72, 7):
        with dg.partition_loading_context(_at(5) + dt.timedelta(hours=hour)):
            found.append(_others((JANUARY[2:4], DAY), key="2026-01-03", partitions=daily))

    assert all(each == found[0] for each in found)
    (times,) = found[0].columns
    assert isinstance(times, Times)
    partitioning = _timed(daily, T.DateType())
    today = times.calendar.named(
        partitioning.columns[0], pa.array([dt.date(2026, 1, 5)]), times.start, times.end
    )
    assert today.to_pylist() == [False]


def test_a_changed_option_makes_what_was_built_stale() -> None:
    versions = {
        _table().version,
        _table(outside="warning").version,
        _table(whole_range=True).version,
    }
    assert len(versions) == 3


def test_an_option_that_says_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="outside is blocking, warning, not 'error'"):
        table_of(lambda sales: sales, outside="error")
    with pytest.raises(ValueError, match="whole_range"):
        table_of(lambda sales: sales, whole_range=True, table=_unpartitioned(), partitions=None)


def _unpartitioned() -> Contract:
    return replace(Answer, partition_by=())


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose zone is not the session's."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("columns", "built", "other"),
    [
        ("hour timestamp_ntz", ["2011-03-04-05:00", "2011-03-04-07:00"], "2011-03-04-14:00"),
        ("at timestamp", ["2011-03-04-05:00"], "2011-03-04-14:00"),
        ("day date", ["2011-03-04", "2011-03-06"], "2011-03-05"),
        ("hour timestamp_ntz, shop string", ["2011-03-04-05:00|a"], "2011-03-04-05:00|b"),
        (
            "shop string",
            ["it's", '"a"', r"back\slash\\", "two\nlines", "", "Ö日", "${x}", "${env:HOME}"],
            "its",
        ),
        ("day date, till bigint", ["2011-03-04|7", "2011-03-05|8"], "2011-03-04|8"),
    ],
)
def test_rows_are_told_by_their_partition_whatever_the_zone_of_the_machine(
    spark: SparkSession, tokyo: None, columns: str, built: list[str], other: str
) -> None:
    schema = spark.createDataFrame([], columns).schema
    partitioning = Partitioning.of(schema, tuple(schema.names))
    # as ISO text, which Spark casts without asking for the machine's zone
    rows = [tuple(_iso(text) for text in key.split("|")) for key in (*built, other)]
    texts = spark.createDataFrame(rows, schema.names)
    frame = texts.select(*(F.col(field.name).cast(field.dataType) for field in schema))

    found = frame.where(among(partitioning, built))
    as_text = found.select(*(F.col(name).cast("string") for name in schema.names)).collect()

    assert [tuple(row) for row in as_text] == rows[:-1]


def _iso(text: str) -> str:
    return f"{text[:10]} {text[11:]}:00" if text.endswith(":00") else text
