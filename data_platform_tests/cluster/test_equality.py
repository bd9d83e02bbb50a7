"""The same files give the same tables on a cluster as the rules say and as a laptop makes."""

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from benchmarks.workload import DEFAULT_DATA
from data_platform.demo.generator import Manifest, generate
from data_platform.demo.landing import land_folder
from data_platform.demo.report import balance_of
from data_platform.lake.upkeep import browse
from data_platform.landing.places.objects import DirectoryBucket
from data_platform.tables.identity import TableId
from data_platform_tests.support.cluster import PATIENCE, Driven
from data_platform_tests.support.homes import BRONZE, SILVER
from data_platform_tests.support.retail import oracle, rules
from data_platform_tests.support.tables import TABLES


def _read(home: Driven, table: str) -> pa.Table:
    return browse.rows(home.platform.lake.load(TableId.parse(table))).read_all()


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
    require_the_rules(home, tmp_path / "files", manifest.failed, manifest.held_back)


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
    assert _read(home, BRONZE).num_rows == 541_909


def require_balance(home: Driven, manifest: Manifest) -> None:
    balance = balance_of(home.platform)
    assert balance.difference == 0
    assert (balance.received, balance.published) == (manifest.rows, manifest.published)


def require_the_rules(
    home: Driven, landed: Path, failed: Sequence[str] = (), held_back: Sequence[date] = ()
) -> None:
    """Every table is what an independent computation gives; the objects `failed` cannot be read,
    and the days `held_back` are not published."""
    readable = [row for row in oracle.read(landed) if row.object not in failed]
    silver = oracle.silver(readable)
    rules.require_bronze(_read(home, BRONZE), readable)
    rules.require_silver(_read(home, SILVER), silver, held_back)
    quarantine, duplicates = (
        _read(home, f"{layer}/retail/order_lines") for layer in ("quarantine", "duplicates")
    )
    rules.require_rejected(quarantine, duplicates, silver)
    rules.require_gold(
        lambda name: rules.rows(_read(home, f"gold/retail/{name}")),
        [line for line in silver.published if line.day not in held_back],
    )
