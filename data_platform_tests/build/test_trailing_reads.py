"""A window of days reads, of a long table, the files and manifests that have its days."""

import dagster as dg
import pytest
from pyspark.sql import DataFrame

from data_platform.build.planning import plan
from data_platform.build.platform import Platform
from data_platform.lake.files import key_of, partitioning_of
from data_platform.tables.partition_times import as_property, times_of
from data_platform_tests.support.days_of_sales import table_of
from data_platform_tests.support.lake_home import SALES, LakeHome

PARTITIONS = dg.DailyPartitionsDefinition("2010-01-01", end_date="2011-08-24")
DAYS = [*PARTITIONS.get_partition_keys()]
COMMITTED, BACK = 50, 28  # days in a commit, which makes a manifest of its own; days before
AT = 410  # its window begins in the commit before its own
WINDOW = DAYS[AT - BACK : AT + 1]


def _answers(sales: DataFrame) -> DataFrame:
    """Of the sales of a window."""
    return sales


@pytest.fixture
def lake_home(platform: Platform) -> LakeHome:
    """600 days of sales; some were published again."""
    home = LakeHome(platform.settings.home)
    home.make(properties=as_property(times_of(PARTITIONS, ("day",))))
    for start in range(0, len(DAYS), COMMITTED):
        home.write({day: [1] for day in DAYS[start : start + COMMITTED]})
    for again in (100, 390, 500):
        home.write({DAYS[again]: [2]})
    return home


def test_a_days_plan_has_exactly_the_files_of_its_window(
    platform: Platform, lake_home: LakeHome
) -> None:
    table = table_of(_answers, back=BACK, partitions=PARTITIONS)

    files = plan(table, platform, [DAYS[AT]], only_stale=True).read_plan(platform, "sales").files

    of_window = f"day >= '{WINDOW[0]}' and day <= '{WINDOW[-1]}'"
    by_pyiceberg = lake_home.lake.load(SALES).scan(of_window).plan_files()
    assert sorted(file.file_path for file in files) == sorted(
        task.file.file_path for task in by_pyiceberg
    )
    assert len(files) == len(WINDOW)


def test_a_days_plan_opens_no_manifest_without_a_day_of_its_window(
    platform: Platform, lake_home: LakeHome
) -> None:
    """The others are deleted, so that whoever opens one fails."""
    table = table_of(_answers, back=BACK, partitions=PARTITIONS)
    needed, deleted = _delete_manifests_without(lake_home, WINDOW)
    assert (needed, deleted) == (3, 15)

    planned = plan(table, platform, [DAYS[AT]], only_stale=True)

    assert planned.keys == (DAYS[AT],)
    assert planned.rows_of("sales", DAYS[AT]) == len(WINDOW)
    with pytest.raises(FileNotFoundError):
        plan(table, platform, [DAYS[AT - COMMITTED]], only_stale=True)


def _delete_manifests_without(home: LakeHome, days: list[str]) -> tuple[int, int]:
    """Delete the manifests that list none of the days; how many there were with and without."""
    loaded = home.lake.load(SALES)
    snapshot = loaded.current_snapshot()
    assert snapshot
    partitioning, without = partitioning_of(loaded), []
    manifests = snapshot.manifests(loaded.io)
    for manifest in manifests:
        files = [entry.data_file for entry in manifest.fetch_manifest_entry(loaded.io)]
        if {key_of(file, partitioning) for file in files}.isdisjoint(days):
            without.append(manifest.manifest_path)
    for path in without:
        loaded.io.delete(path)
    return len(manifests) - len(without), len(without)
