"""What an environment differs in: the numbers that counting the tables gives, too."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import types as T

from data_platform.contracts.schema import column_type
from data_platform.domains.retail.bronze import order_lines as bronze
from data_platform.domains.retail.gold import daily_sales
from data_platform.domains.retail.silver import order_lines as silver
from data_platform.operations.environment_diff import TableDiff, diff
from data_platform.operations.environments import create
from data_platform.operations.promotion import promote
from data_platform_tests.support.environments import (
    DAYS,
    NAME,
    changed,
    hashes,
    land_two_days,
    within,
)
from data_platform_tests.support.homes import (
    BRONZE,
    SALES,
    SILVER,
    Home,
    csv,
    home_at,
    key_of,
    shop_lines,
)


@pytest.fixture
def home(spark: SparkSession, tmp_path: Path) -> Iterator[Home]:
    """Two days and their environment, in which nothing was built."""
    with home_at(tmp_path / "home", (bronze, silver, daily_sales)) as home:
        land_two_days(home)
        assert all(ran.success for ran in home.run())
        create(home.platform, NAME)
        yield home


def differences(home: Home) -> dict[str, TableDiff]:
    return {each.table: each for each in diff(home.platform, home.tables, NAME).tables}


def scanned(home: Home, table: str) -> Counter[str]:
    """Rows by day, counted one by one."""
    return Counter(day.isoformat() for day in home.read(table).column("day").to_pylist())


def test_under_the_same_code_nothing_differs(home: Home) -> None:
    assert diff(home.platform, home.tables, NAME).lines == [
        f"{NAME} and production have the same tables"
    ]


def test_changed_code_is_to_be_built_with_all_that_follows(home: Home) -> None:
    before = hashes(home)
    files = home.place.files(f"/warehouse/{BRONZE}/data")
    size = sum(len(home.place.read(file)) for file in files)

    found = differences(home.declaring(changed()))

    assert set(found) == {SILVER, SALES}
    assert found[SILVER].change == "changed"
    assert found[SILVER].versions == {silver.version: 2} != {found[SILVER].version: 2}
    assert tuple(found[SILVER].to_build) == tuple(found[SALES].following) == DAYS
    assert found[SILVER].rows == scanned(home, SILVER).total() == 203
    assert found[SILVER].input_bytes == size
    assert (found[SILVER].seconds or 0) > 0  # as past runs took
    assert found[SALES].change == "same code" and found[SALES].built == []
    built_from = home.place.files(f"/warehouse/{SILVER}/data")
    assert found[SALES].input_bytes == sum(len(home.place.read(file)) for file in built_from)
    assert (found[SALES].seconds or 0) > 0
    assert hashes(home) == before


def test_of_what_was_built_the_rows_before_and_after_are_said(home: Home) -> None:
    # The environment reads a day again, which landed with fewer lines.
    with within(home) as inner:
        home.land(key_of(DAYS[0]), csv(shop_lines(DAYS[0], 150)))
        inner.record()
        assert all(ran.success for ran in inner.run())
        before, after = scanned(home, SILVER), scanned(inner, SILVER)

    [built] = differences(home)[SILVER].built

    assert (built.first, built.last, built.partitions) == (DAYS[0], DAYS[0], 1)
    assert (built.rows_before, built.rows_after) == (before[DAYS[0]], after[DAYS[0]]) == (200, 150)


def test_neighbouring_partitions_are_one_range(home: Home) -> None:
    with within(home, changed()) as inner:
        assert all(ran.success for ran in inner.run())
    [built] = differences(home.declaring(changed()))[SILVER].built
    assert (built.first, built.last, built.partitions) == (*DAYS, 2)
    assert built.rows_before == built.rows_after == 203


def test_after_a_promotion_nothing_differs(home: Home) -> None:
    with within(home, changed()) as inner:
        assert all(ran.success for ran in inner.run())
    assert differences(home.declaring(changed()))
    assert promote(home.declaring(changed()).scope, NAME).complete
    assert differences(home.declaring(changed())) == {}


def test_columns_that_the_code_adds_removes_or_retypes_are_named(home: Home) -> None:
    columns = {each.name: each for each in silver.contract.columns}
    added = replace(columns["country"], name="region")
    typed = replace(columns["unit_price"], type=column_type(T.DecimalType(14, 3)))
    kept = [each for name, each in columns.items() if name not in ("country", "unit_price")]
    contract = replace(silver.contract, columns=(*kept, typed, added))

    found = differences(home.declaring(replace(silver, contract=contract)))[SILVER].columns

    assert list(found.added) == ["region"] and list(found.removed) == ["country"]
    assert list(found.retyped) == ["unit_price decimal(12,3) to decimal(14,3)"]


def test_tables_that_are_new_or_no_longer_declared_are_named(home: Home) -> None:
    new = replace(daily_sales, id=daily_sales.id.__class__("gold", "retail", "sales_by_day"))
    other = Home(home.settings, home.instance, (bronze, silver, new), home.place)
    found = differences(other)
    assert {name: each.change for name, each in found.items()} == {
        str(new.id): "new",
        SALES: "removed",
    }
    assert tuple(found[str(new.id)].to_build) == DAYS
    assert "  no code declares it; `data-platform drop gold/retail/daily_sales` removes it" in (
        found[SALES].lines
    )


def test_the_table_of_an_ordinary_asset_is_not_removed(home: Home) -> None:
    other = Home(home.settings, home.instance, (bronze, silver), home.place)
    assert set(differences(other)) == {SALES}
    assert diff(other.platform, other.tables, NAME, others={SALES}).tables == []


def test_what_production_published_since_is_named(home: Home) -> None:
    home.land(key_of(DAYS[1]), csv(shop_lines(DAYS[1], 5)))
    assert all(ran.success for ran in home.run())
    found = differences(home)
    moved = {table: list(each.moved) for table, each in found.items()}
    assert moved == {table: [DAYS[1]] for table in (BRONZE, SILVER, SALES)}
