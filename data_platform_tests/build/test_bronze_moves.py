"""Rows that another declaration gives to another day leave theirs together with that one."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from pyspark.sql import SparkSession

from data_platform.build.bronze import build_bronze
from data_platform.build.planning import plan
from data_platform.build.result import publish_step
from data_platform.landing.arrivals.listing import tick
from data_platform.runs.arrivals import due_of_bronze, record_arrivals
from data_platform.tables.outcomes import DATA
from data_platform_tests.support.bronze_loads import DAY, OTHER_DAY, load
from data_platform_tests.support.faults import Faults
from data_platform_tests.support.local_spark import LocalSpark
from data_platform_tests.support.places import Place
from data_platform_tests.support.small_shop import RECEIVED, SHOP, SmallShop


@pytest.fixture
def shop(tmp_path: Path, place: Place) -> SmallShop:
    return SmallShop(tmp_path / "home", place)


def test_a_day_gives_up_no_rows_that_the_day_they_move_to_cannot_be_published_with(
    shop: SmallShop,
) -> None:
    shop.land(DAY, ["a,1"])
    load(shop)
    shop.place.delete(f"{shop.place.root}/landing/shop/{DAY}.csv")  # bronze alone has its rows
    moved = replace(RECEIVED, source=replace(RECEIVED.source, partition=lambda _: OTHER_DAY))
    platform = shop.platform()
    tick(platform.bucket, [SHOP], platform.ledger, dt.datetime.now(dt.UTC), 7)
    record_arrivals(platform, [moved], dt.datetime.now(dt.UTC), redeclared=True)
    planned = plan(moved, platform, [DAY, OTHER_DAY], only_stale=True)
    spark = cast(SparkSession, LocalSpark(Faults()))
    result = build_bronze(moved, planned, platform, spark, "run")
    [taken] = [file for file in result.write.staged.files[DATA] if file.rows]
    assert taken.key == OTHER_DAY
    shop.place.write(taken.path.removeprefix("file://"), b"PAR1")

    publication = publish_step(platform.lake, platform.builds, platform.ledger, result)

    assert publication.partitions == {}
    assert f"its rows go to {OTHER_DAY}" in publication.write.held_back[DAY]
    assert [str(row[0]) for row in shop.rows(RECEIVED.id)] == [DAY]
    assert due_of_bronze(moved, platform).keys == (DAY, OTHER_DAY)
    assert load(shop, moved) == {}
    assert [str(row[0]) for row in shop.rows(RECEIVED.id)] == [OTHER_DAY]
    assert due_of_bronze(moved, platform).keys == ()
