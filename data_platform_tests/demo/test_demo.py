"""What the demo lands and what it tells at its end."""

from pathlib import Path

import pyarrow as pa
import pytest

from data_platform.demo.landing import land_folder, land_generated
from data_platform.demo.report import Balance, draw_sales, print_report
from data_platform_tests.platform_defs.shop import Shop


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_folder_lands_below_the_prefix_whole_and_only_once(tmp_path: Path) -> None:
    folder, landing = tmp_path / "data", tmp_path / "landing"
    (folder / "online_retail").mkdir(parents=True)
    (folder / "2011-03-04.csv").write_bytes(b"one")
    (folder / "online_retail" / "2011-03-05.csv").write_bytes(b"two")
    (folder / ".DS_Store").write_bytes(b"no data")

    assert land_folder(folder, landing) == 2
    first = {path: path.stat().st_mtime_ns for path in landing.rglob("*.csv")}
    assert land_folder(folder, landing) == 2

    assert _files(landing) == {
        "online_retail/2011-03-04.csv": b"one",
        "online_retail/2011-03-05.csv": b"two",
    }
    assert {path: path.stat().st_mtime_ns for path in landing.rglob("*.csv")} == first


def test_a_changed_file_lands_again(tmp_path: Path) -> None:
    folder, landing = tmp_path / "data", tmp_path / "landing"
    folder.mkdir()
    for content in (b"one", b"two"):
        (folder / "2011-03-04.csv").write_bytes(content)
        land_folder(folder, landing)

    assert _files(landing) == {"online_retail/2011-03-04.csv": b"two"}


def test_the_generated_shop_lands_the_same_files_each_time(tmp_path: Path) -> None:
    assert land_generated(tmp_path / "a", seed=5) == land_generated(tmp_path / "b", seed=5)
    assert _files(tmp_path / "a") == _files(tmp_path / "b")


def test_the_report_accounts_for_every_row(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    balanced = print_report(shop.home.settings, ["2011-03-17: rules: too many"])

    said = capsys.readouterr().out
    assert balanced
    assert "Conservation: " in said and " received = " in said
    assert "2011-03-17: rules: too many" in said
    for key in (*shop.manifest.failed, *shop.manifest.unknown):
        assert key in said
    for part in ("silver/retail/order_lines", "rescued", "The top of", "United Kingdom"):
        assert part in said
    assert "make dev" in said
    picture = shop.home.settings.home / "sales_per_day.png"
    assert str(picture) in said
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("published", "sign"), [(90, "="), (89, "!="), (91, "!=")])
def test_a_balance_says_whether_a_row_is_missing(published: int, sign: str) -> None:
    balance = Balance(100, published, quarantined=4, duplicates=1, held_back=5)

    assert str(balance).startswith(f"100 received {sign} ")
    assert (balance.difference == 0) == (sign == "=")


def test_sales_are_drawn_without_a_single_sale(tmp_path: Path) -> None:
    nothing = pa.table(
        {"day": pa.array([], pa.date32()), "net_sales": pa.array([], pa.decimal128(18, 3))}
    )

    assert draw_sales(nothing, tmp_path / "sales.png").stat().st_size > 0
