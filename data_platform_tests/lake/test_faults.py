"""A load is interrupted at every step of its I/O, one after the other; nothing may come of it.

The load takes two landed files through bronze and silver: stage, audit, the three commits, the
register of builds, the ledger. Files and commits are real; only the interruption is made.
"""

import datetime as dt
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from data_platform.lake.upkeep.clean import clean, referenced_files
from data_platform_tests.support.faults import Crash, Faults, disk_full, lost_response
from data_platform_tests.support.memory_bucket import ever_landed
from data_platform_tests.support.places import Place
from data_platform_tests.support.small_shop import RECEIVED, SHOP, TABLES, Rows, SmallShop, sales

FIRST = {"2011-03-01": ["a,1", "b,2", "b,2", "c,x"], "2011-03-02": ["a,1", "c,9"]}
THEN = {"2011-03-01": ["a,1", "b,3", "b,2", "c,x", "d,4"], "2011-03-03": ["q,1", "q,1", "z,z"]}


class Interrupted:
    """The shop after its first load, with new files landed, as often as one likes."""

    def __init__(self, folder: Path, place: Place) -> None:
        self.shop = SmallShop(folder / "home", place)
        self._saved = folder / "saved"
        self._land(FIRST)
        self.shop.run()
        self.old = self.shop.everything()
        self._land(THEN)
        shutil.copytree(self.shop.home, self._saved)
        self._files = self.shop.place.save()
        self.shop.run()
        self.new = self.shop.everything()

    def _land(self, files: dict[str, list[str]]) -> None:
        for day, lines in files.items():
            self.shop.land(day, lines)

    def again(self) -> SmallShop:
        shutil.rmtree(self.shop.home)
        shutil.copytree(self._saved, self.shop.home)
        self.shop.place.restore(self._files)
        return self.shop

    def every_step(self, **options) -> Iterator[tuple[SmallShop, Faults]]:
        """Interrupts the load at its first step, its second, and so on to the last."""
        for at in range(1, 10_000):
            faults = Faults(at=at, **options)
            shop = self.again()
            with suppress(Crash, Exception):
                shop.run(faults)
            yield shop, faults
            if at > len(faults.steps):
                assert at > 1
                return
            assert faults.raised, (at, faults.steps)


@pytest.fixture(scope="module", params=["directory", "versitygw"])
def interrupted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Interrupted:
    folder = tmp_path_factory.mktemp("shop")
    if request.param == "directory":
        return Interrupted(folder, Place.directory(folder / "place"))
    return Interrupted(folder, Place.bucket(request.getfixturevalue(request.param)))


def test_a_crash_at_any_step_leaves_old_or_new_and_a_rerun_gives_the_same_tables(interrupted):
    """Crashes that leave the same commits, ledger and register differ in orphans alone: the first
    of them is repaired here and every few others; all of them are in the long test below."""
    seen = ""
    for shop, faults in interrupted.every_step():
        require_old_or_new(shop, interrupted, faults)
        state = shop.state()
        if state != seen or faults.at in range(0, 1000, 15):
            require_healed(shop, interrupted, faults)
        seen = state


@pytest.mark.parametrize("step", ["commit", "ledger", "register"])
def test_a_lost_response_to_a_commit_harms_nothing(interrupted, step):
    for shop, faults in interrupted.every_step(error=lost_response, after=True, only=step):
        require_old_or_new(shop, interrupted, faults)
        require_healed(shop, interrupted, faults)


@pytest.mark.soak
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("error", [Crash, lost_response, disk_full])
def test_after_any_failure_of_any_step_a_rerun_gives_the_same_tables(interrupted, error, after):
    for shop, faults in interrupted.every_step(error=error, after=after):
        require_old_or_new(shop, interrupted, faults)
        require_healed(shop, interrupted, faults)


def require_old_or_new(shop: SmallShop, world: Interrupted, faults: Faults) -> None:
    """Each table is readable, and wholly the old or wholly the new one."""
    for table, rows in shop.everything().items():
        assert rows in (world.old[table], world.new[table]), (table, faults)


def require_healed(shop: SmallShop, world: Interrupted, faults: Faults) -> None:
    """The next run repairs everything, the one after that finds nothing to do."""
    shop.run(run_id="rerun001")
    assert shop.everything() == world.new, faults
    require_ledger_balances(shop, faults)
    assert shop.run(run_id="rerun002") == set(), faults
    require_clean_leaves_what_is_referenced(shop, faults)


def require_ledger_balances(shop: SmallShop, faults: Faults) -> None:
    """No object is lost or loaded twice: each is loaded, with the rows that bronze has of it."""
    ledger = shop.platform().ledger
    assert ledger.summary() == {"pending": 0, "loaded": 3, "failed": 0, "unknown": 0}, faults
    entries = ledger.effective(SHOP.name, ever_landed(ledger, SHOP.name))
    recorded = {entry.key: entry.rows for found in entries.values() for entry in found}
    assert recorded == rows_by_object(shop.rows(RECEIVED.id)), faults


def rows_by_object(rows: Rows) -> dict[str, int]:
    keys = [row[-3] for row in rows]  # _source_object, _row_number, _rescued
    return {key: keys.count(key) for key in keys}


def require_clean_leaves_what_is_referenced(shop: SmallShop, faults: Faults) -> None:
    platform = shop.platform()
    later = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)
    clean(platform.lake, platform.storage, later, dt.timedelta(0))
    for table_id in TABLES:
        table = platform.lake.load(table_id)
        left = {file.path for file in platform.storage.files(table.location())}
        assert left == referenced_files(table), (table_id, faults)


def test_the_interrupted_load_goes_through_everything_that_can_break(interrupted):
    faults = Faults()
    interrupted.again().run(faults)
    kinds = set(faults.steps)
    assert {"commit", "ledger", "register builds", "task", "make data folder"} <= kinds
    for name in ("data", "manifest", "metadata"):
        assert {f"open {name}", f"write {name}", f"close {name}"} <= kinds
    assert sales.id in interrupted.new
