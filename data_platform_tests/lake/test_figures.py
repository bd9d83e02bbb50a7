"""Figures of a table's times, from its metadata."""

from pathlib import Path

import pytest
from pyspark.sql import types as T

from data_platform.lake.attempts import RunFigures, of_runs
from data_platform.lake.figures import periods
from data_platform.lake.files import files_by_partition
from data_platform_tests.support.lake_home import MONDAY, SALES, TUESDAY, WEDNESDAY, LakeHome

BY_DAY = {MONDAY: [1], TUESDAY: [2, 3], WEDNESDAY: []}


@pytest.fixture
def home(tmp_path: Path) -> LakeHome:
    home = LakeHome(tmp_path)
    home.make()
    home.write(BY_DAY)
    return home


@pytest.mark.parametrize("most", [1, 2, 3, 10])
def test_no_more_partitions_are_told_than_wanted_in_the_order_of_their_keys(
    home: LakeHome, most: int
) -> None:
    table = home.lake.load(SALES)
    found = periods(table, files_by_partition(table), most)

    rows = [(key, len(numbers)) for key, numbers in sorted(BY_DAY.items())]
    assert [(each.label, each.rows) for each in found] == rows[:most]
    assert all(each.keys == (each.label,) and each.bytes > 0 for each in found)


def test_nulls_are_counted_for_each(home: LakeHome) -> None:
    table = home.lake.load(SALES)
    found = {each.label: each for each in periods(table, files_by_partition(table), 3)}

    assert found[TUESDAY].null_rates == {"n": 0.0}
    assert found[WEDNESDAY].null_rates == {}  # no rows


def test_a_table_without_partitions_is_one(tmp_path: Path) -> None:
    home = LakeHome(tmp_path)
    home.make(schema=T.StructType([T.StructField("n", T.LongType())]), partition_by=())
    table = home.lake.load(SALES)

    assert periods(table, files_by_partition(table), 5) == []


def test_what_runs_published_is_told_by_run(home: LakeHome) -> None:
    home.write({MONDAY: [4, 5]}, run="run00002")

    found = of_runs(home.builds, SALES, ["run00001", "run00002", "unknown"])
    assert found == {"run00001": RunFigures(3, 3, 0, 0), "run00002": RunFigures(1, 2, 0, 0)}
