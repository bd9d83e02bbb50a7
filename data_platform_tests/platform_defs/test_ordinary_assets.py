"""Assets without any of the platform's decorators, through the same IO manager."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import dagster as dg
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from data_platform.build.platform import Platform
from data_platform.lake.files import files_by_partition
from data_platform.tables.identity import TableId
from data_platform_tests.support.ordinary_assets import (
    ROW,
    SINGLE_RUN,
    World,
    daily,
    failure,
    sales,
    two_a_day,
)

monthly = dg.MonthlyPartitionsDefinition("2011-03-01", end_date="2011-05-01")
hourly = dg.HourlyPartitionsDefinition("2011-03-01-00:00", end_date="2011-03-02-00:00")
shops = dg.StaticPartitionsDefinition(["leeds", "york"])

MAKERS: dict[str, Callable[[pa.Table, SparkSession], Any]] = {
    "arrow": lambda table, _: table,
    "pandas": lambda table, _: table.to_pandas(),
    "polars": lambda table, _: pl.from_arrow(table),
    "lazy polars": lambda table, _: pl.from_arrow(table).lazy(),  # type: ignore[union-attr]
    "spark": lambda table, spark: spark.createDataFrame(table.to_pandas()),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_a_table_of_any_library_becomes_the_same_rows(
    world: World, spark: SparkSession, kind: str
) -> None:
    @dg.asset(key_prefix=["gold", "shop"], io_manager_key="io_manager")
    def stock() -> Any:
        return MAKERS[kind](pa.Table.from_pylist([ROW, {**ROW, "name": None}]), spark)

    result = world.build(stock)

    assert result.success
    rows = sorted(world.read("gold/shop/stock"), key=lambda row: row["name"] or "")
    assert [row["name"] for row in rows] == [None, "tea"]
    moment = rows[1].pop("sold_at").replace(tzinfo=None)
    assert {**rows[1], "sold_at": moment} == ROW


def test_a_materialization_carries_its_figures(world: World) -> None:
    @dg.asset(key_prefix=["gold", "shop"], io_manager_key="io_manager")
    def stock() -> pa.Table:
        return pa.Table.from_pylist([ROW])

    [event] = world.build(stock).asset_materializations_for_node("gold__shop__stock")

    figures = {name: value.value for name, value in event.metadata.items()}
    assert (figures["rows"], figures["files"]) == (1, 1)
    assert int(str(figures["bytes"])) > 0
    assert str(figures["snapshot_id"]).isdigit()


@pytest.mark.spark_only("Sail writes a partition in one task")
def test_a_large_partition_is_split_among_tasks_and_a_small_one_is_one_file(
    world: World, spark: SparkSession
) -> None:
    advised = "spark.sql.adaptive.advisoryPartitionSizeInBytes"

    @dg.asset(
        key_prefix=["gold", "shop"],
        partitions_def=daily,
        backfill_policy=SINGLE_RUN,
        metadata={"partition_expr": "day"},
        io_manager_key="io_manager",
    )
    def clicks() -> DataFrame:
        number = F.when(F.col("id") < 300, F.col("id") % 3 + 1).otherwise(0)
        day = F.date_add(F.lit("2011-03-01").cast("date"), number.cast("int"))
        text = F.sha2(F.col("id").cast("string"), 256)
        return spark.range(0, 20_000, 1, 4).select(day.alias("day"), text.alias("text"))

    spark.conf.set(advised, "256KB")
    try:
        assert world.build(clicks, span=("2011-03-01", "2011-03-04")).success
    finally:
        spark.conf.unset(advised)

    table = Platform(world.settings).lake.load(TableId.parse("gold/shop/clicks"))
    files = {key: len(found) for key, found in files_by_partition(table).items()}
    assert files.pop("2011-03-01") > 1
    assert files == dict.fromkeys(["2011-03-02", "2011-03-03", "2011-03-04"], 1)
    assert world.counts("gold/shop/clicks") == {"2011-03-01": 19_700, **dict.fromkeys(files, 100)}


def test_writing_again_replaces_the_rows(world: World) -> None:
    for count in (3, 1, 0):

        @dg.asset(key_prefix=["gold", "shop"], io_manager_key="io_manager")
        def stock() -> pa.Table:
            return pa.table({"n": pa.array(range(count), pa.int64())})  # noqa: B023

        assert world.build(stock).success
        assert len(world.read("gold/shop/stock")) == count


def test_a_monthly_asset_gets_its_days_as_one_dataframe(world: World) -> None:
    seen: list[DataFrame] = []

    @dg.asset(
        key_prefix=["gold", "shop"],
        partitions_def=monthly,
        ins={"sales": dg.AssetIn(["silver", "shop", "sales"])},
        metadata={"partition_expr": "month"},
        io_manager_key="io_manager",
    )
    def turnover(context: dg.AssetExecutionContext, sales: DataFrame) -> pa.Table:
        seen.append(sales)
        month = dt.date.fromisoformat(context.partition_key)
        return pa.table({"month": [month], "rows": [sales.count()]})

    assert world.build(sales, span=("2011-03-30", "2011-04-02")).success
    built = world.build(sales, turnover, only=turnover, key="2011-03-01")

    assert built.success, failure(built)
    assert [type(frame).__name__ for frame in seen] == ["DataFrame"]
    [row] = world.read("gold/shop/turnover")
    month = dt.date(2011, 3, 1)
    assert row == {"month": month, "rows": 4, "_partition": month}  # two days of March


def test_a_range_is_one_commit_and_a_partition_is_replaced_alone(world: World) -> None:
    assert world.build(sales, span=("2011-03-01", "2011-03-03")).success
    table = Platform(world.settings).lake.load(TableId.parse("silver/shop/sales"))
    assert len(table.snapshots()) == 1

    @dg.asset(
        name="sales",
        key_prefix=["silver", "shop"],
        partitions_def=daily,
        metadata={"partition_expr": "day"},
        io_manager_key="io_manager",
    )
    def fewer(context: dg.AssetExecutionContext) -> pd.DataFrame:
        return two_a_day([context.partition_key]).slice(0, 1).to_pandas()

    assert world.build(fewer, key="2011-03-02").success
    expected = {"2011-03-01": 2, "2011-03-02": 1, "2011-03-03": 2}
    assert world.counts("silver/shop/sales") == expected


def test_hours_static_and_multi_dimensional_partitions(world: World) -> None:
    @dg.asset(
        key_prefix=["silver", "shop"],
        partitions_def=hourly,
        backfill_policy=SINGLE_RUN,
        metadata={"partition_expr": "hour"},
        io_manager_key="io_manager",
    )
    def clicks(context: dg.AssetExecutionContext) -> pl.DataFrame:
        hours = [dt.datetime.strptime(k, "%Y-%m-%d-%H:%M") for k in context.partition_keys]
        return pl.DataFrame({"hour": hours, "n": range(len(hours))})

    @dg.asset(
        key_prefix=["silver", "shop"],
        partitions_def=shops,
        metadata={"partition_expr": "shop"},
        io_manager_key="io_manager",
    )
    def staff(context: dg.AssetExecutionContext) -> pa.Table:
        return pa.table({"shop": [context.partition_key], "people": [3]})

    @dg.asset(
        key_prefix=["silver", "shop"],
        partitions_def=dg.MultiPartitionsDefinition({"shop": shops, "date": daily}),
        metadata={"partition_expr": {"date": "day", "shop": "shop"}},
        io_manager_key="io_manager",
    )
    def takings(context: dg.AssetExecutionContext) -> pa.Table:
        assert isinstance(context.partition_key, dg.MultiPartitionKey)
        keys = context.partition_key.keys_by_dimension
        day = dt.date.fromisoformat(keys["date"])
        return pa.table({"shop": [keys["shop"]], "day": [day], "pounds": [100]})

    built = world.build(clicks, span=("2011-03-01-05:00", "2011-03-01-07:00"))
    assert built.success, failure(built)
    assert world.counts("silver/shop/clicks") == {f"2011-03-01-0{hour}:00": 1 for hour in (5, 6, 7)}
    for shop in ("leeds", "york"):
        assert world.build(staff, key=shop).success
    assert world.counts("silver/shop/staff") == {"leeds": 1, "york": 1}
    key = dg.MultiPartitionKey({"date": "2011-03-04", "shop": "york"})
    built = world.build(takings, key=key)
    assert built.success, failure(built)
    assert world.counts("silver/shop/takings") == {"2011-03-04|york": 1}


@pytest.mark.parametrize("wanted", [pd.DataFrame, pl.DataFrame, pl.LazyFrame, pa.Table, DataFrame])
def test_an_input_is_of_the_annotated_type(world: World, wanted: type) -> None:
    seen: list[Any] = []

    def downstream(sales):
        seen.append(sales)

    downstream.__annotations__ = {"sales": wanted}
    asset = dg.asset(
        downstream,
        name="report",
        key_prefix=["gold", "shop"],
        partitions_def=daily,
        backfill_policy=SINGLE_RUN,
        ins={"sales": dg.AssetIn(["silver", "shop", "sales"])},
        io_manager_key="io_manager",
    )
    span = ("2011-03-01", "2011-03-03")
    built = world.build(sales, asset, span=span)

    assert built.success, failure(built)
    [frame] = seen
    assert type(frame).__mro__[0] is wanted or isinstance(frame, wanted)
    match frame:
        case pl.LazyFrame():
            rows = frame.collect().height
        case DataFrame():
            rows = frame.count()
        case _:
            rows = len(frame)
    assert rows == 6


@pytest.mark.parametrize(
    ("prefix", "table"), [([], "assets/default/stock"), (["shop"], "assets/shop/stock")]
)
def test_an_asset_whose_key_names_no_layer_has_its_place(
    world: World, prefix: list[str], table: str
) -> None:
    @dg.asset(key_prefix=prefix or None, io_manager_key="io_manager")
    def stock() -> pa.Table:
        return pa.Table.from_pylist([ROW])

    seen = []

    @dg.asset(ins={"stock": dg.AssetIn([*prefix, "stock"])}, io_manager_key="io_manager")
    def report(stock: pa.Table) -> None:
        seen.extend(stock.to_pylist())

    result = world.build(stock, report)

    assert result.success, failure(result)
    assert [row["name"] for row in seen] == ["tea"]
    assert len(world.read(table)) == 1


def test_an_ops_result_goes_to_the_table_that_its_output_names(world: World) -> None:
    seen = []

    @dg.op(out=dg.Out(metadata={"table": "silver/shop/steps"}))
    def first() -> pa.Table:
        return pa.Table.from_pylist([ROW])

    @dg.op(out=dg.Out(dg.Nothing))
    def second(rows: pd.DataFrame) -> None:
        seen.extend(rows["name"])

    @dg.job
    def steps() -> None:
        second(first())

    result = world.run(steps)

    assert result.success, failure(result)
    assert seen == ["tea"]
    assert len(world.read("silver/shop/steps")) == 1


def test_pandas_dates_and_a_column_without_a_value_in_one_partition(world: World) -> None:
    @dg.asset(
        key_prefix=["gold", "shop"],
        partitions_def=daily,
        metadata={"partition_expr": "day"},
        io_manager_key="io_manager",
    )
    def stock(context: dg.AssetExecutionContext) -> pd.DataFrame:
        note = "late" if context.partition_key == "2011-03-04" else None
        return pd.DataFrame({"day": [pd.Timestamp(context.partition_key)], "note": [note]})

    for key in ("2011-03-04", "2011-03-05"):
        result = world.build(stock, key=key)
        assert result.success, failure(result)

    assert world.counts("gold/shop/stock") == {"2011-03-04": 1, "2011-03-05": 1}
    assert [row["note"] for row in world.read("gold/shop/stock", "2011-03-05")] == [None]


def test_a_partitioned_spark_frame_is_one_file_set_per_partition(
    world: World, spark: SparkSession
) -> None:
    @dg.asset(
        key_prefix=["gold", "shop"],
        partitions_def=daily,
        backfill_policy=SINGLE_RUN,
        metadata={"partition_expr": "day"},
        io_manager_key="io_manager",
    )
    def stock(context: dg.AssetExecutionContext) -> DataFrame:
        return spark.createDataFrame(two_a_day(context.partition_keys).to_pandas())

    assert world.build(stock, span=("2011-03-04", "2011-03-06")).success
    assert world.counts("gold/shop/stock") == {f"2011-03-0{n}": 2 for n in (4, 5, 6)}
    assert world.build(stock, key="2011-03-05").success
    assert world.counts("gold/shop/stock") == {f"2011-03-0{n}": 2 for n in (4, 5, 6)}
