from data_platform.lake.catalog import Lake
from data_platform.lake.files import versions
from data_platform.lake.look import Look
from data_platform.tables.identity import TableId
from data_platform_tests.lake.home import MONDAY, SALES, TUESDAY, Home


def remove_manifests(lake: Lake, table: TableId) -> None:
    """So that whoever would read one again fails."""
    loaded = lake.load(table)
    snapshot = loaded.current_snapshot()
    assert snapshot
    for manifest in snapshot.manifests(loaded.io):
        loaded.io.delete(manifest.manifest_path)


def test_a_look_reads_each_manifest_once_and_the_next_one_finds_what_is_new(home: Home) -> None:
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


def test_a_table_that_was_never_written_has_no_files(home: Home) -> None:
    assert Look(home.lake).files(TableId("silver", "shop", "none")) == {}
