import pytest

from data_platform.lake.errors import LakeError
from data_platform.lake.rollback import rollback
from data_platform.lake.table import TableId
from data_platform_tests.lake.home import MONDAY, SALES, TUESDAY, Home


@pytest.fixture
def home(home: Home) -> Home:
    """Two versions of two days, with what each of them rejected."""
    home.make_rejecting()
    home.judge(
        {MONDAY: [1], TUESDAY: [1]}, bad={MONDAY: [-1], TUESDAY: [-1]}, repeated={MONDAY: [1]}
    )
    home.judge({MONDAY: [2], TUESDAY: [2]}, bad={MONDAY: [-2]}, repeated={TUESDAY: [2]})
    return home


def test_a_partition_comes_back_with_what_it_rejected(home: Home):
    done = rollback(home.lake, SALES, to=home.snapshots()[0], partition=MONDAY)
    assert done and set(done.versions) == {MONDAY}
    assert home.numbers() == {MONDAY: [1], TUESDAY: [2]}
    assert home.rejected("quarantine") == {MONDAY: [-1]}
    assert home.rejected("duplicates") == {MONDAY: [1], TUESDAY: [2]}


def test_a_table_comes_back_with_what_it_rejected(home: Home):
    rollback(home.lake, SALES, to=home.snapshots()[0])
    assert home.numbers() == {MONDAY: [1], TUESDAY: [1]}
    assert home.rejected("quarantine") == {MONDAY: [-1], TUESDAY: [-1]}
    assert home.rejected("duplicates") == {MONDAY: [1]}


def test_a_rollback_can_be_rolled_back(home: Home):
    rollback(home.lake, SALES, to=home.snapshots()[0])
    rollback(home.lake, SALES, to=home.snapshots()[1])
    assert home.numbers() == {MONDAY: [2], TUESDAY: [2]}
    assert home.rejected("quarantine") == {MONDAY: [-2]}
    assert home.rejected("duplicates") == {TUESDAY: [2]}


def test_a_partition_that_was_not_there_yet_goes_away(home: Home):
    home.judge({"2011-03-09": [3]}, bad={"2011-03-09": [-3]})
    done = rollback(home.lake, SALES, to=home.snapshots()[1], partition="2011-03-09")
    assert done and done.versions == {"2011-03-09": None}
    assert "2011-03-09" not in home.numbers()
    assert "2011-03-09" not in home.rejected("quarantine")


def test_a_held_back_attempts_rejected_rows_do_not_come_back(home: Home):
    home.judge({MONDAY: [3]}, bad={MONDAY: [-3]}, held_back={MONDAY: "too many"})
    rollback(home.lake, SALES, to=home.snapshots()[0], partition=MONDAY)
    assert home.rejected("quarantine") == {MONDAY: [-1]}


def test_nothing_is_committed_where_nothing_differs(home: Home):
    before = home.snapshots()
    assert rollback(home.lake, SALES, to=before[-1]) is None
    assert home.snapshots() == before


def test_the_table_of_the_same_name_in_another_layer_is_left_alone(home: Home):
    bronze = TableId.parse("bronze/shop/sales")
    home.make(bronze)
    home.write({MONDAY: [1]}, table=bronze)
    home.write({MONDAY: [2]}, table=bronze)
    rollback(home.lake, bronze, to=home.snapshots(bronze)[0])
    assert home.numbers(bronze) == {MONDAY: [1]}
    assert home.rejected("quarantine") == {MONDAY: [-2]}


def test_an_unknown_snapshot_is_refused_with_those_there_are(home: Home):
    with pytest.raises(LakeError, match=rf"no snapshot 7; its newest are .*{home.snapshots()[-1]}"):
        rollback(home.lake, SALES, to=7)


def test_an_unknown_partition_is_refused(home: Home):
    with pytest.raises(LakeError, match="no partition 1999-01-01"):
        rollback(home.lake, SALES, to=home.snapshots()[0], partition="1999-01-01")
    assert home.numbers() == {MONDAY: [2], TUESDAY: [2]}
