"""`site` makes the site in a directory, and leaves other files alone."""

from pathlib import Path

from data_platform_tests.support.command_line import Run
from data_platform_tests.support.homes import SILVER
from data_platform_tests.support.loaded_shop import LoadedShop

PAGE = f"tables/{SILVER.replace('/', '.')}.html"
ROW = "<tbody><tr><td>"


def test_it_is_made_and_made_anew(run: Run, shop: LoadedShop, tmp_path: Path) -> None:
    said = run("site", tmp_path / "site").output
    first = (tmp_path / "site" / PAGE).read_text("utf-8")
    run("site", tmp_path / "site")

    assert f"{tmp_path / 'site' / 'index.html'}: " in said
    assert (tmp_path / "site" / PAGE).read_text("utf-8") == first
    assert ROW in first


def test_example_rows_are_left_out_where_asked(run: Run, shop: LoadedShop, tmp_path: Path) -> None:
    run("site", tmp_path / "none", "--rows", "0")
    run("site", tmp_path / "some", "--no-rows", SILVER)

    sales = "tables/gold.retail.daily_sales.html"
    assert ROW not in (tmp_path / "none" / PAGE).read_text("utf-8")
    assert ROW not in (tmp_path / "none" / sales).read_text("utf-8")
    assert ROW not in (tmp_path / "some" / PAGE).read_text("utf-8")
    assert ROW in (tmp_path / "some" / sales).read_text("utf-8")


def test_a_directory_with_other_files_is_refused(
    run: Run, shop: LoadedShop, tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("mine")

    said = run("site", tmp_path, code=1).output

    assert "mine.txt; name an empty or new directory" in " ".join(said.split())
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_unknown_table_is_refused_with_the_nearest(
    run: Run, shop: LoadedShop, tmp_path: Path
) -> None:
    said = run("site", tmp_path / "site", "--no-rows", "silver/retail/order_line", code=2).output

    assert SILVER in said
    assert not (tmp_path / "site").exists()
