import datetime as dt

import pytest

from data_platform.lake.errors import PartitionConflict, UnreadableFile
from data_platform.lake.expiry import KEEP_SNAPSHOTS, expire
from data_platform.lake.files import files_by_partition
from data_platform.lake.upkeep.rollback import Rollback, plan_rollback
from data_platform.storage.errors import LakeError
from data_platform.tables.identity import TableId
from data_platform_tests.support.lake_home import MONDAY, SALES, TUESDAY, LakeHome


@pytest.fixture
def home(home: LakeHome) -> LakeHome:
    """Two versions of two days, with what each of them rejected."""
    home.make_rejecting()
    home.judge(
        {MONDAY: [1], TUESDAY: [1]}, bad={MONDAY: [-1], TUESDAY: [-1]}, repeated={MONDAY: [1]}
    )
    home.judge({MONDAY: [2], TUESDAY: [2]}, bad={MONDAY: [-2]}, repeated={TUESDAY: [2]})
    return home


def planned(
    home: LakeHome, to: int, partition: str | None = None, table: TableId = SALES
) -> Rollback | None:
    return plan_rollback(home.lake, home.builds, home.storage, table, to=to, partition=partition)


def rollback(
    home: LakeHome, to: int, partition: str | None = None, table: TableId = SALES
) -> Rollback:
    found = planned(home, to, partition, table)
    assert found
    found.apply()
    return found


def test_a_partition_comes_back_with_what_it_rejected(home: LakeHome):
    done = rollback(home, home.snapshots()[0], MONDAY)
    assert set(done.versions) == {MONDAY}
    assert home.numbers() == {MONDAY: [1], TUESDAY: [2]}
    assert home.rejected("quarantine") == {MONDAY: [-1]}
    assert home.rejected("duplicates") == {MONDAY: [1], TUESDAY: [2]}


def test_a_table_comes_back_with_what_it_rejected(home: LakeHome):
    rollback(home, home.snapshots()[0])
    assert home.numbers() == {MONDAY: [1], TUESDAY: [1]}
    assert home.rejected("quarantine") == {MONDAY: [-1], TUESDAY: [-1]}
    assert home.rejected("duplicates") == {MONDAY: [1]}


def test_a_rollback_can_be_rolled_back(home: LakeHome):
    rollback(home, home.snapshots()[0])
    rollback(home, home.snapshots()[1])
    assert home.numbers() == {MONDAY: [2], TUESDAY: [2]}
    assert home.rejected("quarantine") == {MONDAY: [-2]}
    assert home.rejected("duplicates") == {TUESDAY: [2]}


def test_a_partition_that_was_not_there_yet_goes_away(home: LakeHome):
    home.judge({"2011-03-09": [3]}, bad={"2011-03-09": [-3]})
    rollback(home, home.snapshots()[1], "2011-03-09")
    assert "2011-03-09" not in home.numbers()
    # a version without rows: what was built from it is stale, and follows
    assert files_by_partition(home.lake.load(SALES))["2011-03-09"][0].record_count == 0
    assert "2011-03-09" not in home.rejected("quarantine")


def test_a_held_back_attempts_rejected_rows_do_not_come_back(home: LakeHome):
    home.judge({MONDAY: [3]}, bad={MONDAY: [-3]}, held_back={MONDAY: "too many"})
    rollback(home, home.snapshots()[0], MONDAY)
    assert home.rejected("quarantine") == {MONDAY: [-1]}


def test_nothing_is_committed_where_nothing_differs(home: LakeHome):
    before = home.snapshots()
    assert planned(home, before[-1]) is None
    assert home.snapshots() == before


def test_the_table_of_the_same_name_in_another_layer_is_left_alone(home: LakeHome):
    bronze = TableId.parse("bronze/shop/sales")
    home.make(bronze)
    home.write({MONDAY: [1]}, table=bronze)
    home.write({MONDAY: [2]}, table=bronze)
    rollback(home, home.snapshots(bronze)[0], table=bronze)
    assert home.numbers(bronze) == {MONDAY: [1]}
    assert home.rejected("quarantine") == {MONDAY: [-2]}


def test_an_unknown_snapshot_is_refused_with_those_there_are(home: LakeHome):
    with pytest.raises(LakeError, match=rf"no snapshot 7; its newest are .*{home.snapshots()[-1]}"):
        planned(home, 7)


def test_an_unknown_partition_is_refused(home: LakeHome):
    with pytest.raises(LakeError, match="no partition 1999-01-01"):
        planned(home, home.snapshots()[0], "1999-01-01")
    assert home.numbers() == {MONDAY: [2], TUESDAY: [2]}


def test_a_version_comes_back_whole_after_expiry_or_its_loss_is_said(home: LakeHome):
    """The quarantine remembers as long as its table does, however few commits of its own."""
    home.make(properties={KEEP_SNAPSHOTS: "3"})
    first = home.snapshots()[0]
    home.judge({"2011-03-09": [3]})
    expire(home.lake, SALES, dt.datetime.now(dt.UTC))
    assert home.snapshots()[0] == first
    rollback(home, first)
    assert home.rejected("quarantine") == {MONDAY: [-1], TUESDAY: [-1]}


def test_rejected_rows_that_are_forgotten_stop_the_rollback(home: LakeHome):
    beside = home.lake.load(SALES.sibling("quarantine"))
    beside.maintenance.expire_snapshots().by_ids([beside.snapshots()[0].snapshot_id]).commit()
    before = home.snapshots()
    with pytest.raises(LakeError, match="remembers 0 of the 1 rows that 2011-03-07 rejected"):
        rollback(home, before[0], MONDAY)
    assert home.snapshots() == before
    assert home.rejected("quarantine") == {MONDAY: [-2]}


def test_a_version_whose_file_is_gone_does_not_come_back(home: LakeHome):
    first = home.snapshots()[0]
    [file] = files_by_partition(home.lake.load(SALES), [MONDAY], first)[MONDAY]
    home.place.delete(file.file_path)
    with pytest.raises(UnreadableFile, match="not there"):
        rollback(home, first, MONDAY)
    assert home.numbers() == {MONDAY: [2], TUESDAY: [2]}


def test_a_rollback_that_loses_a_race_leaves_the_winners_rejected_rows(home: LakeHome):
    found = planned(home, home.snapshots()[0], MONDAY)
    assert found
    home.judge({MONDAY: [9]}, bad={MONDAY: [-9]})
    with pytest.raises(PartitionConflict):
        found.apply()
    assert home.numbers()[MONDAY] == [9]
    assert home.rejected("quarantine") == {MONDAY: [-9]}
