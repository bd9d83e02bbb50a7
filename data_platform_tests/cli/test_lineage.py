"""`lineage` prints where columns come from and where they go."""

import pytest

from data_platform_tests.support.command_line import Run, parsed
from data_platform_tests.support.homes import BRONZE, SALES, SILVER
from data_platform_tests.support.loaded_shop import LoadedShop


def test_a_column_is_followed_to_the_file_that_it_comes_from(
    run: Run, shop: LoadedShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # no line is broken
    said = run("lineage", f"{SALES}.units").output

    assert f"{SALES}.units <- {SILVER}.quantity (aggregation)" in said
    assert f"  {SILVER}.quantity <- {BRONZE}.Quantity (transformation)" in said


def test_who_reads_a_column_is_told_as_json_too(run: Run, shop: LoadedShop) -> None:
    found = parsed(run("lineage", f"{BRONZE}.Quantity", "--down", "--json"))

    made = {(edge["made"]["table"], edge["made"]["name"]) for edge in found["edges"]}
    assert {(SILVER, "quantity"), (SALES, "units")} <= made
    assert found["unknown"] == {}


def test_a_column_that_there_is_not_is_refused(run: Run, shop: LoadedShop) -> None:
    assert "has no column 'unit'; it has " in run("lineage", f"{SALES}.unit", code=1).output
