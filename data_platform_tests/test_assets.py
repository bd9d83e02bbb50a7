"""`silver` and `gold`: what they declare, and what they refuse when definitions load."""

from dataclasses import replace
from typing import Any

import dagster as dg
import pandera.pyspark as pa
import pytest
from pyspark.sql import DataFrame
from pyspark.sql import types as T

from data_platform.assets import Table, gold, silver
from data_platform.contracts.columns import column
from data_platform.contracts.contract import Contract
from data_platform.contracts.declare import contract
from data_platform.contracts.errors import ContractError
from data_platform.contracts.winner import greatest, least
from data_platform.domains.retail.contracts import OrderLine
from data_platform.quality.mapping import Trailing, trailing
from data_platform.tables.partition_columns import column_type
from data_platform_tests.support.asset_alone import asset_alone

# pandera reads a type and its arguments from the annotation, which is no type to a type checker.
# pyright: reportInvalidTypeForm=false

daily = dg.DailyPartitionsDefinition("2011-03-01")


def _contract(
    table: str, partition_by: str | tuple[str, ...] = "day", kind: Any = T.DateType
) -> Contract:
    @contract(table=table, partition_by=partition_by, owner="team:shop", version="1", lineage=False)
    class Sales(pa.DataFrameModel):
        """What was sold."""

        day: kind = column(description="the day")
        units: T.LongType = column(ge=0, description="how many")

    return Sales


def _dependencies(table: Table) -> set[str]:
    return {key.to_user_string() for spec in asset_alone(table).specs for key in _deps(spec)}


def _deps(spec: dg.AssetSpec) -> list[dg.AssetKey]:
    return [dep.asset_key for dep in spec.deps]


def _offset(table: Table) -> int:
    [dep] = [dep for spec in asset_alone(table).specs for dep in spec.deps]
    assert isinstance(dep.partition_mapping, dg.TimeWindowPartitionMapping)
    return dep.partition_mapping.start_offset


@pytest.mark.parametrize(
    ("partitions", "back", "offset"),
    [
        (daily, trailing(days=9), -9),
        (daily, trailing(months=1), -31),
        (dg.MonthlyPartitionsDefinition("2011-03-01"), trailing(days=90), -4),
        (dg.MonthlyPartitionsDefinition("2011-03-01"), trailing(months=2), -2),
        (dg.WeeklyPartitionsDefinition("2011-03-01"), trailing(days=8), -2),
        (dg.HourlyPartitionsDefinition("2011-03-01-00:00"), trailing(days=1), -24),
    ],
)
def test_the_lineage_of_a_trailing_input_is_in_partitions_of_the_table(
    partitions: dg.PartitionsDefinition, back: Trailing, offset: int
) -> None:
    declared = _contract("gold/shop/totals", kind=type(column_type(partitions)))

    @gold(contract=declared, partitions=partitions, ins={"sales": back})
    def totals(sales: DataFrame) -> DataFrame:
        return sales

    assert _offset(totals) == offset


def test_a_trailing_input_can_be_any_table() -> None:
    back = trailing(days=3, of="gold/money/rates")

    @gold(contract=_contract("gold/shop/totals"), partitions=daily, ins={"rates": back})
    def totals(rates: DataFrame) -> DataFrame:
        return rates

    assert str(totals.inputs["rates"]) == "gold/money/rates"
    assert _dependencies(totals) == {"gold/money/rates"}


def test_a_table_without_times_cannot_reach_back() -> None:
    with pytest.raises(ValueError, match=r"sales reaches back in time.*not times"):

        @gold(
            contract=_contract("gold/shop/totals"),
            partitions=dg.StaticPartitionsDefinition(["a"]),
            ins={"sales": trailing(days=3)},
        )
        def totals(sales: DataFrame) -> DataFrame:
            return sales


def test_a_silver_table_reads_the_bronze_table_of_its_name() -> None:
    @silver(contract=_contract("silver/shop/sales"), partitions=daily)
    def sales(bronze: DataFrame) -> DataFrame:
        """Sales, typed."""
        return bronze

    assert {name: str(table) for name, table in sales.inputs.items()} == {
        "bronze": "bronze/shop/sales"
    }
    assert sales.description == "Sales, typed."
    assert _dependencies(sales) == {"bronze/shop/sales"}


def test_source_names_the_bronze_table_where_it_is_another() -> None:
    @silver(contract=_contract("silver/shop/sales"), partitions=daily, source="bronze/shop/tills")
    def sales(rows: DataFrame) -> DataFrame:
        return rows

    assert str(sales.inputs["rows"]) == "bronze/shop/tills"
    assert sales.description == "What was sold."  # the contract's, without a docstring


def test_gold_reads_the_silver_tables_its_parameters_name_or_what_ins_says() -> None:
    @gold(
        contract=_contract("gold/shop/totals"),
        partitions=daily,
        ins={"rates": "gold/money/rates", "sales": trailing(days=3)},
    )
    def totals(sales: DataFrame, rates: DataFrame, stock: DataFrame, partitions) -> DataFrame:
        return sales

    assert {name: str(table) for name, table in totals.inputs.items()} == {
        "sales": "silver/shop/sales",
        "rates": "gold/money/rates",
        "stock": "silver/shop/stock",
    }
    assert totals.ins == {"sales": Trailing(days=3)}
    assert totals.takes_partitions
    expected = {"silver/shop/sales", "gold/money/rates", "silver/shop/stock"}
    assert _dependencies(totals) == expected


def test_a_table_is_still_its_function() -> None:
    @gold(contract=_contract("gold/shop/totals"), partitions=daily)
    def totals(sales: Any) -> Any:
        return ("made of", sales)

    given: Any = "sales"
    assert totals(given) == ("made of", "sales")


def test_partitions_of_the_asset_and_of_the_contract_must_agree() -> None:
    with pytest.raises(ValueError, match="declare both or neither"):
        gold(contract=_contract("gold/shop/totals"), partitions=None)(lambda sales: sales)
    with pytest.raises(ValueError, match="partitioned by nothing and the asset by Daily"):
        gold(contract=_contract("gold/shop/totals", ()), partitions=daily)(lambda sales: sales)


def test_ins_for_no_parameter_and_a_function_without_input_are_refused() -> None:
    with pytest.raises(ValueError, match=r"ins names \['saels'\]"):
        gold(
            contract=_contract("gold/shop/totals"),
            partitions=daily,
            ins={"saels": trailing(days=1)},
        )(lambda sales: sales)

    def nothing() -> None: ...

    with pytest.raises(ValueError, match="nothing: a table needs at least one input"):
        silver(contract=_contract("silver/shop/sales"), partitions=daily)(nothing)  # type: ignore[arg-type]


def test_a_silver_function_with_a_second_input_is_refused() -> None:
    with pytest.raises(ValueError, match=r"not stores as well; join in a gold"):
        silver(contract=_contract("silver/shop/sales"), partitions=daily)(
            lambda bronze, stores: bronze
        )


def test_a_merged_table_takes_one_input_alone() -> None:
    @contract(
        table="gold/shop/totals",
        merge_on=("units",),
        latest=("units",),
        owner="team:shop",
        version="1",
    )
    class Totals(pa.DataFrameModel):
        """What was sold."""

        units: T.LongType = column(description="how many")

    declare = gold(contract=Totals, partitions=None)
    table = declare(lambda sales: sales)
    metadata = asset_alone(table).specs_by_key[table.key].metadata
    assert (metadata["merge_on"], metadata["quarantine_threshold"]) == ("units", 0.0)
    kept = "of all rows with one units: the greatest units, then the last arrived"
    assert metadata["winner"] == kept
    checks = {spec.name: spec.blocking for spec in asset_alone(table).check_specs}
    assert checks["conservation"] and not checks["inputs"]
    for function in (lambda sales, rates: sales, lambda sales, partitions: sales):
        with pytest.raises(ContractError, match=r"gold/shop/totals: .* one input .*; join before"):
            declare(function)


def test_the_version_changes_with_the_contract_and_not_with_its_words() -> None:
    declared = _contract("gold/shop/totals")
    table = gold(contract=declared, partitions=daily)(lambda sales: sales)

    assert replace(table, contract=replace(declared, description="x")).version == table.version
    assert replace(table, contract=replace(declared, version="2")).version != table.version
    stricter = replace(declared, quarantine_threshold=0.0)
    assert replace(table, contract=stricter).version != table.version


def test_the_asset_says_which_of_the_rows_with_one_key_is_published() -> None:
    def said(**settings) -> str | None:
        table = _table_of(replace(OrderLine, **settings))
        return asset_alone(table).specs_by_key[table.key].metadata.get("winner")

    key, winner = ("stock_code",), (greatest("invoiced_at"), least("unit_price"))
    assert said(key=key, winner=()) == "of rows with one stock_code: the last arrived"
    assert said(key=key, winner=winner) == (
        "of rows with one stock_code: the greatest invoiced_at, then the least unit_price, then "
        "the last arrived"
    )
    assert said(key=()) is None


def _table_of(contract: Contract) -> Table:
    return silver(contract=contract, partitions=daily)(lambda bronze: bronze)


def test_the_asset_carries_what_the_contract_says() -> None:
    table = gold(contract=_contract("gold/shop/totals"), partitions=daily)(lambda sales: sales)
    [spec] = asset_alone(table).specs

    assert spec.owners == ["team:shop"]
    assert (spec.group_name, spec.kinds) == ("shop", {"gold"})
    assert spec.code_version == table.version
    schema = spec.metadata["dagster/column_schema"]
    assert [c.name for c in schema.columns] == ["day", "units"]
    names = {check.name for check in asset_alone(table).check_specs}
    assert {"rules", "inputs", "volume", "units__greater_than_or_equal_to"} <= names


def test_a_column_that_no_table_holds_is_refused_when_it_is_declared() -> None:
    declared = _contract("gold/shop/totals", kind=T.MapType(T.StringType(), T.StringType()))
    message = "contract gold/shop/totals: column day: Spark type map<string,string> has no Iceberg"
    with pytest.raises(ContractError, match=message):
        gold(contract=declared, partitions=daily)(lambda sales: sales)


def test_keys_that_their_column_does_not_give_back_are_refused() -> None:
    declared = _contract("gold/shop/totals", kind=T.IntegerType)
    table = gold(contract=declared, partitions=dg.StaticPartitionsDefinition(["1", "01"]))(
        lambda sales: sales
    )
    with pytest.raises(ContractError, match=r"gold/shop/totals: .* day \(int\) holds the key '01'"):
        _ = asset_alone(table)
