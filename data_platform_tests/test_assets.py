"""The layer decorators: what they declare, and what they refuse when definitions load."""

from dataclasses import replace
from typing import Any

import dagster as dg
import pandera.pyspark as pa
import pytest
from pyspark.sql import DataFrame
from pyspark.sql import types as T

from data_platform.assets import Table, bronze, gold, silver
from data_platform.contracts.columns import column
from data_platform.contracts.contract import Contract, Retention
from data_platform.contracts.declare import contract
from data_platform.contracts.errors import ContractError
from data_platform.contracts.winner import greatest, least
from data_platform.domains.retail.contracts import OrderLine
from data_platform.domains.retail.landing import ONLINE_RETAIL
from data_platform.landing.source import Source
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


def test_a_bronze_table_has_no_function() -> None:
    table = bronze(source=ONLINE_RETAIL, partitions=daily, owner="team:shop", description="Rows.")

    assert not callable(table)
    assert table.partitioning.names == ("day",)
    assert table.retention == Retention()


@pytest.mark.parametrize("partition_by", ["country", "Country"])
def test_a_partition_column_that_the_files_have_too_is_refused(partition_by: str) -> None:
    with pytest.raises(ValueError, match=r"order_lines: .*ountry.*landed_country"):
        bronze(
            source=ONLINE_RETAIL,
            partitions=daily,
            owner="team:shop",
            description="Rows.",
            partition_by=partition_by,
        )


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


@pytest.mark.parametrize(
    ("partitions", "kind"),
    [
        (dg.DailyPartitionsDefinition("2011-03-01", timezone="America/New_York"), T.DateType()),
        (dg.MonthlyPartitionsDefinition("2011-03-01"), T.DateType()),
        (dg.DailyPartitionsDefinition("2011-03-01", hour_offset=6), T.TimestampNTZType()),
        (dg.HourlyPartitionsDefinition("2011-03-01-00:00"), T.TimestampNTZType()),
        (
            dg.HourlyPartitionsDefinition("2011-03-01-00:00", timezone="Asia/Kolkata"),
            T.TimestampNTZType(),
        ),
        (
            dg.HourlyPartitionsDefinition("2011-03-01-00:00", timezone="America/New_York"),
            T.TimestampType(),  # its clock has an hour twice a year
        ),
        (dg.StaticPartitionsDefinition(["a"]), T.StringType()),
    ],
)
def test_the_partition_of_received_rows_is_of_a_type_that_tells_all_of_them_apart(
    partitions: dg.PartitionsDefinition, kind: T.DataType
) -> None:
    table = bronze(
        source=replace(ONLINE_RETAIL, partition=str),
        partitions=partitions,
        partition_by="p",
        owner="a",
        description="b",
    )

    assert [column.type for column in table.partitioning.columns] == [kind]


def _bronze(
    partitions: dg.PartitionsDefinition, source: Source | None = None, **settings: Any
) -> Table:
    return bronze(
        source=source or replace(ONLINE_RETAIL, partition=str),
        partitions=partitions,
        owner="team:shop",
        description="Rows.",
        **settings,
    )


HOURLY = dg.HourlyPartitionsDefinition("2011-03-01-00:00")
SHOPS = dg.StaticPartitionsDefinition(["bath", "york"])
BOTH = dg.MultiPartitionsDefinition({"shop": SHOPS, "day": daily})


@pytest.mark.parametrize(
    ("partitions", "proposed"),
    [
        (HOURLY, "'hour'"),
        (SHOPS, "'region'"),
        (dg.MonthlyPartitionsDefinition("2011-03-01"), "'month'"),
        (BOTH, r"\('day', 'shop'\)"),
    ],
)
def test_the_partition_column_of_what_is_no_day_must_be_named(
    partitions: dg.PartitionsDefinition, proposed: str
) -> None:
    message = rf"order_lines: its partitions are not days.*bronze\(partition_by={proposed}\)"
    with pytest.raises(ValueError, match=message):
        _bronze(partitions)


@pytest.mark.parametrize(
    "partitions",
    [HOURLY, SHOPS, BOTH, dg.MonthlyPartitionsDefinition("2011-03", fmt="%Y-%m")],
    ids=["hours", "labels", "labels and days", "months"],
)
def test_a_source_without_partition_is_refused_where_no_partition_is_named_as_a_day(
    partitions: dg.PartitionsDefinition,
) -> None:
    columns = ("a", "b") if partitions is BOTH else "a"
    with pytest.raises(ValueError) as refused:
        _bronze(partitions, ONLINE_RETAIL, partition_by=columns)

    said = str(refused.value)
    assert ONLINE_RETAIL.name in said and str(partitions) in said
    assert "Source(partition=str)" in said


@pytest.mark.parametrize(
    "partitions",
    [
        dg.MonthlyPartitionsDefinition("2011-03-01"),
        dg.WeeklyPartitionsDefinition("2011-03-01"),
        dg.StaticPartitionsDefinition(["before", "2011-03-04"]),
    ],
    ids=["months by their first day", "weeks by theirs", "labels, one of them a day"],
)
def test_a_source_without_partition_is_enough_where_a_partition_is_named_as_a_day(
    partitions: dg.PartitionsDefinition,
) -> None:
    table = _bronze(partitions, ONLINE_RETAIL, partition_by="a")

    assert table.source and table.source.claim("online_retail/2011-03-04.csv")


def test_the_partition_columns_of_bronze_have_the_types_of_its_partitions() -> None:
    kinds = {
        "day": _bronze(daily).partitioning,
        "hour": _bronze(HOURLY, partition_by="hour").partitioning,
        "shop": _bronze(SHOPS, partition_by="shop").partitioning,
    }
    found = {name: [c.type for c in partitioning.columns] for name, partitioning in kinds.items()}
    assert found == {
        "day": [T.DateType()],
        "hour": [T.TimestampNTZType()],
        "shop": [T.StringType()],
    }
    two = _bronze(BOTH, partition_by=("day", "shop")).partitioning
    assert [column.type for column in two.columns] == [T.DateType(), T.StringType()]
    assert two.key(two.values("2011-03-01|york")) == "2011-03-01|york"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"partition_by": ("day", "shop")}, "names 2 columns and its partitions have 1 dimensions"),
        ({"partition_by": "_day"}, "partition_by='_day': a name is letters"),
        ({"partition_by": "the day"}, "partition_by='the day': a name is letters"),
    ],
)
def test_a_partition_column_that_cannot_be_is_refused(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"bronze/retail/order_lines.*{message}"):
        _bronze(daily, **settings)


def test_rows_as_received_go_to_bronze() -> None:
    elsewhere = replace(ONLINE_RETAIL, table="silver/retail/order_lines")
    with pytest.raises(ValueError, match='write table="bronze/retail/order_lines"'):
        bronze(source=elsewhere, partitions=daily, owner="team:shop", description="Rows.")


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
