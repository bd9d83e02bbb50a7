"""The same files give the same tables on a cluster as the rules say and as a laptop makes."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from benchmarks.workload import DEFAULT_DATA
from data_platform.demo.generator import Manifest, generate
from data_platform.demo.landing import land_folder
from data_platform.demo.report import balance_of
from data_platform.lake.upkeep import browse
from data_platform.landing.places.objects import DirectoryBucket
from data_platform.tables.identity import TableId
from data_platform_tests.support.cluster import PATIENCE, Driven
from data_platform_tests.support.homes import BRONZE, DEMAND, SALES, SEGMENTS, SILVER
from data_platform_tests.support.retail import oracle
from data_platform_tests.support.tables import TABLES


def _read(home: Driven, table: str) -> list[dict]:
    return browse.rows(home.platform.lake.load(TableId.parse(table))).read_all().to_pylist()


def _loaded(home: Driven, files: list[Path], patience: float = PATIENCE) -> bool:
    home.land(files)
    with home.driver(TABLES) as driver:
        driver.begin()
        return driver.finish(patience)


def test_a_month_is_what_the_rules_say(driven: Callable[..., Driven], tmp_path: Path) -> None:
    manifest = generate(tmp_path / "files", seed=3, months=1)
    home = driven()

    good = _loaded(home, sorted((tmp_path / "files/online_retail").iterdir()))

    assert not good  # a day is held back

    require_balance(home, manifest)
    require_the_rules(home, tmp_path / "files", manifest.failed)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.skipif(
    not DEFAULT_DATA.is_dir(), reason=f"{DEFAULT_DATA}, files of a real shop, is not there"
)
def test_a_year_is_what_the_rules_say(driven: Callable[..., Driven], tmp_path: Path) -> None:
    land_folder(DEFAULT_DATA, DirectoryBucket(tmp_path / "files"))
    home = driven()

    assert _loaded(home, sorted((tmp_path / "files/online_retail").iterdir()), patience=3600)

    require_the_rules(home, tmp_path / "files")
    assert sum(browse.partition_rows(home.platform.lake, TableId.parse(BRONZE)).values()) == 541_909


def require_balance(home: Driven, manifest: Manifest) -> None:
    balance = balance_of(home.platform)
    assert balance.difference == 0
    assert (balance.received, balance.published) == (manifest.rows, manifest.published)


def require_the_rules(home: Driven, landed: Path, failed: Sequence[str] = ()) -> None:
    """Silver and gold of the days that are published are what an independent computation gives;
    the objects `failed` cannot be read."""
    readable = [row for row in oracle.read(landed) if row.object not in failed]
    days = {row["day"] for row in _read(home, SILVER)}
    lines = [line for line in oracle.silver(readable).published if line.day in days]

    assert len(_read(home, SILVER)) == len(lines)
    assert _tuples(home, SALES) == oracle.daily_sales(lines)
    months = sorted({row["month"] for row in _read(home, SEGMENTS)})
    assert months
    assert _tuples(home, SEGMENTS) == oracle.customer_segments(lines, months)
    expected = oracle.product_demand(lines)
    demand = {row[:2]: row[2:] for row in _tuples(home, DEMAND)}
    assert demand.keys() == expected.keys()
    for key, row in demand.items():
        assert row == tuple(map(_near, expected[key])), key


def _near(value: object) -> object:
    """Sums of doubles depend on their order; all else is exact."""
    return pytest.approx(value, rel=1e-9) if isinstance(value, float) else value


def _tuples(home: Driven, table: str) -> set[tuple]:
    return {tuple(row.values()) for row in _read(home, table)}
