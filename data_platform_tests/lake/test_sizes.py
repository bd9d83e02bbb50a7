"""Bytes by the metadata alone are those of the files."""

import datetime as dt
from pathlib import Path

from data_platform.lake.expiry import expire
from data_platform.lake.sizes import size_of, sizes
from data_platform.tables.identity import TableId
from data_platform_tests.support.lake_home import MONDAY, SALES, TUESDAY, WEDNESDAY, LakeHome


def on_disk(home: LakeHome, snapshots: list[int]) -> int:
    """Bytes of every data file that one of the snapshots refers to."""
    table = home.lake.load(SALES)
    files = {
        task.file.file_path: task.file.file_size_in_bytes
        for snapshot in snapshots
        for task in table.scan(snapshot_id=snapshot).plan_files()
    }
    return sum(files.values())


def check(home: LakeHome) -> None:
    found, ids = size_of(SALES, home.lake.load(SALES)), home.snapshots()

    assert found.current == on_disk(home, ids[-1:])
    assert found.total == on_disk(home, ids)


def test_what_a_table_holds_and_what_its_old_snapshots_hold(home: LakeHome) -> None:
    home.make()
    home.write({MONDAY: range(500), TUESDAY: range(10)})
    check(home)
    assert size_of(SALES, home.lake.load(SALES)).history == 0

    home.write({MONDAY: range(300)})
    home.write({MONDAY: range(20), WEDNESDAY: range(900)})

    check(home)
    assert size_of(SALES, home.lake.load(SALES)).history > 0


def test_forgotten_snapshots_hold_nothing(home: LakeHome) -> None:
    home.make(properties={"data_platform.retention.snapshots": "2"})
    for size in (400, 300, 200, 100):
        home.write({MONDAY: range(size), TUESDAY: range(size)})
    before = size_of(SALES, home.lake.load(SALES))

    assert expire(home.lake, SALES, dt.datetime.now(dt.UTC))[SALES] == 2

    check(home)
    assert 0 < size_of(SALES, home.lake.load(SALES)).history < before.history


def test_every_table_counts_and_one_never_written_is_empty(home: LakeHome) -> None:
    empty = TableId.parse("silver/shop/empty")
    home.make_rejecting()
    home.make(empty)
    home.judge({MONDAY: range(10)}, {MONDAY: range(3)})

    found = {each.table: each for each in sizes(home.lake)}

    assert found[empty].total == 0
    assert found[SALES].total > 0 and found[SALES.sibling("quarantine")].total > 0


def test_the_size_is_known_without_the_data_files_and_without_their_list(home: LakeHome) -> None:
    home.make()
    home.write({MONDAY: range(10)})
    whole = size_of(SALES, home.lake.load(SALES))
    folder = Path(home.lake.load(SALES).location().removeprefix("file://"))
    for file in [*folder.rglob("*.parquet"), *folder.rglob("*.avro")]:
        file.unlink()

    assert size_of(SALES, home.again().lake.load(SALES)) == whole
