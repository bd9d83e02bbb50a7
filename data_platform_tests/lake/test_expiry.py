import datetime as dt

import pytest
from pyiceberg.exceptions import ValidationError

from data_platform.lake.expiry import KEEP_DAYS, KEEP_SNAPSHOTS, expire, expired, retention
from data_platform_tests.lake.home import MONDAY, SALES, Home


def now(days: float = 0) -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(days=days)


def test_a_table_says_how_much_it_remembers(home: Home):
    assert retention(home.make(properties={KEEP_SNAPSHOTS: "3", KEEP_DAYS: "7"})) == (3, 7)


def test_snapshots_beyond_the_number_are_forgotten_oldest_first(home: Home):
    home.make(properties={KEEP_SNAPSHOTS: "3"})
    for n in range(5):
        home.write({MONDAY: [n]})
    snapshots = home.snapshots()
    assert sorted(expire(home.lake.load(SALES), now())) == sorted(snapshots[:2])
    assert home.snapshots() == snapshots[2:]
    assert home.numbers() == {MONDAY: [4]}
    assert expire(home.lake.load(SALES), now()) == []


def test_old_snapshots_are_forgotten_but_never_the_current_one(home: Home):
    home.make(properties={KEEP_DAYS: "7"})
    home.write({MONDAY: [1]})
    home.write({MONDAY: [2]})
    assert expired(home.lake.load(SALES), now(days=6)) == []
    assert expired(home.lake.load(SALES), now(days=8)) == home.snapshots()[:1]
    expire(home.lake.load(SALES), now(days=8))
    assert home.numbers() == {MONDAY: [2]}


def test_a_table_never_written_has_nothing_to_forget(home: Home):
    assert expire(home.make(), now()) == []


def test_writing_bounds_the_history_by_itself(home: Home):
    home.make(properties={KEEP_SNAPSHOTS: "3"})
    counts = []
    for n in range(25):
        home.write({MONDAY: [n]})
        counts.append(len(home.snapshots()))
    assert max(counts) < 25
    assert counts[-1] < max(counts)
    assert home.numbers() == {MONDAY: [24]}


def test_a_forgotten_snapshot_cannot_be_read(home: Home):
    home.make(properties={KEEP_SNAPSHOTS: "1"})
    home.write({MONDAY: [1]})
    home.write({MONDAY: [2]})
    (gone,) = expire(home.lake.load(SALES), now())
    with pytest.raises((ValidationError, ValueError), match="napshot"):
        home.numbers(snapshot=gone)
