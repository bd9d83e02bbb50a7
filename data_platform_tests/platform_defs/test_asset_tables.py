"""Which table an asset is."""

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_platform.platform_defs.asset_tables import is_table, table_of
from data_platform.storage.errors import LakeError

PARTS = st.sampled_from(["assets", "default", "silver", "gold", "quarantine", "shop", "stock"])
KEYS = st.lists(PARTS, min_size=1, max_size=4).map(dg.AssetKey)


@pytest.mark.parametrize(
    ("path", "table"),
    [
        (["silver", "shop", "stock"], "silver/shop/stock"),
        (["shop", "stock"], "assets/shop/stock"),
        (["gold", "stock"], "assets/gold/stock"),
        (["stock"], "assets/default/stock"),
    ],
)
def test_a_key_of_any_length_up_to_three_has_a_table(path: list[str], table: str) -> None:
    assert str(table_of(dg.AssetKey(path))) == table


@given(st.sets(KEYS, min_size=2))
def test_no_two_keys_are_one_table(keys: set[dg.AssetKey]) -> None:
    tables = [table_of(key) for key in keys if is_table(key)]
    assert len(set(tables)) == len(tables)


@pytest.mark.parametrize("layer", ["quarantine", "duplicates", "assets", "platinum"])
def test_a_layer_that_assets_cannot_be_in_is_refused_with_those_they_can(layer: str) -> None:
    with pytest.raises(LakeError, match=rf"{layer!r} is not a layer .* bronze, silver, gold"):
        table_of(dg.AssetKey([layer, "shop", "stock"]))


@pytest.mark.parametrize("path", [["default", "stock"], ["Stock"], ["a", "b", "c", "d"]])
def test_a_key_without_a_table_is_refused_by_name(path: list[str]) -> None:
    with pytest.raises(LakeError, match=f"asset {'/'.join(path)}: "):
        table_of(dg.AssetKey(path))
    assert not is_table(dg.AssetKey(path))
