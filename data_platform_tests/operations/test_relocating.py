"""A home that was moved: its tables name the place where they were."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from data_platform.operations.relocating import relocate
from data_platform.settings.environment import environment_kept
from data_platform.storage.errors import LakeError
from data_platform_tests.support.backups import DAYS, SILVER, loaded, materialized, shop_in


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    with environment_kept():
        yield


def test_a_home_that_was_moved_works_after_it_was_relocated(tmp_path: Path) -> None:
    old = loaded(shop_in(tmp_path / "old"))
    before = old.everything()
    history = old.platform().lake.load(SILVER).history()
    old.home.rename(tmp_path / "new")
    new = shop_in(tmp_path / "new")
    with pytest.raises(LakeError, match="run `data-platform relocate`"):
        new.everything()

    assert relocate(new.platform()).tables == len(before)

    assert new.everything() == before
    assert new.platform().lake.load(SILVER).history() == history
    assert materialized(new) == DAYS
    assert new.run() == set()
    new.land("2011-03-06", ["e,5"])
    assert new.run() == {"bronze 2011-03-06", "silver 2011-03-06"}
    assert relocate(new.platform()).tables == 0


def test_a_home_without_its_warehouse_is_not_relocated(tmp_path: Path) -> None:
    old = loaded(shop_in(tmp_path / "old"))
    old.home.rename(tmp_path / "new")
    new = shop_in(tmp_path / "new")
    [file] = [f for f in new.place.files() if "/silver/" in f and "03-04" in f and "/data/" in f]
    content = new.place.read(file)
    new.place.delete(file)
    with pytest.raises(LakeError, match=f"{file}; copy them there first"):
        relocate(new.platform())

    new.place.write(file, content)
    assert relocate(new.platform()).tables
