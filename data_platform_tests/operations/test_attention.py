"""What a run says at its end of what waits for a person."""

import pytest

from data_platform.operations.attention import Attention

BRONZE = {"table": "bronze/shop/sales", "partition": "2011-03-07", "why": "readable: none"}
SILVER = {
    "table": "silver/shop/sales",
    "partition": "2011-03-08",
    "why": "rules: 3 of 4",
    "released_by": "a corrected input",
}


@pytest.mark.parametrize("held", [[BRONZE, SILVER], [SILVER, BRONZE], [SILVER]])
def test_rejected_rows_are_shown_and_released_by_the_table_that_has_them(held: list) -> None:
    said = "\n".join(Attention([], [], held).lines)

    assert "silver/shop/sales 2011-03-08: rules: 3 of 4" in said
    assert "data-platform quarantine silver/shop/sales --partition 2011-03-08" in said
    assert said.endswith("  a corrected input")


def test_of_a_day_that_cannot_be_read_no_rows_are_offered() -> None:
    said = "\n".join(Attention([], [], [BRONZE]).lines)

    assert "bronze/shop/sales 2011-03-07: readable: none" in said
    assert "quarantine" not in said and "release" not in said
