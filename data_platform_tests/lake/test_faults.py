"""A load is interrupted at every step of its I/O, one after the other; nothing may come of it.

The load takes two landed files through bronze and silver: stage, audit, the three commits, the
register of builds, the ledger. Files and commits are real; only the interruption is made.

What a killed process leaves is what was stored before the step that it died at: one load shows all
of that. An error that the process lives on with, and that it answers, needs a load for each step.
"""

import datetime as dt
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from data_platform.lake.upkeep.clean import clean, referenced_files
from data_platform_tests.support.faults import Crash, Faults, disk_full, lost_response
from data_platform_tests.support.memory_bucket import ever_landed
from data_platform_tests.support.places import A_BUCKET, Place
from data_platform_tests.support.small_shop import RECEIVED, SHOP, TABLES, Rows, SmallShop, sales

FIRST = {"2011-03-01": ["a,1", "b,2", "b,2", "c,x"], "2011-03-02": ["a,1", "c,9"]}
THEN = {"2011-03-01": ["a,1", "b,3", "b,2", "c,x", "d,4"], "2011-03-03": ["q,1", "q,1", "z,z"]}


@dataclass
class Watched(Faults):
    """Breaks nothing; calls `look` with the number of each step before it takes place."""

    look: Callable[[int], None] = lambda _: None
    _looking: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def before(self, name: str) -> int:
        with self._looking:
            number = super().before(name)
            self.look(number)
        return number


@dataclass(frozen=True)
class Stored:
    """Everything durable, by its URI: databases in the home, and the files in their place."""

    home: Mapping[str, bytes]
    files: Mapping[str, bytes]


class Interrupted:
    """The shop after its first load, with new files landed, as often as one likes."""

    def __init__(self, folder: Path, place: Place) -> None:
        self.shop = SmallShop(folder / "home", place)
        self._home = Place.directory(self.shop.home)
        self._land(FIRST)
        self.shop.run()
        self.old = self.shop.everything()
        self._land(THEN)
        self._saved = self._store()
        self.shop.run()
        self.new = self.shop.everything()

    def _land(self, files: dict[str, list[str]]) -> None:
        for day, lines in files.items():
            self.shop.land(day, lines)

    def _store(self, before: Stored | None = None) -> Stored:
        files = self.shop.place.save(before.files if before else None)
        return Stored(self._home.save(), files)

    def again(self, stored: Stored | None = None) -> SmallShop:
        stored = stored or self._saved
        shutil.rmtree(self.shop.home)  # not written over: connections of before may be open
        self._home.restore(stored.home)
        self.shop.place.restore(stored.files)
        return self.shop

    def killed_at_every_step(self) -> Iterator[tuple[SmallShop, Faults, bool]]:
        """The shop as a process leaves it that is killed at the load's first step, its second, and
        so on to its end; once where several steps leave the same. And whether its commits, ledger
        or register are others than at the step before."""
        stored: dict[int, Stored] = {0: self._saved}

        def look(number: int) -> None:
            latest = stored[max(stored)]
            now = self._store(latest)
            if now != latest:
                stored[number] = now

        faults = Watched(look=look)
        self.again().run(faults)
        look(len(faults.steps) + 1)
        assert self.shop.everything() == self.new
        home = None
        for number, moment in stored.items():
            killed = Faults(at=number, steps=faults.steps[:number])
            yield self.again(moment), killed, moment.home != home
            home = moment.home

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
    repaired = 0
    for n, (shop, faults, other) in enumerate(interrupted.killed_at_every_step()):
        require_old_or_new(shop, interrupted, faults)
        if other or n % 10 == 0:
            require_healed(shop, interrupted, faults)
            repaired += 1
    assert repaired > 10


@pytest.mark.parametrize("interrupted", A_BUCKET, indirect=True, scope="module")
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
