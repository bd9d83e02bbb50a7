import pytest

from data_platform.lake.files import files_by_partition
from data_platform.lake.upkeep.drop import drop, partition_of, tables_of
from data_platform.storage.errors import LakeError
from data_platform.tables.identity import TableId
from data_platform_tests.support.lake_home import MONDAY, SALES, TUESDAY, LakeHome

OTHER = TableId.parse("gold/shop/sales")


@pytest.fixture
def home(home: LakeHome) -> LakeHome:
    """Two days with what each of them rejected, and another table of the same name."""
    home.make_rejecting()
    home.judge({MONDAY: [1], TUESDAY: [2]}, bad={MONDAY: [-1], TUESDAY: [-2]})
    home.make(OTHER)
    return home


def test_a_table_goes_with_what_it_rejected_and_its_files_stay(home: LakeHome):
    tables = [table for _, table in tables_of(home.lake, SALES)]
    files = [file for t in tables for group in files_by_partition(t).values() for file in group]
    assert len(tables) == 3 and files

    drop(home.lake, SALES, None)
    drop(home.lake, SALES, None)  # repeating it changes nothing

    assert tables_of(home.lake, SALES) == []
    assert home.lake.tables() == [OTHER]
    sizes = home.storage.sizes([file.file_path for file in files])
    assert sizes == [file.file_size_in_bytes for file in files]


def test_a_partition_goes_with_what_it_rejected_and_the_others_stay(home: LakeHome):
    before = home.snapshots()[-1]

    drop(home.lake, SALES, MONDAY)
    after = home.snapshots()
    drop(home.lake, SALES, MONDAY)

    assert home.snapshots() == after  # nothing was left to drop
    assert home.numbers() == {TUESDAY: [2]}
    assert set(files_by_partition(home.lake.load(SALES))) == {TUESDAY}
    assert home.rejected("quarantine") == {TUESDAY: [-2]}
    assert home.numbers(snapshot=before) == {MONDAY: [1], TUESDAY: [2]}


def test_what_has_no_such_partition_is_refused(home: LakeHome):
    assert partition_of(home.lake, SALES, MONDAY) == MONDAY
    with pytest.raises(LakeError, match="not a partition"):
        partition_of(home.lake, SALES, "EIRE")
    home.make(TableId.parse("gold/shop/whole"), partition_by=())
    with pytest.raises(LakeError, match="without --partition"):
        partition_of(home.lake, TableId.parse("gold/shop/whole"), MONDAY)
