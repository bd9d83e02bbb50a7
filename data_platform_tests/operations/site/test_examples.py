"""Example rows have nothing personal, whatever a column is made from."""

from dataclasses import replace

import pytest

from data_platform.assets import Table
from data_platform.contracts.spec import Sensitivity
from data_platform.lake.files import files_by_partition
from data_platform.operations.lineage import Column, Lineage
from data_platform.operations.site.examples import Examples, examples, made_from_personal
from data_platform.operations.site.facts import SiteFacts
from data_platform_tests.support.homes import BRONZE, SALES, SILVER
from data_platform_tests.support.loaded_shop import LoadedShop


def table_of(shop: LoadedShop, name: str) -> Table:
    return next(table for table in shop.home.tables if str(table.id) == name)


def marked(table: Table, column: str, sensitivity: Sensitivity) -> Table:
    assert table.contract
    columns = tuple(
        replace(each, sensitivity=sensitivity) if each.name == column else each
        for each in table.contract.columns
    )
    return replace(table, contract=replace(table.contract, columns=columns))


def rows_of(shop: LoadedShop, name: str, hidden: set[str], most: int = 5) -> Examples:
    loaded = shop.home.platform.lake.load(table_of(shop, name).id)
    return examples(table_of(shop, name), loaded, files_by_partition(loaded), most, hidden)


def hidden(shop: LoadedShop, lineage: Lineage, name: str, *others: Table) -> set[str]:
    by_id = {table.id: table for table in (*shop.home.tables, *others)}
    chosen = next(table for table in by_id.values() if str(table.id) == name)
    return made_from_personal(chosen, list(by_id.values()), lineage)


def test_a_column_that_is_marked_and_one_that_is_made_from_it_are_personal(
    shop: LoadedShop, facts: SiteFacts
) -> None:
    assert hidden(shop, facts.lineage, SILVER) == {"customer_id"}
    assert hidden(shop, facts.lineage, SALES) == {"customers"}


def test_a_column_that_is_marked_public_is_shown_whatever_it_is_made_from(
    shop: LoadedShop, facts: SiteFacts
) -> None:
    public = marked(table_of(shop, SALES), "customers", "public")

    assert hidden(shop, facts.lineage, SALES, public) == set()


def test_marking_a_column_hides_it_downstream(shop: LoadedShop, facts: SiteFacts) -> None:
    personal = marked(table_of(shop, SILVER), "country", "personal")

    assert "country" in hidden(shop, facts.lineage, SILVER, personal)
    assert "country" in hidden(shop, facts.lineage, SALES, personal)


def test_a_column_is_not_shown_where_it_is_not_known_what_it_is_made_from(
    shop: LoadedShop, facts: SiteFacts
) -> None:
    hiding = replace(facts.lineage, unknown={Column(SILVER, "country"): "made by a function"})

    assert hidden(shop, hiding, SILVER) == {"customer_id", "country"}
    assert "country" in hidden(shop, hiding, SALES)
    assert "units" not in hidden(shop, hiding, SALES)


def test_rows_are_those_of_the_newest_partition_without_hidden_columns(shop: LoadedShop) -> None:
    found = rows_of(shop, SILVER, {"customer_id"})

    assert len(found.rows) == 5
    assert "customer_id" not in found.columns and found.left_out == ["customer_id"]
    newest = max(shop.home.counts(SILVER))
    assert {row[list(found.columns).index("day")] for row in found.rows} == {newest}


@pytest.mark.parametrize("name", [BRONZE, SILVER])
def test_there_are_none_without_a_contract_and_none_where_none_are_wanted(
    shop: LoadedShop, name: str
) -> None:
    found = rows_of(shop, name, set(), most=0)

    assert not found.rows and found.why


def test_there_are_none_where_every_column_is_personal(shop: LoadedShop) -> None:
    contract = table_of(shop, SILVER).contract
    assert contract
    found = rows_of(shop, SILVER, {column.name for column in contract.columns})

    assert not found.rows and "personal" in found.why
