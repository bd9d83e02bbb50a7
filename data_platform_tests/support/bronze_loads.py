"""Two days of a small shop, loaded into bronze as a run does it, and nothing built of them."""

import datetime as dt
from typing import cast

from pyspark.sql import SparkSession

from data_platform.assets import BronzeTable
from data_platform.build.bronze import build_bronze
from data_platform.build.planning import plan
from data_platform.build.result import publish_step
from data_platform.lake.upkeep.browse import partition_rows
from data_platform.landing.arrivals.listing import tick
from data_platform_tests.support.faults import Faults
from data_platform_tests.support.local_spark import LocalSpark
from data_platform_tests.support.small_shop import RECEIVED, SHOP, SmallShop

DAY, OTHER_DAY = "2011-03-04", "2011-03-05"


def load(
    shop: SmallShop, table: BronzeTable = RECEIVED, faults: Faults | None = None
) -> dict[str, str]:
    """What landed, as a run loads it; why each partition that it held back was."""
    faults = faults or Faults()
    platform = shop.platform(faults)
    tick(platform.bucket, [table.source], platform.ledger, dt.datetime.now(dt.UTC), 7)
    planned = plan(table, platform, [DAY, OTHER_DAY], only_stale=True)
    if not planned.keys:
        return {}
    spark = cast(SparkSession, LocalSpark(faults))
    result = build_bronze(table, planned, platform, spark, "run")
    publish_step(platform.lake, platform.builds, platform.ledger, result)
    return dict(result.write.held_back)


def record_landed(shop: SmallShop) -> None:
    """As a sensor does; nothing is loaded."""
    platform = shop.platform()
    tick(platform.bucket, [SHOP], platform.ledger, dt.datetime.now(dt.UTC), 7)


def counts(shop: SmallShop) -> dict[str, int]:
    """Rows of bronze, by partition."""
    return partition_rows(shop.platform().lake, RECEIVED.id)


def delete(shop: SmallShop, name: str) -> None:
    """Delete a file of the landing directory."""
    shop.place.delete(f"{shop.place.root}/landing/shop/{name}.csv")
