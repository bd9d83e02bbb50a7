"""The lineage picture shows what is near, and every arrow leads to the right."""

import pytest

from data_platform.operations.site.picture import MOST, Graph

SHOP = Graph(
    {
        "silver/a/lines": ["bronze/a/lines"],
        "gold/a/sales": ["silver/a/lines", "silver/a/shops"],
        "gold/a/report": ["gold/a/sales", "silver/a/lines"],
        "gold/a/other": ["silver/a/unseen"],
    }
)


def test_what_a_table_is_built_from_and_what_is_built_from_it_is_there_and_nothing_else() -> None:
    picture = SHOP.around("gold/a/sales")

    assert {box.table for box in picture.boxes} == {
        "bronze/a/lines",
        "silver/a/lines",
        "silver/a/shops",
        "gold/a/sales",
        "gold/a/report",
    }
    arrows = {(source.table, made.table) for source, made in picture.arrows}
    assert ("silver/a/lines", "gold/a/report") in arrows  # past the table itself
    assert len(arrows) == 5


@pytest.mark.parametrize("table", ["bronze/a/lines", "silver/a/lines", "gold/a/report"])
def test_arrows_lead_to_the_right_between_boxes_that_do_not_overlap(table: str) -> None:
    picture = SHOP.around(table)

    assert picture.arrows
    assert all(source.x + source.width < made.x for source, made in picture.arrows)
    places = {(box.x, box.y) for box in picture.boxes}
    assert len(places) == len(picture.boxes)
    assert all(box.x > 0 and box.x + box.width < picture.width for box in picture.boxes)
    assert all(box.y > 0 and box.y + box.height < picture.height for box in picture.boxes)


def test_a_table_that_a_thousand_are_built_from_has_a_small_picture() -> None:
    made = {f"gold/a/t{number:04}": ["silver/a/lines"] for number in range(1000)}

    picture = Graph(made | {"gold/b/far": ["gold/a/t0001"]}).around("silver/a/lines")

    assert len(picture.boxes) == MOST
    assert "silver/a/lines" in {box.table for box in picture.boxes}
    assert len(picture.left_out) == 1002 - MOST
    assert "gold/b/far" in picture.left_out  # the nearest are drawn


def test_a_table_alone_is_a_picture_too() -> None:
    picture = Graph({}).around("bronze/a/lines")

    assert [box.table for box in picture.boxes] == ["bronze/a/lines"]
    assert not picture.arrows
