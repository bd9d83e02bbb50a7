from data_platform.lake.snapshots import current_snapshot_id, has_snapshot, summaries
from data_platform.lake.writing.publish import ATTEMPT
from data_platform_tests.support.lake_home import MONDAY, SALES, TUESDAY, LakeHome


def test_a_table_that_was_never_written_has_no_snapshot(home: LakeHome) -> None:
    table = home.make()

    assert current_snapshot_id(table) is None
    assert list(summaries(table)) == []


def test_each_snapshot_says_which_attempt_published_it(home: LakeHome) -> None:
    home.make()
    home.write({MONDAY: [1]})
    home.write({TUESDAY: [2]})
    table = home.lake.load(SALES)

    first, last = home.snapshots()

    assert current_snapshot_id(table) == last
    assert has_snapshot(table, first)
    assert not has_snapshot(table, first + last)
    assert len({summary[ATTEMPT] for summary in summaries(table)}) == 2
