"""Which names are near."""

from difflib import SequenceMatcher, get_close_matches

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_platform.tables.nearest import nearest

TABLES = (
    "bronze/retail/order_lines",
    "silver/retail/order_lines",
    "gold/retail/daily_sales",
    "gold/retail/names",
)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("silver/retail/orderlines", ["silver/retail/order_lines"]),
        ("gold/retail/daily_sale", ["gold/retail/daily_sales"]),
        ("gold/retail/order_lines", ["bronze/retail/order_lines", "silver/retail/order_lines"]),
        ("gold/retail/nothing", []),  # what it shares is what all tables of the domain share
        ("gold/retail/returns", []),
    ],
)
def test_a_near_name_is_one_whose_last_part_is_near(name: str, near: list[str]) -> None:
    assert nearest(name, TABLES, separator="/") == near


@given(st.text("ab_", max_size=6), st.lists(st.text("ab_", max_size=6), unique=True))
def test_near_names_are_the_likest_ones_and_of_nothing_there_is_none(
    name: str, known: list[str]
) -> None:
    near = nearest(name, known)

    likest = get_close_matches(name, known, n=1)
    ratios = [SequenceMatcher(None, each, name).ratio() for each in [*likest, *near]]
    assert len(near) <= 3 and {*near} <= {*known}
    assert bool(near) == bool(likest)
    assert ratios == sorted(ratios, reverse=True) and ratios[:1] == ratios[1:2]
    assert nearest(name, near, cutoff=1.0) == [each for each in near if each == name]
