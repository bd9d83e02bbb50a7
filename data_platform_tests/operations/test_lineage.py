"""Columns are followed through all declared tables, in both directions."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from data_platform.operations.lineage import Column, Lineage
from data_platform.storage.errors import LakeError
from data_platform_tests.support.homes import BRONZE, DEMAND, SALES, SILVER, Home, home_at
from data_platform_tests.support.tables import TABLES


@pytest.fixture
def home(spark: SparkSession, tmp_path: Path) -> Iterator[Home]:
    with home_at(tmp_path / "home", TABLES) as home:
        yield home


@pytest.fixture
def found(home: Home, spark: SparkSession) -> Lineage:
    return Lineage.of(home.platform, home.tables, spark)


def ends(found: Lineage, start: Column, direction) -> set[tuple[str, str]]:
    """The columns that are met from one, with how each is made or makes."""
    edges = [edge for _, edge in found.walk(start, direction)]
    return {(str(edge.source if direction == "up" else edge.made), edge.how) for edge in edges}


def test_a_measure_of_gold_is_made_from_columns_of_the_file(found: Lineage) -> None:
    met = ends(found, Column(SALES, "net_sales"), "up")

    assert {
        (f"{SILVER}.quantity", "aggregation"),
        (f"{SILVER}.unit_price", "aggregation"),
        (f"{BRONZE}.Quantity", "transformation"),
        (f"{BRONZE}.UnitPrice", "transformation"),
    } <= met
    assert not any(column.startswith(f"{SILVER}.customer") for column, _ in met)


def test_a_measure_over_exploded_rows_is_made_from_what_they_carry(found: Lineage) -> None:
    for measure in ("mean_units", "sd_units"):
        met = ends(found, Column(DEMAND, measure), "up")
        assert (f"{SILVER}.quantity", "aggregation") in met


def test_who_reads_a_column_of_the_file_is_told_down_to_gold(found: Lineage) -> None:
    met = {column for column, _ in ends(found, Column(BRONZE, "UnitPrice"), "down")}

    assert f"{SILVER}.unit_price" in met
    assert f"{SALES}.net_sales" in met
    assert f"{SALES}.orders" not in met
    assert f"{SILVER}.UnitPrice" not in met  # of the function, and not stored


def test_columns_that_decide_about_rows_are_those_of_the_table(found: Lineage) -> None:
    met = ends(found, Column(SILVER, "country"), "down")

    assert (SALES, "decides about rows: group_by") in met


def test_nothing_of_the_included_tables_is_unknown(found: Lineage) -> None:
    assert found.unknown == {}
    made = {str(edge.made) for edge in found.edges}
    for table in (SILVER, SALES):
        own = {f"{table}.{name}" for name in found.columns[table] if not name.startswith("_")}
        assert own <= made


def test_a_table_whose_function_cannot_be_read_is_told_and_the_others_are(
    home: Home, spark: SparkSession
) -> None:
    silver = home.tables[1]

    def refusing(bronze: DataFrame) -> DataFrame:
        raise LakeError("not without rows")

    changed = [table for table in home.tables if table is not silver]
    broken = replace(silver, function=refusing)

    found = Lineage.of(home.platform, [*changed, broken], spark)

    unknown = {Column(SILVER, ""): "not without rows"}
    assert found.unknown == unknown
    assert found.unknown_along(Column(SALES, "net_sales"), "up") == unknown
    assert found.unknown_along(Column(SILVER, "quantity"), "up") == unknown
    assert found.unknown_along(Column(BRONZE, "UnitPrice"), "down") == unknown, "it may be read"
    assert found.unknown_along(Column(SALES, "net_sales"), "down") == {}
    assert any(edge.made.table == SALES for edge in found.edges)


def test_a_column_that_there_is_not_is_refused_with_those_that_there_are(found: Lineage) -> None:
    with pytest.raises(LakeError, match="has no column 'prize'; it has day, "):
        list(found.walk(Column(SALES, "prize"), "up"))


def test_a_walk_ends_and_meets_each_column_once(found: Lineage) -> None:
    edges = [edge for _, edge in found.walk(Column(BRONZE, ""), "down")]

    assert len(edges) == len(set(edges)) > 20
