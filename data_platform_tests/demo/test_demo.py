"""What the demo lands and what it tells at its end."""

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from data_platform.demo.landing import land_folder, land_generated, require_shop_files
from data_platform.demo.outcome import print_outcome
from data_platform.demo.report import Balance, draw_sales, print_report
from data_platform.domains.retail.landing import ONLINE_RETAIL
from data_platform.landing.places.objects import DirectoryBucket
from data_platform.runs.in_process import Ran
from data_platform.settings.model import CHECKOUT
from data_platform_tests.support.loaded_shop import LoadedShop


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

    assert land_folder(folder, DirectoryBucket(landing)) == 2
    first = {path: path.stat().st_mtime_ns for path in landing.rglob("*.csv")}
    assert land_folder(folder, DirectoryBucket(landing)) == 2

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
        land_folder(folder, DirectoryBucket(landing))

    assert _files(landing) == {"online_retail/2011-03-04.csv": b"two"}


def test_the_generated_shop_lands_the_same_files_each_time(tmp_path: Path) -> None:
    counts = [land_generated(DirectoryBucket(tmp_path / name), seed=5) for name in "ab"]
    assert counts[0] == counts[1]
    assert _files(tmp_path / "a") == _files(tmp_path / "b")


@pytest.mark.parametrize(
    ("names", "there"),
    [
        ([], "it is empty"),
        ([".DS_Store"], "it is empty"),
        (["march.csv", "README.md"], "it has README.md, march.csv"),
        (["2011/2011-03-04.csv"], "it has 2011-03-04.csv"),  # no key that the source claims
    ],
)
def test_a_folder_without_shop_files_is_refused_with_how_they_are_named(
    tmp_path: Path, names: list[str], there: str
) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    with pytest.raises(FileNotFoundError, match="YYYY-MM-DD") as refused:
        require_shop_files(tmp_path)

    assert str(tmp_path) in str(refused.value) and there in str(refused.value)


@pytest.mark.parametrize(
    "name", ["2011-03-04.csv", "2011-03-04-late.csv", "march.csv", "online_retail/2011-03-04_2.csv"]
)
def test_a_folder_is_accepted_where_the_source_would_claim_a_file(
    tmp_path: Path, name: str
) -> None:
    folder, landing = tmp_path / "data", tmp_path / "landing"
    (folder / name).parent.mkdir(parents=True)
    (folder / name).touch()
    land_folder(folder, DirectoryBucket(landing))
    [key] = _files(landing)

    claimed = ONLINE_RETAIL.partition_of(key) is not None
    with nullcontext() if claimed else pytest.raises(FileNotFoundError):
        require_shop_files(folder)


def test_a_demo_with_nothing_to_load_says_so_and_fails(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "march.csv").write_bytes(b"no shop file")
    home = str(tmp_path / "home")

    done = subprocess.run(
        [sys.executable, "-m", "data_platform.demo", "--data", str(folder)],
        env={**os.environ, "DATA_PLATFORM_HOME": home},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "Nothing was loaded" in done.stdout
    assert "online_retail/march.csv" in done.stdout
    assert "Traceback" not in done.stderr


def test_the_shops_runs_fail_only_where_days_are_held_back(
    shop: LoadedShop, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = [ran for ran in shop.ran if not ran.success]

    assert {ran.state for ran in failed} == {"held back"}
    print_outcome(failed[0])
    said = capsys.readouterr().err
    assert "as expected" in said and "partitions held back" in said


def test_a_failed_run_is_announced_with_its_cause(capsys: pytest.CaptureFixture[str]) -> None:
    request = dg.RunRequest(job_name="retail_daily")

    print_outcome(Ran(request, "1f3a", False, ("division by zero",)))
    print_outcome(Ran(request, "2f3a", False, ()))

    said = capsys.readouterr().err
    assert "run FAILED:\ndivision by zero\n" in said
    assert "see run 2f3a in `make dev`" in said
    assert "as expected" not in said


def test_the_report_accounts_for_every_row(
    shop: LoadedShop, capsys: pytest.CaptureFixture[str]
) -> None:
    balanced = print_report(shop.home.settings)

    said = capsys.readouterr().out
    assert balanced
    assert "Conservation: " in said and " received = " in said
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
