from data_platform.lake.files import versions
from data_platform.lake.look import Look
from data_platform.tables.identity import TableId
from data_platform_tests.support.lake_home import MONDAY, SALES, TUESDAY, LakeHome, remove_manifests


def test_a_look_reads_each_manifest_once_and_the_next_one_finds_what_is_new(home: LakeHome) -> None:
    home.make()
    before = home.write({MONDAY: [1], TUESDAY: [2]}).attempt
    look = Look(home.lake)

    assert versions(look.files(SALES, [MONDAY])) == {MONDAY: before}
    after = home.write({MONDAY: [3]}).attempt
    assert versions(look.files(SALES)) == dict.fromkeys((MONDAY, TUESDAY), before)
    look = Look(home.lake)
    assert versions(look.files(SALES)) == {MONDAY: after, TUESDAY: before}

    remove_manifests(home.lake, SALES)
    assert versions(look.files(SALES, [TUESDAY])) == {TUESDAY: before}


def test_a_table_that_was_never_written_has_no_files(home: LakeHome) -> None:
    assert Look(home.lake).files(TableId("silver", "shop", "none")) == {}
