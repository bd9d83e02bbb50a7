import pyarrow as pa
import pytest

from data_platform.lake.errors import PartitionConflict
from data_platform.lake.files import files_by_partition, versions
from data_platform.lake.writing.publish import publish
from data_platform.tables.identity import TableId
from data_platform.tables.outcomes import DATA, QUARANTINE
from data_platform_tests.support.faults import Crash, Faults
from data_platform_tests.support.faulty_platform import FaultyBuilds
from data_platform_tests.support.lake_home import MONDAY, SALES, TUESDAY, LakeHome, days


@pytest.fixture
def home(home: LakeHome) -> LakeHome:
    home.make_rejecting()
    return home


def test_good_rejected_and_repeated_rows_go_to_three_tables(home: LakeHome):
    home.judge({MONDAY: [1, 2], TUESDAY: [3]}, bad={MONDAY: [-1]}, repeated={TUESDAY: [3]})
    assert home.numbers() == {MONDAY: [1, 2], TUESDAY: [3]}
    assert home.rejected("quarantine") == {MONDAY: [-1]}
    assert home.rejected("duplicates") == {TUESDAY: [3]}


def test_rejected_rows_name_their_reasons_and_attempt(home: LakeHome):
    write = home.judge({MONDAY: [1]}, bad={MONDAY: [-1]})
    (row,) = home.lake.load(SALES.sibling("quarantine")).scan().to_arrow().to_pylist()
    assert (row["_reasons"], row["_attempt"]) == (["n.positive"], write.attempt)
    assert versions(files_by_partition(home.lake.load(SALES))) == {MONDAY: write.attempt}


def test_the_next_version_takes_the_rejected_rows_of_its_partition_along(home: LakeHome):
    home.judge({MONDAY: [1], TUESDAY: [1]}, bad={MONDAY: [-1], TUESDAY: [-1]})
    home.judge({MONDAY: [1, 2]})
    assert home.rejected("quarantine") == {TUESDAY: [-1]}


def test_a_held_back_partition_keeps_its_version_and_the_others_are_published(home: LakeHome):
    home.write({MONDAY: [1], TUESDAY: [1]})
    write = home.judge({MONDAY: [2], TUESDAY: [2]}, held_back={MONDAY: "too many"})
    assert home.numbers() == {MONDAY: [1], TUESDAY: [2]}
    assert write.good == (TUESDAY,)
    latest = home.builds.latest(SALES)
    assert (latest[MONDAY].state, latest[MONDAY].detail) == ("held_back", "too many")
    assert latest[TUESDAY].state == "published"
    assert set(home.builds.held_back(SALES)) == {MONDAY}


def test_a_partition_held_back_the_first_time_is_not_there(home: LakeHome):
    home.judge({MONDAY: [1]}, bad={MONDAY: [-1]}, held_back={MONDAY: "too many"})
    assert home.numbers() == {}
    assert home.snapshots() == []
    assert home.rejected("quarantine") == {MONDAY: [-1]}


def test_a_held_back_attempts_quarantine_stands_beside_the_published_one(home: LakeHome):
    home.judge({MONDAY: [1]}, bad={MONDAY: [-1]}, repeated={MONDAY: [1]})
    home.judge({MONDAY: [2]}, bad={MONDAY: [-2, -3]}, held_back={MONDAY: "too many"})
    assert home.rejected("quarantine") == {MONDAY: [-3, -2, -1]}
    assert home.rejected("duplicates") == {MONDAY: [1]}


def test_a_second_held_back_attempt_replaces_the_first_and_not_the_published_one(home: LakeHome):
    home.judge({MONDAY: [1]}, bad={MONDAY: [-1]})
    home.judge({MONDAY: [2]}, bad={MONDAY: [-2]}, held_back={MONDAY: "too many"})
    home.judge({MONDAY: [3]}, bad={MONDAY: [-3]}, held_back={MONDAY: "too many"})
    assert home.rejected("quarantine") == {MONDAY: [-3, -1]}


def test_what_a_killed_attempt_displaced_stands_beside_the_next_held_back_one(home: LakeHome):
    home.judge({MONDAY: [1]}, bad={MONDAY: [-1]}, repeated={MONDAY: [1]})
    killed = home.stage(days({MONDAY: [2]}), [MONDAY])
    dying = FaultyBuilds(home.builds.uri, faults=Faults(at=2))  # before its table
    with pytest.raises(Crash):
        publish(home.lake, dying, killed)
    assert home.rejected("quarantine") == {}
    home.judge({MONDAY: [3]}, bad={MONDAY: [-3]}, held_back={MONDAY: "too many"})
    assert home.rejected("quarantine") == {MONDAY: [-3, -1]}
    assert home.rejected("duplicates") == {MONDAY: [1]}


def test_a_damaged_staged_file_changes_nothing_that_is_published(home: LakeHome):
    home.judge({MONDAY: [1]}, bad={MONDAY: [-1]})
    outcomes = (days({MONDAY: [2]}, DATA), days({MONDAY: [-2]}, QUARANTINE))
    write = home.stage(pa.concat_tables(outcomes), [MONDAY])
    [file] = write.staged.files[DATA]
    home.place.delete(file.path)
    assert home.publish(write) == {}
    assert home.numbers() == {MONDAY: [1]}
    assert home.rejected("quarantine") == {MONDAY: [-2, -1]}, "those of the attempt stand beside"
    assert home.builds.held_back(SALES)[MONDAY].attempt == write.attempt


def test_a_write_that_has_lost_its_race_leaves_the_winners_rejected_rows(home: LakeHome):
    late = home.stage(days({MONDAY: [2]}), [MONDAY], held_back={MONDAY: "too many"})
    home.judge({MONDAY: [1]}, bad={MONDAY: [-1]})
    with pytest.raises(PartitionConflict):
        home.publish(late)
    assert home.rejected("quarantine") == {MONDAY: [-1]}


def test_what_is_published_at_last_replaces_both(home: LakeHome):
    home.judge({MONDAY: [1]}, bad={MONDAY: [-1]})
    home.judge({MONDAY: [2]}, bad={MONDAY: [-2]}, held_back={MONDAY: "too many"})
    home.judge({MONDAY: [3]}, bad={MONDAY: [-3]})
    assert home.numbers() == {MONDAY: [3]}
    assert home.rejected("quarantine") == {MONDAY: [-3]}
    assert home.builds.held_back(SALES) == {}


def test_a_table_of_the_same_name_in_another_layer_leaves_the_rejected_rows_alone(home: LakeHome):
    """Bronze and silver of a source are often called alike; only silver rejects."""
    home.judge({MONDAY: [1]}, bad={MONDAY: [-1]}, repeated={MONDAY: [1]})
    bronze = TableId.parse("bronze/shop/sales")
    home.make(bronze)
    home.write({MONDAY: [1, 1, -1]}, table=bronze)
    assert home.rejected("quarantine") == {MONDAY: [-1]}
    assert home.rejected("duplicates") == {MONDAY: [1]}


def test_a_lost_race_publishes_nothing(home: LakeHome):
    home.judge({MONDAY: [1]})
    late = home.stage(days({MONDAY: [9]}), [MONDAY])
    home.judge({MONDAY: [2]})
    with pytest.raises(PartitionConflict):
        home.publish(late)
    assert home.numbers() == {MONDAY: [2]}


def test_the_figures_are_of_the_files_on_disk(home: LakeHome):
    write = home.stage(days({MONDAY: [1, 2], TUESDAY: []}), [MONDAY, TUESDAY])
    published = home.publish(write)
    assert {key: (p.rows, p.files) for key, p in published.items()} == {
        MONDAY: (2, 1),
        TUESDAY: (0, 1),
    }
    stored = {f.path: f.size for f in home.storage.files(home.lake.load(SALES).location())}
    written = [f for f in stored if "/data/" in f]
    assert sum(p.bytes for p in published.values()) == sum(stored[f] for f in written)
    assert published[MONDAY].snapshot_id == home.snapshots()[-1]
