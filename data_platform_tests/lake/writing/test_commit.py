import datetime as dt
import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest
from pyiceberg.table.snapshots import Operation

from data_platform.lake.errors import PartitionConflict
from data_platform.lake.files import data_files, files_by_partition
from data_platform.lake.writing.commit import replace_partitions
from data_platform.tables.identity import TableId
from data_platform.tables.outcomes import DATA
from data_platform_tests.support.lake_home import MONDAY, SALES, TUESDAY, WEDNESDAY, LakeHome, days

WRITERS = 8
RETURNS = TableId.parse("silver/till/returns")


def test_many_partitions_are_published_in_one_snapshot(home: LakeHome):
    home.make()
    month = {f"2011-03-{day:02}": [day] for day in range(1, 32)}
    home.write(month)
    assert home.numbers() == month
    assert len(home.snapshots()) == 1
    home.write({day: [0, *numbers] for day, numbers in month.items()})
    assert len(home.snapshots()) == 2
    current = home.lake.load(SALES).current_snapshot()
    assert current and current.summary and current.summary.operation is Operation.OVERWRITE


def test_a_write_replaces_its_partitions_and_leaves_the_others(home: LakeHome):
    home.make()
    home.write({MONDAY: [1, 2], TUESDAY: [3]})
    home.write({TUESDAY: [4, 5], WEDNESDAY: [6]})
    assert home.numbers() == {MONDAY: [1, 2], TUESDAY: [4, 5], WEDNESDAY: [6]}


def test_a_partition_built_from_no_rows_is_cleared_and_counts_as_built(home: LakeHome):
    home.make()
    home.write({MONDAY: [1, 2], TUESDAY: [3]})
    home.write({MONDAY: []})
    assert home.numbers() == {TUESDAY: [3]}
    assert set(files_by_partition(home.lake.load(SALES))) == {MONDAY, TUESDAY}


def test_the_old_rows_stay_readable_in_the_snapshot_before(home: LakeHome):
    home.make()
    home.write({MONDAY: [1]})
    home.write({MONDAY: [2]})
    first, second = home.snapshots()
    assert home.numbers(snapshot=first) == {MONDAY: [1]}
    assert home.numbers(snapshot=second) == {MONDAY: [2]}


def test_the_snapshot_says_which_run_made_it(home: LakeHome):
    home.make()
    home.write({MONDAY: [1], TUESDAY: [2]}, run="run00042")
    current = home.lake.load(SALES).current_snapshot()
    assert current and current.summary
    properties = current.summary.additional_properties
    assert properties["data_platform.run"] == "run00042"
    assert properties["data_platform.partitions"] == "2"


def test_a_writer_on_an_older_base_conflicts_and_changes_nothing(home: LakeHome):
    home.make()
    home.write({MONDAY: [1], TUESDAY: [1]})
    late = home.stage(days({MONDAY: [9], TUESDAY: [9]}), [MONDAY, TUESDAY])
    home.write({TUESDAY: [2]})
    before = home.snapshots()
    with pytest.raises(PartitionConflict, match=rf"silver/shop/sales: another .* {TUESDAY} while"):
        home.publish(late)
    assert home.numbers() == {MONDAY: [1], TUESDAY: [2]}
    assert home.snapshots() == before


def test_a_writer_that_found_no_version_conflicts_with_the_first_one(home: LakeHome):
    home.make()
    late = home.stage(days({MONDAY: [9]}), [MONDAY])
    home.write({MONDAY: [1]})
    with pytest.raises(PartitionConflict):
        home.publish(late)
    assert home.numbers() == {MONDAY: [1]}


def test_a_table_loaded_before_anothers_commit_conflicts_inside_the_commit(home: LakeHome):
    """The base still fits what this writer sees; only the commit itself can tell."""
    home.make()
    home.write({MONDAY: [1]})
    seen = home.lake.load(SALES)
    write = home.stage(days({MONDAY: [9]}), [MONDAY])
    home.write({MONDAY: [2]})
    with pytest.raises(PartitionConflict, match="published one of the partitions"):
        replace_partitions(
            seen,
            keys=[MONDAY],
            add=data_files(seen, write.staged.files[DATA]),
            base=write.slice.base,
            properties={},
        )
    assert home.numbers() == {MONDAY: [2]}


def _write_day(home: LakeHome, day: str, numbers: list[int]) -> bool:
    """One writer; False where another was first."""
    try:
        home.write({day: numbers})
    except PartitionConflict:
        return False
    return True


def _know(environment: dict[str, str]) -> None:
    os.environ.update(environment)


def test_eight_processes_writing_different_partitions_all_commit(home: LakeHome):
    home.make()
    home.write({MONDAY: [0]})
    wanted = {f"2011-04-{n + 1:02}": [n, n] for n in range(WRITERS)}
    fresh = multiprocessing.get_context("forkserver")
    fresh.set_forkserver_preload([__name__])
    # Its server is one for all tests of a process, with the environment of the first.
    environment = dict(os.environ)
    with ProcessPoolExecutor(WRITERS, fresh, _know, (environment,)) as pool:
        written = pool.map(_write_day, [home.again()] * WRITERS, wanted, wanted.values())
        assert all(written)
    assert home.numbers() == {MONDAY: [0], **wanted}
    assert len(home.snapshots()) == 1 + WRITERS


def test_writers_that_find_no_catalog_and_no_table_all_make_the_same(home: LakeHome):
    together = threading.Barrier(WRITERS)

    def make(_: int) -> set[str]:
        own = home.again()
        together.wait()
        assert own.lake.tables() == []
        together.wait()
        return {str(own.make(table).metadata.table_uuid) for table in (SALES, RETURNS)}

    with ThreadPoolExecutor(WRITERS) as pool:
        made = set().union(*pool.map(make, range(WRITERS)))
    assert made == {str(home.lake.load(table).metadata.table_uuid) for table in (SALES, RETURNS)}


def test_of_writers_of_one_partition_one_whole_version_is_left(home: LakeHome):
    home.make()
    home.write({MONDAY: [0]})
    writes = [home.stage(days({MONDAY: [n] * 3}), [MONDAY]) for n in range(1, WRITERS + 1)]

    def publish(write) -> bool:
        try:
            home.again().publish(write)
        except PartitionConflict:
            return False
        return True

    with ThreadPoolExecutor(WRITERS) as pool:
        won = list(pool.map(publish, writes))
    assert won.count(True) == 1
    assert home.numbers() == {MONDAY: [won.index(True) + 1] * 3}


def test_a_partition_without_rows_is_a_version_that_a_race_can_be_lost_to(home: LakeHome):
    """Bounds say nothing about a file without rows, so a look at them would overlook it."""
    home.make()
    home.write({TUESDAY: [1]})
    seen = home.lake.load(SALES)
    write = home.stage(days({MONDAY: [9]}), [MONDAY])
    home.write({MONDAY: []})
    with pytest.raises(PartitionConflict):
        replace_partitions(
            seen,
            keys=[MONDAY],
            add=data_files(seen, write.staged.files[DATA]),
            base=write.slice.base,
            properties={},
        )
    assert home.numbers() == {TUESDAY: [1]}


def test_a_year_and_another_day_written_at_once_both_commit(home: LakeHome):
    home.make()
    home.write({MONDAY: [1]})
    seen = home.lake.load(SALES)
    first = dt.date(2012, 1, 1).toordinal()
    year = {dt.date.fromordinal(first + n).isoformat(): [n] for n in range(250)}
    write = home.stage(days(year), year)
    home.write({MONDAY: [2]})
    replace_partitions(
        seen,
        keys=year,
        add=data_files(seen, write.staged.files[DATA]),
        base=write.slice.base,
        properties={},
    )
    assert home.numbers() == {MONDAY: [2], **year}


def test_manifests_stay_few_and_small_over_many_commits(home: LakeHome):
    """What planning reads grows with the table's partitions, not with its age."""
    home.make(properties={"data_platform.retention.snapshots": "1000"})
    for day in range(1, 29):
        home.write({f"2011-02-{day:02}": [day]})
        home.write({f"2011-02-{day:02}": [day, day]})
    table = home.lake.load(SALES)
    current = table.current_snapshot()
    assert current
    manifests = current.manifests(table.io)
    assert len(manifests) <= 50  # 56 commits; small ones were merged
    assert sum((m.added_files_count or 0) + (m.existing_files_count or 0) for m in manifests) == 28
    assert home.numbers() == {f"2011-02-{day:02}": [day, day] for day in range(1, 29)}


def test_metadata_files_do_not_pile_up(home: LakeHome):
    home.make()
    for n in range(15):
        home.write({MONDAY: [n]})
    table = home.lake.load(SALES)
    stored = [f.path for f in home.storage.files(table.location()) if f.path.endswith(".json")]
    assert len(stored) <= 11
