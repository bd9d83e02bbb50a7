import datetime as dt

import pytest

from data_platform.lake.expiry import KEEP_SNAPSHOTS, expire
from data_platform.lake.upkeep.clean import clean, orphans, referenced_files
from data_platform.tables.identity import TableId
from data_platform_tests.support.lake_home import MONDAY, SALES, TUESDAY, LakeHome, days

HOUR = dt.timedelta(hours=1)


def later(hours: float = 0) -> dt.datetime:
    return dt.datetime.now(dt.UTC) + hours * HOUR + dt.timedelta(minutes=1)


def stored(home: LakeHome) -> set[str]:
    return home.place.files("/warehouse")


@pytest.fixture
def home(home: LakeHome) -> LakeHome:
    """Two versions of Monday, and a third that was staged and never published."""
    home.make()
    home.write({MONDAY: [1], TUESDAY: [1]})
    home.write({MONDAY: [2]})
    home.stage(days({MONDAY: [3]}), [MONDAY])
    return home


def test_just_the_files_that_no_snapshot_needs_are_deleted(home: LakeHome):
    before = stored(home)
    deleted = {file.path for _, file in clean(home.lake, home.storage, later(), 0 * HOUR)}
    assert deleted
    assert stored(home) == before - deleted == referenced_files(home.lake.load(SALES))
    first, second = home.snapshots()
    assert home.numbers(snapshot=first) == {MONDAY: [1], TUESDAY: [1]}
    assert home.numbers(snapshot=second) == {MONDAY: [2], TUESDAY: [1]}


def test_what_is_younger_than_the_grace_time_stays(home: LakeHome):
    before = stored(home)
    assert clean(home.lake, home.storage, later(hours=23)) == []
    assert stored(home) == before
    assert clean(home.lake, home.storage, later(hours=24))


def test_looking_deletes_nothing(home: LakeHome):
    before = stored(home)
    seen = list(orphans(home.lake, home.storage, later(), 0 * HOUR))
    assert stored(home) == before
    assert seen == clean(home.lake, home.storage, later(), 0 * HOUR)


def test_cleaning_twice_finds_nothing_more(home: LakeHome):
    clean(home.lake, home.storage, later(), 0 * HOUR)
    assert clean(home.lake, home.storage, later(), 0 * HOUR) == []


def test_a_forgotten_snapshots_files_become_orphans(home: LakeHome):
    home.make(properties={KEEP_SNAPSHOTS: "1"})
    clean(home.lake, home.storage, later(), 0 * HOUR)
    expire(home.lake, SALES, later())
    deleted = [file.path for _, file in clean(home.lake, home.storage, later(), 0 * HOUR)]
    assert sum("/data/" in path for path in deleted) == 1  # the first version of Monday
    assert home.numbers() == {MONDAY: [2], TUESDAY: [1]}


def test_a_staged_write_survives_the_default_grace_and_can_still_be_published(home: LakeHome):
    write = home.stage(days({TUESDAY: [4]}), [TUESDAY])
    clean(home.lake, home.storage, later())
    home.publish(write)
    assert home.numbers()[TUESDAY] == [4]


def test_files_of_no_known_table_are_never_touched(home: LakeHome):
    strange = f"{home.place.root}/warehouse/silver/shop/other/data/a.parquet"
    home.place.write(strange, b"somebody's")
    clean(home.lake, home.storage, later(hours=1000), 0 * HOUR)
    assert home.place.read(strange) == b"somebody's"


def test_a_table_whose_name_begins_like_anothers_keeps_its_files(home: LakeHome):
    home.make(TableId.parse("silver/shop/sales_more"))
    home.write({MONDAY: [7]}, table=TableId.parse("silver/shop/sales_more"))
    clean(home.lake, home.storage, later(), 0 * HOUR)
    assert home.numbers(TableId.parse("silver/shop/sales_more")) == {MONDAY: [7]}


def test_every_table_is_cleaned(home: LakeHome):
    other = TableId.parse("gold/shop/totals")
    home.make(other)
    home.stage(days({MONDAY: [3]}), [MONDAY], table=other)
    cleaned = {table for table, _ in clean(home.lake, home.storage, later(), 0 * HOUR)}
    assert cleaned == {SALES, other}
