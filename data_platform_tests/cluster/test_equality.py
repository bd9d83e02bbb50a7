"""The same files give the same tables on a cluster as the rules say and as a laptop makes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.workload import DEFAULT_DATA
from data_platform.demo.generator import generate
from data_platform.demo.landing import land_folder
from data_platform.landing.places.objects import DirectoryBucket
from data_platform_tests.support.cluster import PATIENCE, Driven
from data_platform_tests.support.homes import BRONZE
from data_platform_tests.support.retail.whole import read, require_balance, require_the_rules
from data_platform_tests.support.tables import TABLES


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

    require_balance(home.platform, manifest)
    require_the_rules(home.platform, tmp_path / "files", manifest.failed, manifest.held_back)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.skipif(
    not DEFAULT_DATA.is_dir(), reason=f"{DEFAULT_DATA}, files of a real shop, is not there"
)
def test_a_year_is_what_the_rules_say(driven: Callable[..., Driven], tmp_path: Path) -> None:
    land_folder(DEFAULT_DATA, DirectoryBucket(tmp_path / "files"))
    home = driven()

    assert _loaded(home, sorted((tmp_path / "files/online_retail").iterdir()), patience=3600)

    require_the_rules(home.platform, tmp_path / "files")
    assert read(home.platform, BRONZE).num_rows == 541_909
