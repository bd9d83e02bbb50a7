"""A partition's rows depend on its own inputs alone, whatever is built beside it."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from data_platform.build.isolation import TOGETHER
from data_platform.engine.pyspark_internals import jobs_run
from data_platform.storage.errors import LakeError
from data_platform_tests.support.days_of_sales import (
    Row,
    Sale,
    Sales,
    check,
    day,
    each_alone,
    table_of,
)


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
    max_examples=settings().max_examples // 25,
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
