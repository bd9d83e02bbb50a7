"""What a silver step costs: a number of Spark jobs that does not grow with the days."""

import datetime as dt
from pathlib import Path
from typing import cast

from pyspark.sql import SparkSession

from data_platform.domains.retail.bronze import order_lines as bronze
from data_platform.domains.retail.silver import order_lines as silver
from data_platform.lake.publish import publish
from data_platform.landing.intake import tick
from data_platform.platform_defs.bronze import build_bronze
from data_platform.platform_defs.planning import plan
from data_platform.platform_defs.steps import build
from data_platform_tests.fakes import Faults, LocalSpark
from data_platform_tests.platform_defs.homes import Home, csv, home_at, key_of, shop_lines

DAYS = [f"2011-03-0{number}" for number in range(1, 6)]


def _received(home: Home) -> None:
    """Five days in bronze; each with a row that is rejected and one that comes twice."""
    for day in DAYS:
        lines = shop_lines(day, 4)
        home.land(key_of(day), csv([*lines, lines[0], f"{lines[1]},extra"]))
    assert bronze.source
    platform, now = home.platform, dt.datetime.now(dt.UTC)
    tick(platform.bucket, [bronze.source], platform.ledger, now, overlap_days=7)
    planned = plan(bronze, platform, DAYS, only_stale=True)
    local = cast(SparkSession, LocalSpark(Faults()))
    write = build_bronze(bronze, planned, platform, local, "received").write
    publish(platform.lake, platform.builds, write)


def _jobs(home: Home, spark: SparkSession, days: list[str]) -> int:
    """How many Spark jobs it takes to compute and stage these days."""
    planned = plan(silver, home.platform, days, only_stale=True)
    assert planned.keys == tuple(days)
    group = f"silver of {len(days)}"
    spark.sparkContext.setJobGroup(group, group)
    write = build(silver, planned, home.platform, spark, "run").write
    assert sum(f.rows for files in write.staged.files.values() for f in files) == 6 * len(days)
    return len(spark.sparkContext.statusTracker().getJobIdsForGroup(group))


def test_a_silver_step_takes_as_many_spark_jobs_for_five_days_as_for_one(
    spark: SparkSession, tmp_path: Path
) -> None:
    with home_at(tmp_path / "home", (bronze, silver)) as home:
        _received(home)

        assert _jobs(home, spark, DAYS) == _jobs(home, spark, DAYS[:1]) > 0
