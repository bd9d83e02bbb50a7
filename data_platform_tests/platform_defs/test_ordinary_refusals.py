"""What the IO manager refuses of assets without the platform's decorators, with the way out."""

from typing import Any

import dagster as dg
import pyarrow as pa

from data_platform_tests.support.ordinary_assets import ROW, World, daily, failure, sales, two_a_day


def test_a_partitioned_asset_must_say_which_partition_a_row_is_of(world: World) -> None:
    @dg.asset(key_prefix=["silver", "shop"], partitions_def=daily, io_manager_key="io_manager")
    def unsaid() -> pa.Table:
        return two_a_day(["2011-03-01"])

    message = failure(world.build(unsaid, key="2011-03-01"))

    assert "silver/shop/unsaid" in message
    assert 'metadata={"partition_expr": "day"}' in message


def _daily_asset(result: Any) -> dg.AssetsDefinition:
    @dg.asset(
        key_prefix=["silver", "shop"],
        partitions_def=daily,
        metadata={"partition_expr": "day"},
        io_manager_key="io_manager",
    )
    def wrong() -> Any:
        return result

    return wrong


def test_what_cannot_be_published_fails_with_the_way_out_and_publishes_nothing(
    world: World,
) -> None:
    def refused(result: Any) -> str:
        return failure(world.build(_daily_asset(result), key="2011-03-01"))

    assert "which the asset's result has no column for; it has n" in refused(pa.table({"n": [1]}))
    assert (
        "returned list, which is not a table; return one of pyspark.DataFrame, pandas.DataFr"
        in refused([{"n": 1}])
    )
    strangers = refused(two_a_day(["2011-03-01", "2011-03-02"]))
    assert "2 rows of partitions that were not asked for: 2011-03-02" in strangers
    assert "the first has day=2011-03-02" in strangers
    assert world.counts("silver/shop/wrong") == {}


def test_an_ops_result_that_names_no_table_is_refused_with_the_ways_out(world: World) -> None:
    @dg.op
    def first() -> pa.Table:
        return pa.Table.from_pylist([ROW])

    @dg.job
    def steps() -> None:
        first()

    message = failure(world.run(steps))

    assert "output 'result' of op 'first' belongs to no asset" in message
    assert 'dg.Out(metadata={"table": "gold/shop/stock"})' in message
    assert "io_manager_key" in message


def test_an_input_of_an_unknown_type_is_refused_with_those_that_are_known(world: World) -> None:
    @dg.asset(
        key_prefix=["gold", "shop"],
        ins={"sales": dg.AssetIn(["silver", "shop", "sales"])},
        io_manager_key="io_manager",
    )
    def report(sales: dict) -> None: ...

    assert world.build(sales, key="2011-03-04").success
    message = failure(world.build(sales, report, only=report))

    assert "silver/shop/sales: an input is annotated with" in message
    assert "annotate it with one of pyspark.DataFrame, pandas.DataFrame, polars.Data" in message


def test_a_removed_column_stops_the_run_and_leaves_the_table(world: World) -> None:
    def stock(row: dict[str, Any]) -> dg.AssetsDefinition:
        @dg.asset(name="stock", key_prefix=["gold", "shop"], io_manager_key="io_manager")
        def made() -> pa.Table:
            return pa.Table.from_pylist([row])

        return made

    assert world.build(stock(ROW)).success
    fewer = {name: value for name, value in ROW.items() if name != "price"}
    message = failure(world.build(stock(fewer)))

    assert "column price (double)" in message
    assert "Ways out" in message
    assert len(world.read("gold/shop/stock")) == 1
    assert world.build(stock({**ROW, "colour": "red"})).success
    assert world.read("gold/shop/stock")[0]["colour"] == "red"


def test_an_input_that_was_never_published_does_not_empty_what_was_built_from_it(
    world: World,
) -> None:
    @dg.asset(
        key_prefix=["gold", "shop"],
        partitions_def=daily,
        metadata={"partition_expr": "day"},
        io_manager_key="io_manager",
        ins={"sales": dg.AssetIn(key=["silver", "shop", "sales"])},
    )
    def totals(sales: pa.Table) -> pa.Table:
        return sales

    assert world.build(sales, key="2011-03-04").success
    result = world.build(sales, totals, only=totals, key="2011-03-05")

    assert not result.success
    assert "silver/shop/sales has no partitions 2011-03-05" in failure(result)
