"""A home that was moved: its tables name the place where they were."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from data_platform.operations.relocating import relocate
from data_platform.runs.instance import open_instance
from data_platform.runs.liveness import driving
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


def test_files_that_are_held_back_are_where_the_register_says_after_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = loaded(shop_in(tmp_path / "old"))
    old.home.rename(tmp_path / "new")
    new = shop_in(tmp_path / "new")

    def staged() -> set[str]:
        return new.platform().builds.staged_files(SILVER)

    for step in ("adopt", "Relocated"):  # killed before the catalog is changed, and after
        with monkeypatch.context() as patched:
            patched.setattr(f"data_platform.operations.relocating.{step}", killed)
            with pytest.raises(KeyboardInterrupt):
                relocate(new.platform())
        assert staged()
        assert staged() <= new.place.files()

    assert relocate(new.platform()).tables == 0
    assert new.run() == set()


def killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_nothing_is_relocated_while_a_command_drives_the_home(tmp_path: Path) -> None:
    old = loaded(shop_in(tmp_path / "old"))
    old.home.rename(tmp_path / "new")
    platform = shop_in(tmp_path / "new").platform()
    with (
        open_instance(platform.settings) as instance,
        driving(instance, platform),
        pytest.raises(LakeError, match="runs are at work"),
    ):
        relocate(platform)

    assert relocate(platform).tables
