"""Owners are what Dagster takes for one."""

import dagster as dg
import pytest

from data_platform.tables.owners import checked_owner, owner_problem


@pytest.mark.parametrize("owner", ["team:shop", "team:shop-2", "ada@shop.example"])
def test_a_team_or_an_address_is_an_owner_also_for_dagster(owner: str) -> None:
    assert checked_owner(owner, "bronze/shop/lines") == owner
    assert dg.AssetSpec("lines", owners=[owner]).owners == [owner]


@pytest.mark.parametrize(
    ("owner", "meant"),
    [("shop", "team:shop"), ("team: The Shop", "team:the_shop"), ("team:", "team:NAME")],
)
def test_another_text_is_refused_with_what_may_be_meant(owner: str, meant: str) -> None:
    assert f"did you mean '{meant}'?" in (owner_problem(owner) or "")
    with pytest.raises(ValueError, match="bronze/shop/lines: owner"):
        checked_owner(owner, "bronze/shop/lines")
