import datetime as dt
import time
from pathlib import Path

import pytest
from pyiceberg.exceptions import CommitFailedException, ValidationError

from data_platform.lake.errors import NotThere
from data_platform.lake.expiry import (
    KEEP_DAYS,
    KEEP_SNAPSHOTS,
    expire,
    expire_all,
    expired,
    forget,
    retention,
)
from data_platform.lake.files import files_by_partition, versions
from data_platform.lake.pins import pin
from data_platform.lake.rejected import files_of_attempts
from data_platform.lake.upkeep.browse import history
from data_platform.lake.writing.publish import publish
from data_platform_tests.support.faults import Faults, lost_response
from data_platform_tests.support.faulty_platform import FaultyLake
from data_platform_tests.support.lake_home import MONDAY, SALES, LakeHome, days
from data_platform_tests.support.places import SOME_PLACES, Place, place_of


@pytest.fixture(params=SOME_PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return place_of(request, request.param, tmp_path)


def now(days: float = 0) -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(days=days)


def test_a_table_says_how_much_it_remembers(home: LakeHome):
    assert retention(home.make(properties={KEEP_SNAPSHOTS: "3", KEEP_DAYS: "7"})) == (3, 7)


def test_snapshots_beyond_the_number_are_forgotten_oldest_first(home: LakeHome):
    home.make(properties={KEEP_SNAPSHOTS: "3"})
    for n in range(5):
        home.write({MONDAY: [n]})
    snapshots = home.snapshots()
    assert expire(home.lake, SALES, now()) == {SALES: 2}
    assert home.snapshots() == snapshots[2:]
    assert home.numbers() == {MONDAY: [4]}
    assert expire(home.lake, SALES, now()) == {SALES: 0}


def test_a_clock_that_is_set_back_changes_no_order(home: LakeHome, monkeypatch):
    home.make_rejecting()
    home.make(properties={KEEP_SNAPSHOTS: "3"})
    real = time.time
    for n in range(1, 6):  # each a day before the last
        monkeypatch.setattr(time, "time", lambda n=n: real() - n * 86400)
        home.judge({MONDAY: [n]}, bad={MONDAY: [-n]})
    monkeypatch.undo()
    snapshots = home.snapshots()
    assert [s.snapshot for s in history(home.lake.load(SALES))] == snapshots[::-1]
    quarantine = home.lake.load(SALES.sibling("quarantine"))
    files = files_of_attempts(quarantine, versions(files_by_partition(home.lake.load(SALES))))
    assert [file.record_count for file in files[MONDAY]] == [1]
    expire(home.lake, SALES, now())
    assert home.snapshots() == snapshots[2:]
    assert home.rejected("quarantine") == {MONDAY: [-5]}


def test_old_snapshots_are_forgotten_but_never_the_current_one(home: LakeHome):
    home.make(properties={KEEP_DAYS: "7"})
    home.write({MONDAY: [1]})
    home.write({MONDAY: [2]})
    assert expired(home.lake.load(SALES), now(days=6)) == []
    assert expired(home.lake.load(SALES), now(days=8)) == home.snapshots()[:1]
    expire(home.lake, SALES, now(days=8))
    assert home.numbers() == {MONDAY: [2]}


def test_a_table_never_written_has_nothing_to_forget(home: LakeHome):
    home.make()
    assert expire(home.lake, SALES, now()) == {SALES: 0}


def test_writing_bounds_the_history_by_itself(home: LakeHome):
    home.make(properties={KEEP_SNAPSHOTS: "3"})
    counts = []
    for n in range(25):
        home.write({MONDAY: [n]})
        counts.append(len(home.snapshots()))
    assert max(counts) < 25
    assert counts[-1] < max(counts)
    assert home.numbers() == {MONDAY: [24]}


def test_pinned_snapshots_do_not_make_every_publication_an_expiry(home: LakeHome):
    home.make(properties={KEEP_SNAPSHOTS: "3"})
    for n in range(25):
        home.write({MONDAY: [n]})
        table = home.lake.load(SALES)
        pin(table, home.snapshots()[-1], f"{n}", now(), now(days=7))
    counts = []
    for n in range(25):
        home.write({MONDAY: [n]})
        counts.append(len(home.snapshots()) - 25)
    assert counts[:20] == list(range(1, 21))
    assert max(counts) < 25


def test_a_snapshot_that_is_pinned_while_it_is_about_to_expire_stays(home: LakeHome):
    home.make(properties={KEEP_SNAPSHOTS: "1"})
    home.write({MONDAY: [1]})
    home.write({MONDAY: [2]})
    first, table = home.snapshots()[0], home.lake.load(SALES)
    pin(home.lake.load(SALES), first, "now", now(), now(days=7))

    with pytest.raises(CommitFailedException):
        forget(table, expired(table, now()), now())

    assert home.numbers(snapshot=first) == {MONDAY: [1]}
    assert expire(home.lake, SALES, now()) == {SALES: 0}


def test_a_snapshot_that_expires_while_it_is_about_to_be_pinned_is_not_there(home: LakeHome):
    home.make(properties={KEEP_SNAPSHOTS: "1"})
    home.write({MONDAY: [1]})
    home.write({MONDAY: [2]})
    first, table = home.snapshots()[0], home.lake.load(SALES)
    expire(home.lake, SALES, now())

    with pytest.raises(NotThere, match="has expired while the backup was made"):
        pin(table, first, "now", now(), now(days=7))


def test_a_forgotten_snapshot_cannot_be_read(home: LakeHome):
    home.make(properties={KEEP_SNAPSHOTS: "1"})
    home.write({MONDAY: [1]})
    home.write({MONDAY: [2]})
    gone = home.snapshots()[0]
    expire(home.lake, SALES, now())
    with pytest.raises((ValidationError, ValueError), match="napshot"):
        home.numbers(snapshot=gone)


def test_the_quarantine_remembers_as_far_back_as_its_table_and_no_further(home: LakeHome):
    home.make_rejecting()
    home.make(properties={KEEP_SNAPSHOTS: "2"})
    for n in range(1, 6):
        home.judge({MONDAY: [n]}, bad={MONDAY: [-n]})
    quarantine = SALES.sibling("quarantine")
    last = home.snapshots(quarantine)[3:]
    forgotten = expire_all(home.lake, now())
    assert forgotten[SALES] == 3 and forgotten[quarantine] == 3
    assert home.snapshots(quarantine) == last
    assert [home.numbers(quarantine, at) for at in last] == [{MONDAY: [-4]}, {MONDAY: [-5]}]


def test_writing_bounds_the_history_of_the_quarantine_too(home: LakeHome):
    home.make_rejecting()
    home.make(properties={KEEP_SNAPSHOTS: "3"})
    for n in range(1, 26):
        home.judge({MONDAY: [n]}, bad={MONDAY: [-n]})
    assert len(home.snapshots(SALES.sibling("quarantine"))) < 25


def test_a_publication_does_not_fail_by_what_follows_it(home: LakeHome):
    """Too many snapshots, and the catalog locked as soon as the write is published."""
    home.make(properties={KEEP_SNAPSHOTS: "1"})
    for n in range(21):
        home.write({MONDAY: [n]})
    faults = Faults(at=2, error=lost_response, only="commit", lasting=True)
    broken = FaultyLake.of(home.lake, faults)
    write = home.stage(days({MONDAY: [99]}), [MONDAY])
    assert publish(broken, home.builds, write).partitions[MONDAY].rows == 1
    assert faults.raised
    assert home.numbers() == {MONDAY: [99]}
