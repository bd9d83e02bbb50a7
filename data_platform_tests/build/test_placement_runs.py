"""What a build does with rows that name another partition than the one they came in with."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from data_platform.assets import JudgedTable
from data_platform.build.planning import plan
from data_platform.build.steps import build
from data_platform.domains.retail.bronze import order_lines as bronze
from data_platform.domains.retail.silver import order_lines
from data_platform.lake.writing.publish import publish
from data_platform.quality.findings import PARTITION
from data_platform.quality.mapping import event_time, everything
from data_platform.tables.outcomes import NAMED
from data_platform_tests.support.days_of_sales import (
    Answer,
    Sales,
    check,
    day,
    each_alone,
    table_of,
)
from data_platform_tests.support.homes import SILVER, csv, home_at, key_of, shop_lines
from data_platform_tests.support.local_spark import record_and_publish


def by_sold_on(sales: DataFrame) -> DataFrame:
    """As sold, by the day of the sale."""
    return sales.withColumn("day", F.expr("try_cast(sold_on AS date)"))


DATES = ["2026-01-05", "2026-01-05", "2025-12-31", "2026-03-01", "2027-01-01", "not a date"]


def test_rows_of_no_partition_or_of_one_that_is_not_built_hold_theirs_back_and_are_kept(
    sales: Sales,
) -> None:
    sales.land({day(5): [(on, "a", n) for n, on in enumerate(DATES)], day(6): [(day(6), "b", 1)]})

    result = sales.build(table_of(by_sold_on), day(5), day(6))

    assert set(result.write.held_back) == {day(5)}
    found = check(result, "partition")[day(5)]
    assert not found.passed and found.blocking
    assert found.metadata == {"outside": 4, "of_other_partitions": 0}
    for named in ("2025-12-31 (1)", "2026-03-01 (1)", "2027-01-01 (1)", "null (1)"):
        assert named in found.description
    assert sales.rows() == {day(6): [("b", 1)]}
    rejected = {(row["v"], row[NAMED]): row["_reasons"] for row in sales.rejected()}
    assert rejected == {
        (2, "2025-12-31"): ["partition.outside"],
        (3, "2026-03-01"): ["partition.outside"],
        (4, "2027-01-01"): ["partition.outside"],
        (5, None): ["day.not_null", "partition.outside"],
    }
    assert {row["day"].isoformat() for row in sales.rejected()} == {day(5)}


def test_where_they_are_declared_a_warning_the_other_rows_are_published_and_they_are_kept(
    sales: Sales,
) -> None:
    sales.land({day(5): [(on, "a", n) for n, on in enumerate(DATES)]})

    result = sales.build(table_of(by_sold_on, outside="warning"), day(5))

    assert result.write.held_back == {}
    found = check(result, "partition")[day(5)]
    assert not found.passed and not found.blocking
    assert sales.rows() == {day(5): [("a", 0), ("a", 1)]}
    assert len(sales.rejected()) == 4


def test_sums_by_the_day_of_the_row_never_miss_what_landed_on_another_day_in_silence(
    sales: Sales,
) -> None:
    def summed(sales: DataFrame) -> DataFrame:
        return by_sold_on(sales).groupBy("day").agg(F.max("k").alias("k"), F.sum("v").alias("v"))

    table = table_of(summed)
    sales.land({day(1): [(day(1), "a", 1)], day(2): [(day(2), "a", 10), (day(1), "a", 100)]})

    in_range = sales.build(table, day(1), day(2))

    assert sales.rows() == {day(1): [("a", 1)]}
    assert set(in_range.write.held_back) == {day(2)}
    assert f"{day(1)} (1)" in in_range.write.held_back[day(2)]
    alone = sales.build(table, day(2))
    assert alone.write.held_back == in_range.write.held_back


def summed_by_day(sales: DataFrame) -> DataFrame:
    by_day = sales.withColumn("day", F.col("sold")).groupBy("day")
    return by_day.agg(F.max("k").alias("k"), F.sum("v").alias("v"))


def test_sums_by_the_day_of_the_row_hold_all_of_it_where_that_is_how_the_input_is_read(
    sales: Sales,
) -> None:
    table = table_of(summed_by_day, ins={"sales": event_time("sold")})
    first = {day(1): [(day(1), "a", 1)], day(2): [(day(2), "a", 10), (day(1), "a", 100)]}
    sales.land(first)

    assert sales.build(table, day(1), day(2)).write.held_back == {}
    assert sales.rows() == {day(1): [("a", 101)], day(2): [("a", 10)]}
    each_alone(sales, table, [day(1), day(2)])
    assert sales.rows() == {day(1): [("a", 101)], day(2): [("a", 10)]}

    sales.land({day(1): [(day(1), "a", 1), (day(1), "a", 1)]})
    sales.build(table, day(1))
    assert sales.rows() == {day(1): [("a", 102)], day(2): [("a", 10)]}


def test_rows_of_a_day_that_has_not_ended_are_left_to_that_day(sales: Sales) -> None:
    """They came in with the day before, which is built while theirs is not a partition yet."""
    unending = dg.DailyPartitionsDefinition("2026-01-01")
    table = table_of(summed_by_day, ins={"sales": event_time("sold")}, partitions=unending)
    sales.land({day(1): [(day(1), "a", 1), (day(2), "a", 10), (day(3), "a", 100)]})

    for number in (1, 2):
        with dg.partition_loading_context(dt.datetime(2026, 1, number + 1, 12, tzinfo=dt.UTC)):
            result = sales.build(table, day(number))

        assert result.write.held_back == {}
        found = check(result, PARTITION)[day(number)]
        assert found.metadata == {"outside": 0, "of_other_partitions": 0}
    assert sales.rows() == {day(1): [("a", 1)], day(2): [("a", 10)]}
    assert sales.rejected() == []


def _by_sale(sales: DataFrame) -> DataFrame:
    """Sums of the day of the sale, in whose name they are."""
    return sales.groupBy(F.col("sold").alias("day"), "k").agg(F.sum("v").alias("v"))


def test_one_call_serves_many_days_whose_rows_meet_by_their_own_time_alone(sales: Sales) -> None:
    calls: list[int] = []

    def summed(sales: DataFrame) -> DataFrame:
        calls.append(1)
        return _by_sale(sales)

    table = table_of(summed, ins={"sales": event_time("sold")})
    days = [day(n) for n in (2, 3, 4, 6)]
    sales.land({day(9): [(on, k, n + 1) for n, on in enumerate([*days, day(5)]) for k in "ab"]})
    sales.land({day(3): [(day(3), "a", 10), (day(1), "a", 99)]})

    assert sales.build(table, *days).write.held_back == {}
    rows = sales.rows()

    assert len(calls) == 1
    assert rows == {
        day(2): [("a", 1), ("b", 1)],
        day(3): [("a", 12), ("b", 2)],
        day(4): [("a", 3), ("b", 3)],
        day(6): [("a", 4), ("b", 4)],
    }
    each_alone(sales, table, days)
    assert sales.rows() == rows


def _outcomes(sales: Sales, table: JudgedTable, *runs: list[str]) -> tuple[set[str], dict]:
    """What is held back by runs of these days, and what is published."""
    held = [set(sales.build(table, *run).write.held_back) for run in runs]
    return set().union(*held), sales.rows()


@pytest.mark.parametrize("in_range", [True, False])
def test_rows_without_a_time_hold_back_the_first_day_of_all_and_no_other(
    sales: Sales, in_range: bool
) -> None:
    table = table_of(_by_sale, ins={"sales": event_time("sold")})
    of_none = [(None, "a", 5), ("1999-01-01", "a", 7)]
    sales.land({day(3): [(day(3), "a", 1), (day(1), "a", 2), *of_none], day(4): [(day(4), "a", 4)]})
    days = [day(1), day(3), day(4)]

    held, rows = _outcomes(sales, table, *([days] if in_range else [[one] for one in days]))

    assert held == {day(1)}
    assert rows == {day(3): [("a", 1)], day(4): [("a", 4)]}
    assert {row[NAMED] for row in sales.rejected()} == {None, "1999-01-01"}


@pytest.mark.parametrize("in_range", [True, False])
def test_rows_of_a_day_that_the_calendar_leaves_out_hold_back_the_next_one_alone(
    sales: Sales, in_range: bool
) -> None:
    no_sundays = dg.DailyPartitionsDefinition(
        "2026-01-01", end_date="2026-02-01", exclusions=["0 0 * * 0"]
    )
    table = table_of(_by_sale, ins={"sales": event_time("sold")}, partitions=no_sundays)
    sales.land({day(9): [(day(n), "a", n) for n in (3, 4, 5, 6)]})  # the 4th is a Sunday
    days = [day(3), day(5), day(6)]

    held, rows = _outcomes(sales, table, *([days] if in_range else [[one] for one in days]))

    assert held == {day(5)}
    assert rows == {day(3): [("a", 3)], day(6): [("a", 6)]}
    assert {row[NAMED] for row in sales.rejected()} == {day(4)}


@pytest.mark.parametrize("in_range", [True, False])
def test_of_many_days_in_one_call_those_alone_are_held_back_that_have_a_row_of_none(
    sales: Sales, in_range: bool
) -> None:
    table = table_of(by_sold_on, whole_range=True)
    sales.land({day(n): [(day(n), "a", n)] for n in (1, 2)})
    sales.land({day(3): [(day(3), "a", 3), ("not a date", "a", 0)]})
    days = [day(1), day(2), day(3)]

    held, rows = _outcomes(sales, table, *([days] if in_range else [[one] for one in days]))

    assert held == {day(3)}
    assert rows == {day(1): [("a", 1)], day(2): [("a", 2)]}
    assert [row["day"].isoformat() for row in sales.rejected()] == [day(3)]


@pytest.mark.parametrize("in_range", [True, False])
def test_a_row_of_no_label_is_of_the_first_partition_where_each_reads_everything(
    sales: Sales, in_range: bool
) -> None:
    table = table_of(
        lambda sales: sales.select("day", "k", "v"),
        table=replace(Answer, partition_by=("k",)),
        partitions=dg.StaticPartitionsDefinition(["a", "b"]),
        ins={"sales": everything()},
    )
    sales.land({day(1): [(None, "a", 1), (None, "b", 2), (None, "c", 3)]})

    held, rows = _outcomes(sales, table, *([["a", "b"]] if in_range else [["a"], ["b"]]))

    assert held == {"a"}
    assert rows == {day(1): [("b", 2)]}


def test_silver_that_names_another_day_holds_back_the_day_it_came_in_alone(
    spark: SparkSession, tmp_path: Path
) -> None:
    def as_invoiced(bronze: DataFrame) -> DataFrame:
        return order_lines(bronze).withColumn("day", F.to_date("InvoiceDate"))

    silver = replace(order_lines, function=as_invoiced)
    good, bad = "2011-03-01", "2011-03-02"
    with home_at(tmp_path / "home", (bronze, silver)) as home:
        home.land(key_of(good), csv(shop_lines(good)))
        home.land(key_of(bad), csv([*shop_lines(bad), *shop_lines("2011-03-03", 1, first=7)]))
        record_and_publish(home, [good, bad])
        planned = plan(silver, home.platform, [good, bad], only_stale=True)
        result = build(silver, planned, home.platform, spark, "run00001")
        publish(home.platform.lake, home.platform.builds, result.write)

        assert set(result.write.held_back) == {bad}
        assert "2011-03-03 (1)" in result.write.held_back[bad]
        assert all(finding.passed for finding in check(result, "conservation").values())
        assert home.counts(SILVER) == {good: 3}
        [(_, [row])] = home.quarantined(bad).items()
        assert row["_reasons"] == ["partition.outside"] and row[NAMED] == "2011-03-03"
        assert (row["InvoiceNo"], row["day"].isoformat()) == ("500007", bad)
