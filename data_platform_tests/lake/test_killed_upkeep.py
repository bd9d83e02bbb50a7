"""Rolling back, forgetting and cleaning are killed at every step of their I/O: no reader sees
half of it, nothing that is referenced is lost, and doing it again does it."""

import datetime as dt
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from data_platform.lake.catalog import Lake
from data_platform.lake.expiry import KEEP_SNAPSHOTS, expire
from data_platform.lake.rejected import REJECTED_LAYERS
from data_platform.lake.upkeep.clean import clean, referenced_files
from data_platform.lake.upkeep.rollback import plan_rollback
from data_platform.storage.files import Storage
from data_platform_tests.support.faults import Crash, Faults
from data_platform_tests.support.faulty_platform import FaultyLake, FaultyStorage
from data_platform_tests.support.lake_home import MONDAY, SALES, TUESDAY, WEDNESDAY, LakeHome, days
from data_platform_tests.support.places import SOME_PLACES, Place, place_of

TABLES = [SALES, *(SALES.sibling(layer) for layer in REJECTED_LAYERS.values())]
Contents = list[dict[str, list[int]]]
Work = Callable[[LakeHome, Lake, Storage], object]

OLD: Contents = [
    {MONDAY: [1], TUESDAY: [1]},
    {MONDAY: [-1], TUESDAY: [-1]},
    {MONDAY: [1]},
]
NEW: Contents = [
    {MONDAY: [2], TUESDAY: [2], WEDNESDAY: [2]},
    {MONDAY: [-2], WEDNESDAY: [-2]},
    {TUESDAY: [2]},
]


@pytest.fixture(params=SOME_PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return place_of(request, request.param, tmp_path)


@pytest.fixture
def home(home: LakeHome) -> LakeHome:
    """Two versions of two days and one of a third, and three writes that were never published."""
    home.make_rejecting()
    for (good, bad, repeated), keep in ((OLD, "9"), (NEW, "1")):
        home.judge(good, bad=bad, repeated=repeated)
        home.make(properties={KEEP_SNAPSHOTS: keep})
    for day in (MONDAY, TUESDAY, WEDNESDAY):
        home.stage(days({day: [3]}), [day])
    return home


def _contents(home: LakeHome) -> Contents:
    return [home.numbers(table) for table in TABLES]


def _killed_at_every_step(
    home: LakeHome, saved: Path, work: Work
) -> Iterator[tuple[LakeHome, Faults]]:
    """The home after the work was killed at its first step, its second, and so on to the last."""
    shutil.copytree(home.folder, saved)
    stored = home.place.save()
    for at in count(1):
        shutil.rmtree(home.folder)
        shutil.copytree(saved, home.folder)
        home.place.restore(stored)
        faults, opened = Faults(at=at), home.again()
        storage = FaultyStorage(faults, store=home.place.store)
        with suppress(Crash):
            work(opened, FaultyLake.of(opened.lake, faults), storage)
        if not faults.raised:
            assert at > 1
            return
        yield home.again(), faults


def _roll_back(home: LakeHome, lake: Lake, storage: Storage) -> None:
    first = lake.load(SALES).snapshots()[0].snapshot_id
    if planned := plan_rollback(lake, home.builds, storage, SALES, to=first):
        planned.apply()


def test_a_killed_rollback_shows_the_old_or_the_new_version_and_a_second_one_does_it(
    home: LakeHome, tmp_path_factory: pytest.TempPathFactory
) -> None:
    saved = tmp_path_factory.mktemp("saved") / "home"
    seen: set[str] = set()
    for killed, faults in _killed_at_every_step(home, saved, _roll_back):
        found = _contents(killed)
        known = str(found) in seen
        seen.add(str(found))
        for table, now, before, after in zip(TABLES, found, NEW, OLD, strict=True):
            assert now in (before, after), (table, faults)
        if found[0] == OLD[0]:
            assert found == OLD, faults  # what counts is committed last
        if known and (faults.at or 0) % 5:
            continue  # differs from one that was repaired in orphans alone

        _roll_back(killed, killed.lake, killed.storage)

        assert _contents(killed) == OLD, faults
    assert str(NEW) in seen and len(seen) == len(TABLES)  # before each of the commits


def _clean(home: LakeHome, lake: Lake, storage: Storage) -> None:
    later = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)
    clean(lake, storage, later, dt.timedelta(0))


def _stored(home: LakeHome) -> set[str]:
    return home.place.files("/warehouse")


def _referenced(home: LakeHome) -> set[str]:
    return set().union(*(referenced_files(home.lake.load(table)) for table in TABLES))


def test_a_killed_cleaning_deletes_nothing_that_a_snapshot_needs(
    home: LakeHome, tmp_path_factory: pytest.TempPathFactory
) -> None:
    saved, first = tmp_path_factory.mktemp("saved") / "home", home.snapshots()[0]
    orphans = _stored(home) - _referenced(home)
    kills = 0
    for killed, faults in _killed_at_every_step(home, saved, _clean):
        kills += 1
        assert _referenced(killed) <= _stored(killed), faults
        assert _contents(killed) == NEW, faults
        assert killed.numbers(snapshot=first) == OLD[0], faults

        _clean(killed, killed.lake, killed.storage)

        assert _stored(killed) == _referenced(killed), faults
    assert kills == len(orphans) > 1


def _expire(home: LakeHome, lake: Lake, storage: Storage) -> None:
    expire(lake, SALES, dt.datetime.now(dt.UTC))


def test_a_killed_expiry_leaves_every_snapshot_that_it_did_not_forget_readable(
    home: LakeHome, tmp_path_factory: pytest.TempPathFactory
) -> None:
    saved, snapshots = tmp_path_factory.mktemp("saved") / "home", home.snapshots()
    assert len(snapshots) == 2
    seen = set()
    for killed, faults in _killed_at_every_step(home, saved, _expire):
        left = killed.snapshots()
        seen.add(len(left))
        assert left in (snapshots, snapshots[1:]), faults
        assert _contents(killed) == NEW, faults
        if left == snapshots:
            assert killed.numbers(snapshot=left[0]) == OLD[0], faults
        assert _referenced(killed) <= _stored(killed), faults

        _expire(killed, killed.lake, killed.storage)

        assert killed.snapshots() == snapshots[1:], faults
        assert _contents(killed) == NEW, faults
    assert 2 in seen
