"""What only all tables together show to be wrong: refused when definitions load."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.pyspark as pa
import pytest
from pyspark.sql import DataFrame
from pyspark.sql import types as T

from data_platform.assets import BronzeTable, JudgedTable, Table, bronze, gold, silver
from data_platform.contracts.columns import column
from data_platform.contracts.declare import contract
from data_platform.contracts.errors import ContractError, DeclarationError
from data_platform.landing.formats.csv import Csv
from data_platform.landing.source import Source
from data_platform.platform_defs.assembly import definitions
from data_platform.settings.engine import Engine
from data_platform.settings.environment import settings_at
from data_platform.tables.identity import TableId

# pandera reads a type and its arguments from the annotation, which is no type to a type checker.
# pyright: reportInvalidTypeForm=false

DAILY = dg.DailyPartitionsDefinition("2011-03-01")


def _tables(source: str, **settings: Any) -> tuple[BronzeTable, JudgedTable]:
    @contract(
        table="silver/shop/lines", partition_by="day", owner="team:shop", version="1", **settings
    )
    class Lines(pa.DataFrameModel):
        """Lines."""

        day: T.DateType = column(description="the day")
        quantity: T.IntegerType = column(source=source, description="how many")

    @silver(contract=Lines, partitions=DAILY)
    def lines(bronze: DataFrame) -> DataFrame:
        return bronze

    landed = Source(
        name="lines",
        prefix="lines/",
        pattern=r"lines/(\d{4}-\d{2}-\d{2})\.csv",
        table="bronze/shop/lines",
        format=Csv(columns=("Quantity", "Line")),
    )
    received = bronze(source=landed, partitions=DAILY, owner="team:shop", description="Rows.")
    return received, lines


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (
            _tables("Quanttiy"),
            "contract silver/shop/lines, column quantity: source names 'Quanttiy', which is not a "
            "column of bronze/shop/lines; there is Quantity",
        ),
        (
            _tables("Quantity", key=("Lien",), key_as_received=True),
            "contract silver/shop/lines, column Lien: key names 'Lien', which is not a column of "
            "bronze/shop/lines; there is Line",
        ),
    ],
)
def test_a_contract_about_columns_that_bronze_has_not_is_refused(
    tables: tuple[Table, Table], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ContractError) as caught:
        definitions(tables, settings_at(tmp_path))
    assert str(caught.value) == message


def test_a_pattern_that_the_engine_cannot_match_is_refused(tmp_path: Path) -> None:
    @contract(table="silver/shop/codes", partition_by="day", owner="team:shop", version="1")
    class Codes(pa.DataFrameModel):
        """Codes."""

        day: T.DateType = column(description="the day")
        code: T.StringType = column(str_matches="(?!0)[0-9]+", description="a code")

    @silver(contract=Codes, partitions=DAILY)
    def codes(bronze: DataFrame) -> DataFrame:
        return bronze

    tables = (_tables("Quantity")[0], replace(codes, inputs=_tables("Quantity")[1].inputs))

    assert definitions(tables, settings_at(tmp_path, spark=Engine("local[2]"))).assets
    with pytest.raises(ContractError) as caught:
        definitions(tables, settings_at(tmp_path, spark=Engine("sail")))
    assert str(caught.value) == (
        "contract silver/shop/codes, column code, check code.str_matches: '(?!0)[0-9]+' has "
        "look-around, which Sail cannot match; write it without, or set DATA_PLATFORM_SPARK to "
        "local[*]"
    )


@pytest.mark.parametrize("source", ["Quantity", "quantity"])
def test_a_contract_may_be_about_every_column_of_bronze(source: str, tmp_path: Path) -> None:
    tables = _tables(source, key=("day", "Line", "_source_object"), key_as_received=True)
    assert definitions(tables, settings_at(tmp_path)).assets


def _totals(**inputs: Any) -> JudgedTable:
    @contract(table="gold/shop/totals", partition_by="day", owner="team:shop", version="1")
    class Totals(pa.DataFrameModel):
        """Totals."""

        day: T.DateType = column(description="the day")

    @gold(contract=Totals, partitions=DAILY, **inputs)
    def totals(line: DataFrame) -> DataFrame:
        return line

    return totals


def test_a_parameter_that_is_no_declared_table_is_refused_with_the_nearest(tmp_path: Path) -> None:
    message = (
        r"'line' reads silver/shop/line, which is not a declared table; did you mean silver/shop"
    )
    with pytest.raises(DeclarationError, match=message):
        definitions([*_tables("Quantity"), _totals()], settings_at(tmp_path))


def test_a_silver_table_without_its_bronze_table_is_refused_with_the_nearest(
    tmp_path: Path,
) -> None:
    received, lines = _tables("Quantity")
    mistyped = replace(received, id=TableId.parse("bronze/shop/line"))
    with pytest.raises(
        DeclarationError, match=r"lines reads bronze/shop/lines, .*mean bronze/shop/line\?"
    ):
        definitions([mistyped, lines], settings_at(tmp_path))
    assert definitions([lines], settings_at(tmp_path))  # of bronze in other code


def test_a_table_named_in_full_may_come_from_other_code(tmp_path: Path) -> None:
    totals = _totals(ins={"line": "silver/tills/line"})
    assert definitions([*_tables("Quantity"), totals], settings_at(tmp_path))


def test_what_two_tables_cannot_share_is_refused(tmp_path: Path) -> None:
    settings = settings_at(tmp_path)
    received, lines = _tables("Quantity")
    with pytest.raises(
        DeclarationError, match="silver/shop/lines: two tables are declared by this name"
    ):
        definitions([received, lines, lines], settings)

    other = replace(
        received, id=TableId.parse("bronze/shop/others"), source=replace(received.source)
    )
    message = "bronze/shop/others: another table has a source of the name 'lines'"
    with pytest.raises(DeclarationError, match=message):
        definitions([received, other, lines], settings)

    @contract(table="gold/shop/lines", partition_by="day", owner="team:shop", version="1")
    class Lines(pa.DataFrameModel):
        """Lines."""

        day: T.DateType = column(description="the day")

    namesake = gold(contract=Lines, partitions=DAILY)(lambda lines: lines)
    message = "contract gold/shop/lines: .*would share quarantine/shop/lines.*rename one"
    with pytest.raises(ContractError, match=message):
        definitions([received, lines, namesake], settings)


def test_a_silver_table_is_partitioned_by_a_column_of_bronze(tmp_path: Path) -> None:
    received, lines = _tables("Quantity")
    moved = replace(received, partition_by=("landed",))
    message = "column day: partition_by names 'day', which is not a column of bronze/shop/lines"
    with pytest.raises(ContractError, match=message):
        definitions([moved, lines], settings_at(tmp_path))
