"""A partition's rows depend on its own inputs alone, whatever is built beside it."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from data_platform.assets import JudgedTable
from data_platform.build.isolation import TOGETHER
from data_platform.build.planning import plan
from data_platform.build.steps import build
from data_platform.domains.retail.bronze import order_lines as bronze
from data_platform.domains.retail.silver import order_lines
from data_platform.engine.pyspark_internals import jobs_run
from data_platform.lake.writing.publish import publish
from data_platform.quality.findings import PARTITION
from data_platform.quality.mapping import event_time, everything
from data_platform.storage.errors import LakeError
from data_platform.tables.outcomes import NAMED
from data_platform_tests.support.days_of_sales import (
    Answer,
    Row,
    Sale,
    Sales,
    check,
    day,
    each_alone,
    table_of,
)
from data_platform_tests.support.homes import (
    SILVER,
    csv,
    home_at,
    key_of,
    shop_lines,
)
from data_platform_tests.support.local_spark import record_and_publish


@pytest.fixture
def sales(spark: SparkSession, tmp_path: Path) -> Sales:
    return Sales(tmp_path, spark)


def before(sales: DataFrame) -> DataFrame:
    """The value before, of each k."""
    return sales.withColumn(
        "v", F.lag("v").over(Window.partitionBy("k").orderBy("day", "v"))
    ).select("day", "k", "v")


def test_a_lag_over_the_days_before_finds_what_it_finds_when_the_day_is_built_alone(
    sales: Sales,
) -> None:
    table = table_of(before, back=2)
    sales.land({day(1): [(None, "a", 1)], day(8): [(None, "a", 2)]})

    in_range = sales.build(table, day(1), day(8))

    assert in_range.write.held_back == {}
    assert sales.rows() == {day(1): [("a", None)], day(8): [("a", None)]}
    sales.build(table, day(8))
    assert sales.rows() == {day(1): [("a", None)], day(8): [("a", None)]}

    sales.land({day(7): [(None, "a", 7), (None, "b", 8)]})
    alone = sales.build(table, day(8))
    assert sales.rows()[day(8)] == [("a", 7)]
    [found] = check(alone, "partition").values()
    assert found.passed and found.metadata == {"outside": 0, "of_other_partitions": 2}
    assert alone.write.metadata[day(8)]["rows_of_other_partitions"] == 2


def test_a_lag_without_days_before_sees_its_day_alone(sales: Sales) -> None:
    table = table_of(before)
    sales.land({day(n): [(None, "a", n), (None, "a", n + 10)] for n in (1, 2, 3)})

    result = sales.build(table, day(1), day(2), day(3))

    assert result.write.held_back == {}
    assert sales.rows() == {day(n): [("a", n), ("a", None)] for n in (1, 2, 3)}


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


def test_a_function_that_looks_at_values_gets_those_of_its_partition_alone(sales: Sales) -> None:
    def above_the_mean(sales: DataFrame) -> DataFrame:
        mean = sales.agg(F.avg("v")).collect()[0][0]
        return sales.where(F.col("v") > mean)

    sales.land({day(1): [(None, "a", 1), (None, "b", 3)], day(2): [(None, "a", 9), (None, "b", 7)]})

    sales.build(table_of(above_the_mean), day(1), day(2))

    assert sales.rows() == {day(1): [("b", 3)], day(2): [("a", 9)]}


def test_a_function_is_told_the_partition_whose_inputs_it_gets(sales: Sales) -> None:
    def told(sales: DataFrame, partitions: tuple) -> DataFrame:
        return sales.withColumn("k", F.lit(",".join(map(str, partitions))))

    sales.land({day(n): [(None, "a", n)] for n in (1, 2)})

    sales.build(table_of(told), day(1), day(2))

    assert sales.rows() == {day(n): [(day(n), n)] for n in (1, 2)}


def _since(days: int) -> Callable[[DataFrame], DataFrame]:
    """The sum of each k over so many days before."""
    return lambda sales: sales.withColumn(
        "v",
        F.sum("v").over(Window.partitionBy("k").orderBy(F.unix_date("day")).rangeBetween(-days, 0)),
    )


def test_a_function_that_bounds_itself_may_be_called_once_for_the_whole_range(
    sales: Sales,
) -> None:
    bounded = table_of(_since(2), back=2, whole_range=True)
    days = [day(n) for n in range(1, 8)]
    sales.land({one: [(None, "a", 2**n)] for n, one in enumerate(days)})

    in_range = sales.build(bounded, *days)
    rows = sales.rows()
    each_alone(sales, table_of(_since(2), back=2), days)

    assert in_range.write.held_back == {}
    assert rows == sales.rows()
    assert rows[days[6]] == [("a", 64 + 32 + 16)]


def test_a_function_that_says_so_and_does_not_is_found_out_before_anything_is_published(
    sales: Sales,
) -> None:
    days = [day(n) for n in range(1, 8)]
    sales.land({one: [(None, "a", 2**n)] for n, one in enumerate(days)})
    lying = table_of(
        lambda sales: sales.select("day", "k", F.sum("v").over(Window.partitionBy("k")).alias("v")),
        back=1,
        whole_range=True,
    )

    with pytest.raises(LakeError, match=r"whole_range.*a has .*rows|whole_range.* alone") as raised:
        sales.build(lying, *days)

    assert "gold/shop/answers" in str(raised.value) and "2026-01-0" in str(raised.value)
    assert sales.rows() == {}


def test_as_many_jobs_for_days_that_are_computed_one_by_one_as_for_one(sales: Sales) -> None:
    table = table_of(before, back=2)
    days = [day(n) for n in range(1, 6)]
    assert len(days) < TOGETHER
    sales.land({one: [(None, "a", n)] for n, one in enumerate(days)})

    def jobs(*of: str) -> int:
        first = jobs_run(sales.spark)
        sales.build(table, *of)
        last = jobs_run(sales.spark)
        assert first is not None and last is not None
        return last - first

    assert jobs(*days) == 1
    assert sales.spark.conf.get("spark.sql.adaptive.enabled") == "true"


# Functions, and what each makes of the rows of one window, in plain Python.
Model = Callable[[list[tuple[str, Sale]]], list[tuple[str, Row]]]


def _lagged(rows: list[tuple[str, Sale]], *, by_day: bool) -> list[tuple[str, Row]]:
    last: dict[tuple, int] = {}
    found: list[tuple[str, Row]] = []
    for one, (_, k, v) in sorted(rows, key=lambda row: (row[0], row[1][2])):
        group = (one, k) if by_day else (k,)
        found.append((one, (k, last.get(group))))
        last[group] = v
    return found


def _summed(rows: list[tuple[str, Sale]], *, by_day: bool) -> list[tuple[str, Row]]:
    groups: dict[tuple, list[tuple[str, int]]] = {}
    for one, (_, k, v) in rows:
        groups.setdefault((one, k) if by_day else (k,), []).append((one, v))
    return [
        (max(one for one, _ in group), (key[-1], sum(v for _, v in group)))
        for key, group in groups.items()
    ]


def _filtered(sales: DataFrame) -> DataFrame:
    return sales.where("v % 2 = 0")


def _by_day(sales: DataFrame) -> DataFrame:
    return sales.groupBy("day", "k").agg(F.sum("v").alias("v"))


def _by_k(sales: DataFrame) -> DataFrame:
    return sales.groupBy("k").agg(F.max("day").alias("day"), F.sum("v").alias("v"))


def _lag_by_day(sales: DataFrame) -> DataFrame:
    over = Window.partitionBy("day", "k").orderBy("v")
    return sales.withColumn("v", F.lag("v").over(over))


def _with_itself(sales: DataFrame) -> DataFrame:
    """The rows of which the k was sold on the last of the days."""
    last = sales.groupBy().agg(F.max("day").alias("last"))
    of_last = sales.join(last, F.col("day") == F.col("last")).select("k").distinct()
    return sales.join(of_last, "k", "left_semi")


def _sold_last(rows: list[tuple[str, Sale]]) -> list[tuple[str, Row]]:
    last = max(one for one, _ in rows) if rows else ""
    of_last = {k for one, (_, k, _) in rows if one == last}
    return [(one, (k, v)) for one, (_, k, v) in rows if k in of_last]


MENU: dict[str, tuple[Callable[[DataFrame], DataFrame], Model]] = {
    "filter": (
        _filtered,
        lambda rows: [(one, (k, v)) for one, (_, k, v) in rows if v % 2 == 0],
    ),
    "sum by day": (_by_day, lambda rows: _summed(rows, by_day=True)),
    "sum": (_by_k, lambda rows: _summed(rows, by_day=False)),
    "lag by day": (_lag_by_day, lambda rows: _lagged(rows, by_day=True)),
    "lag": (before, lambda rows: _lagged(rows, by_day=False)),
    "join with the last day": (_with_itself, _sold_last),
}
NUMBERS = range(1, 6)
DATA = st.dictionaries(
    st.sampled_from(NUMBERS),
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), unique=True, max_size=4),
    min_size=2,
)


@settings(
    max_examples=6,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=DATA, name=st.sampled_from(sorted(MENU)), back=st.integers(0, 2))
def test_in_a_range_and_alone_each_day_is_what_its_function_makes_of_its_window(
    sales: Sales, data: dict[int, list[tuple[str, int]]], name: str, back: int
) -> None:
    function, model = MENU[name]
    table = table_of(function, back=back, outside="warning")
    landed: dict[str, list[Sale]] = {day(n): [] for n in NUMBERS}
    landed |= {day(n): [(None, k, v) for k, v in rows] for n, rows in data.items()}
    sales.land(landed)

    def expected(n: int) -> list[Row]:
        window = [day(m) for m in NUMBERS if n - back <= m <= n]
        rows = model([(one, sale) for one in window for sale in landed[one]])
        return sorted((row for one, row in rows if one == day(n)), key=repr)

    wanted = {day(n): rows for n in NUMBERS if (rows := expected(n))}
    sales.build(table, *landed)
    assert sales.rows() == wanted

    each_alone(sales, table, [day(min(data)), day(max(data))])
    assert sales.rows() == wanted
