"""Ordinary assets whose rows say by an expression which partition they are of."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import dagster as dg
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from data_platform.platform_defs.frames import spark_schema_of
from data_platform_tests.support.ordinary_assets import World, failure

daily = dg.DailyPartitionsDefinition("2022-01-01", end_date="2022-03-01")
shops = dg.StaticPartitionsDefinition(["leeds", "york"])
SINGLE_RUN = dg.BackfillPolicy.single_run()

MAKERS: dict[str, Callable[[pa.Table, SparkSession], Any]] = {
    "arrow": lambda table, _: table,
    "pandas": lambda table, _: table.to_pandas(),
    "polars": lambda table, _: pl.from_arrow(table),
    "spark": lambda table, spark: spark.createDataFrame(table, spark_schema_of(table)),
}


def _moments(keys: list[str]) -> pa.Table:
    """Midnight and the last second of each day."""
    days = [dt.datetime.fromisoformat(key) for key in keys]
    ends = [day + dt.timedelta(hours=23, minutes=59, seconds=59) for day in days]
    return pa.table({"time": [*days, *ends], "n": list(range(2 * len(days)))})


def _report(source: str, seen: list[Any], **of: Any) -> dg.AssetsDefinition:
    """An asset that looks at its input."""

    @dg.asset(
        key_prefix=["gold", "shop"],
        ins={"rows": dg.AssetIn(["silver", "shop", source], **of)},
        partitions_def=None if of else daily,
        backfill_policy=SINGLE_RUN,
        io_manager_key="io_manager",
    )
    def report(rows: pa.Table) -> None:
        seen.append(rows)

    return report


@pytest.mark.parametrize("expression", ["time", "CAST(time AS DATE)", "date_trunc('DAY', time)"])
@pytest.mark.parametrize("kind", MAKERS)
def test_the_moments_of_a_day_are_its_partition(
    world: World, spark: SparkSession, kind: str, expression: str
) -> None:
    @dg.asset(
        key_prefix=["silver", "shop"],
        partitions_def=daily,
        backfill_policy=SINGLE_RUN,
        metadata={"partition_expr": expression},
        io_manager_key="io_manager",
    )
    def clicks(context: dg.AssetExecutionContext) -> Any:
        return MAKERS[kind](_moments(list(context.partition_keys)), spark)

    for _ in range(2):  # a day that is written again takes the place of the first
        built = world.build(clicks, key="2022-01-01")
        assert built.success, failure(built)
        assert world.counts("silver/shop/clicks") == {"2022-01-01": 2}
    built = world.build(clicks, span=("2022-01-02", "2022-01-04"))
    assert built.success, failure(built)
    assert world.counts("silver/shop/clicks") == {f"2022-01-0{n}": 2 for n in (1, 2, 3, 4)}

    seen: list[pa.Table] = []
    report = _report("clicks", seen)
    built = world.build(clicks, report, only=report, span=("2022-01-02", "2022-01-03"))
    assert built.success, failure(built)
    [rows] = seen
    assert rows.column_names == ["time", "n"]  # what the asset returned, and nothing beside it
    assert {moment.day for moment in rows["time"].to_pylist()} == {2, 3}


@pytest.mark.parametrize("written", ["%Y-%m-%d", "%Y-%m", "%b %Y"])
def test_a_text_is_cast_and_a_month_has_the_rows_of_its_days(world: World, written: str) -> None:
    months = [dt.date(2022, 1, 1).strftime(written), dt.date(2022, 2, 1).strftime(written)]

    @dg.asset(
        key_prefix=["silver", "shop"],
        partitions_def=dg.MonthlyPartitionsDefinition(months[0], fmt=written),
        metadata={"partition_expr": "CAST(time AS TIMESTAMP)"},
        io_manager_key="io_manager",
    )
    def clicks(context: dg.AssetExecutionContext) -> pd.DataFrame:
        month = f"2022-{months.index(context.partition_key) + 1:02}"
        return pd.DataFrame({"time": [f"{month}-01 00:00:00", f"{month}-28 12:00:00"]})

    for month in months:
        built = world.build(clicks, key=month)
        assert built.success, failure(built)
    assert world.counts("silver/shop/clicks") == dict.fromkeys(months, 2)


def test_each_dimension_has_an_expression(world: World) -> None:
    both = dg.MultiPartitionsDefinition({"shop": shops, "date": daily})

    @dg.asset(
        key_prefix=["silver", "shop"],
        partitions_def=both,
        metadata={"partition_expr": {"date": "CAST(time AS DATE)", "shop": "lower(place)"}},
        io_manager_key="io_manager",
    )
    def takings(context: dg.AssetExecutionContext) -> pl.DataFrame:
        assert isinstance(context.partition_key, dg.MultiPartitionKey)
        keys = context.partition_key.keys_by_dimension
        rows = _moments([keys["date"]])
        return pl.DataFrame(rows).with_columns(place=pl.lit(keys["shop"].upper()))

    seen: list[pa.Table] = []

    @dg.asset(
        key_prefix=["gold", "shop"],
        partitions_def=shops,
        ins={"takings": dg.AssetIn(["silver", "shop", "takings"])},
        io_manager_key="io_manager",
    )
    def by_shop(takings: pa.Table) -> None:
        seen.append(takings)

    keys = [("2022-01-01", "leeds"), ("2022-01-02", "leeds"), ("2022-01-02", "york")]
    for date, shop in [*keys, keys[0]]:
        built = world.build(takings, key=dg.MultiPartitionKey({"date": date, "shop": shop}))
        assert built.success, failure(built)
    expected = {"2022-01-01|leeds": 2, "2022-01-02|leeds": 2, "2022-01-02|york": 2}
    assert world.counts("silver/shop/takings") == expected
    built = world.build(takings, by_shop, only=by_shop, key="leeds")
    assert built.success, failure(built)
    assert set(seen[0]["place"].to_pylist()) == {"LEEDS"}
    assert seen[0].num_rows == 4


def test_dynamic_partitions_and_all_of_them_as_one_input(world: World) -> None:
    parties = dg.DynamicPartitionsDefinition(name="parties")

    @dg.asset(
        key_prefix=["silver", "shop"],
        partitions_def=parties,
        metadata={"partition_expr": "concat('party ', number)"},
        io_manager_key="io_manager",
    )
    def guests(context: dg.AssetExecutionContext) -> pa.Table:
        number = int(context.partition_key.removeprefix("party "))
        return pa.table({"number": [number] * number})

    seen: list[pa.Table] = []
    everybody = _report("guests", seen, partition_mapping=dg.AllPartitionMapping())
    world.instance.add_dynamic_partitions("parties", ["party 1", "party 2", "party 3"])
    for key in ("party 1", "party 3"):
        built = world.build(guests, key=key)
        assert built.success, failure(built)
    assert world.counts("silver/shop/guests") == {"party 1": 1, "party 3": 3}
    built = world.build(guests, everybody, only=everybody)
    assert built.success, failure(built)
    assert sorted(seen[0]["number"].to_pylist()) == [1, 3, 3, 3]

    world.instance.delete_dynamic_partition("parties", "party 3")
    assert world.build(guests, everybody, only=everybody).success
    assert seen[1]["number"].to_pylist() == [1]  # what is not a partition any more is not read


@pytest.mark.parametrize("wanted", [pd.DataFrame, pl.DataFrame, pa.Table, DataFrame])
def test_an_asset_reads_its_own_day_before_and_nothing_on_the_first(
    world: World, wanted: type
) -> None:
    seen: list[list[int]] = []

    def running(context, running):
        match running:
            case DataFrame():
                before = [row["total"] for row in running.collect()]
            case pa.Table():
                before = running["total"].to_pylist() if running.num_columns else []
            case _:
                before = list(running["total"]) if len(running.columns) else []
        seen.append(before)
        time = dt.datetime.fromisoformat(context.partition_key) + dt.timedelta(hours=1)
        return pa.table({"time": [time], "total": [sum(before) + 1]})

    running.__annotations__ = {"running": wanted, "return": pa.Table}
    mapping = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)
    asset = dg.asset(
        running,
        key_prefix=["silver", "shop"],
        partitions_def=daily,
        ins={
            "running": dg.AssetIn(["silver", "shop", "running"], partition_mapping=mapping),
        },
        metadata={"partition_expr": "CAST(time AS DATE)"},
        io_manager_key="io_manager",
    )
    for key in ("2022-01-01", "2022-01-02", "2022-01-03", "2022-01-02", "2022-01-01"):
        built = world.build(asset, key=key)
        assert built.success, failure(built)

    assert seen == [[], [1], [2], [1], []]
    missing = failure(world.build(asset, key="2022-01-05"))
    assert "silver/shop/running has no partitions 2022-01-04" in missing


def test_a_partition_without_rows_is_empty_and_its_neighbours_stay(
    world: World, spark: SparkSession
) -> None:
    for kind, make in MAKERS.items():
        for rows in (1, 0):

            @dg.asset(
                name=f"clicks_{kind}",
                key_prefix=["silver", "shop"],
                partitions_def=daily,
                backfill_policy=SINGLE_RUN,
                metadata={"partition_expr": "CAST(time AS DATE)"},
                io_manager_key="io_manager",
            )
            def clicks(context: dg.AssetExecutionContext) -> Any:
                found = _moments(list(context.partition_keys))
                return make(found if rows else found.slice(0, 0), spark)  # noqa: B023

            span = ("2022-01-01", "2022-01-02") if rows else ("2022-01-02", "2022-01-02")
            built = world.build(clicks, span=span)
            assert built.success, failure(built)
        expected = {"2022-01-01": 2, "2022-01-02": 0}
        assert world.counts(f"silver/shop/clicks_{kind}") == expected


@pytest.mark.parametrize("kind", MAKERS)
def test_the_hours_of_a_changing_clock_are_told_apart_by_moments_with_a_zone(
    world: World, spark: SparkSession, kind: str
) -> None:
    @dg.asset(
        key_prefix=["silver", "shop"],
        partitions_def=dg.HourlyPartitionsDefinition(
            "2022-11-06-00:00", end_date="2022-11-07-00:00", timezone="America/New_York"
        ),
        backfill_policy=SINGLE_RUN,
        metadata={"partition_expr": "at"},
        io_manager_key="io_manager",
    )
    def clicks() -> Any:
        hours = [dt.datetime(2022, 11, 6, hour, 30, tzinfo=dt.UTC) for hour in (5, 6, 6, 7)]
        return MAKERS[kind](pa.table({"at": hours}), spark)

    built = world.build(clicks, span=("2022-11-06-01:00", "2022-11-06-02:00"))

    assert built.success, failure(built)
    expected = {"2022-11-06-01:00": 1, "2022-11-06-01:00-0500": 2, "2022-11-06-02:00": 1}
    assert world.counts("silver/shop/clicks") == expected


@pytest.mark.parametrize("kind", MAKERS)
def test_rows_of_other_partitions_are_refused_with_their_number_and_the_first(
    world: World, spark: SparkSession, kind: str
) -> None:
    rows = _moments(["2022-01-01", "2022-01-05", "2022-01-06"])

    @dg.asset(
        key_prefix=["silver", "shop"],
        partitions_def=daily,
        metadata={"partition_expr": "time"},
        io_manager_key="io_manager",
    )
    def clicks() -> Any:
        return MAKERS[kind](rows, spark)

    message = failure(world.build(clicks, key="2022-01-01"))

    assert "4 rows of partitions that were not asked for" in message
    assert "the first has time=2022-01-0" in message
    assert "the run is of 2022-01-01" in message
    assert world.counts("silver/shop/clicks") == {}


def _far(spark: SparkSession, kind: str) -> Any:
    """Two rows of one day, the second of a year that Python's dates do not reach."""
    return {
        "arrow": pa.table({"day": pa.array([18993, 6682830], pa.date32()), "n": [1, 2]}),
        "spark": spark.sql(
            "SELECT explode(array(date'2022-01-01', date'+20266-12-20')) AS day, 1L AS n"
        ),
    }[kind]


@pytest.mark.parametrize("expression", ["day", "CAST(day AS TIMESTAMP)"])
@pytest.mark.parametrize(
    "kind",
    ["arrow", pytest.param("spark", marks=pytest.mark.spark_only("Sail reads no such year"))],
)
def test_a_row_of_a_year_that_python_lacks_is_named_and_other_runs_publish(
    world: World, spark: SparkSession, kind: str, expression: str
) -> None:
    @dg.asset(
        key_prefix=["silver", "shop"],
        partitions_def=daily,
        backfill_policy=SINGLE_RUN,
        metadata={"partition_expr": expression},
        io_manager_key="io_manager",
    )
    def clicks(context: dg.AssetExecutionContext) -> Any:
        if "2022-01-01" in context.partition_keys:
            return _far(spark, kind)
        return pa.table({"day": [dt.date.fromisoformat(context.partition_key)], "n": [1]})

    together = failure(world.build(clicks, span=("2022-01-01", "2022-01-02")))

    assert "day=20266-12-20, n=" in together and "Nothing was published" in together
    assert "multi_run() each is built, and fails, by itself" in together
    assert world.counts("silver/shop/clicks") == {}

    message = failure(world.build(clicks, key="2022-01-01"))

    assert "silver/shop/clicks: the asset's result has 1 row of partitions that" in message
    assert "day=20266-12-20, n=" in message and "multi_run" not in message
    assert "the run is of 2022-01-01, so return the rows of these alone" in message
    assert world.build(clicks, key="2022-01-02").success
    assert world.counts("silver/shop/clicks") == {"2022-01-02": 1}


def test_far_values_of_other_columns_are_published_and_told_of_where_pandas_lacks_them(
    world: World,
) -> None:
    days = [dt.date(2022, 1, 1), dt.date(2022, 1, 2)]
    far = {
        "date": pa.array([6682830, -719528], pa.date32()),
        "other_date": pa.array([6682830 * 86_400_000, 0], pa.date64()),
        "moment": pa.array([6682830 * 86_400, -735_600 * 86_400], pa.timestamp("s", "UTC")),
    }

    @dg.asset(
        key_prefix=["silver", "shop"],
        partitions_def=daily,
        backfill_policy=SINGLE_RUN,
        metadata={"partition_expr": "day"},
        io_manager_key="io_manager",
    )
    def clicks() -> pa.Table:
        return pa.table({"day": days, **far})

    @dg.asset(
        key_prefix=["gold", "shop"],
        ins={"rows": dg.AssetIn(["silver", "shop", "clicks"])},
        partitions_def=daily,
        io_manager_key="io_manager",
    )
    def report(rows: pd.DataFrame) -> None:
        raise AssertionError("pandas has such years?")

    built = world.build(clicks, span=("2022-01-01", "2022-01-02"))
    assert built.success, failure(built)
    assert world.counts("silver/shop/clicks") == {"2022-01-01": 1, "2022-01-02": 1}
    message = failure(world.build(clicks, report, only=report, key="2022-01-01"))
    assert "silver/shop/clicks: pandas cannot have a value of this table" in message
    assert "day, date, other_date, moment can hold dates" in message
    assert "annotate the input with pyarrow.Table" in message


def _refused(world: World, definition: dg.PartitionsDefinition, expression: Any) -> str:
    @dg.asset(
        key_prefix=["silver", "shop"],
        partitions_def=definition,
        metadata={"partition_expr": expression},
        io_manager_key="io_manager",
    )
    def clicks() -> pa.Table:
        return _moments(["2022-01-01"]).append_column("_partition_x", pa.array([1, 2]))

    return failure(world.build(clicks, key=definition.get_first_partition_key()))


def test_expressions_that_cannot_be_are_refused_with_the_way_out(world: World) -> None:
    both = dg.MultiPartitionsDefinition({"shop": shops, "date": daily})

    assert "partitioned by date and shop: say of each" in _refused(world, both, "time")
    assert "partitioned by date and shop: say of each" in _refused(world, both, {"date": "time"})
    assert "has a column _partition_x" in _refused(world, daily, "time")


@pytest.mark.parametrize(
    "expression",
    [
        *("CAST(tme AS DATE)", "CAST(time AS"),
        pytest.param("count(*)", marks=pytest.mark.spark_only("Sail refuses it with its rows")),
    ],
)
def test_an_expression_that_cannot_be_evaluated_is_shown_with_the_columns_there_are(
    world: World, expression: str
) -> None:
    @dg.asset(
        key_prefix=["silver", "shop"],
        partitions_def=daily,
        metadata={"partition_expr": expression},
        io_manager_key="io_manager",
    )
    def clicks() -> pa.Table:
        return _moments(["2022-01-01"])

    message = failure(world.build(clicks, key="2022-01-01"))

    assert f"partition_expr {expression!r} cannot be evaluated" in message
    assert "time, n" in message
