"""Sales by day, prices that are read whole, and a table of totals over both."""

import datetime as dt
import random

from data_platform.assets import JudgedTable
from data_platform.build.planning import plan_all
from data_platform.build.platform import Platform
from data_platform.quality.mapping import How
from data_platform_tests.support.sums import build_stale, declared, publish_rows

DAYS = ["30.10.2015", "31.10.2015", "01.11.2015"]
ON = dt.date(2015, 10, 30)

sales = declared("sales", "days", {"a": "silver/shop/else"})
prices = declared("prices", "whole", {"a": "silver/shop/else"})


def totals_over(b: How | str) -> JudgedTable:
    """The totals of a day: its sales, and `b` as it is read."""
    return declared("totals", "days", {"a": "gold/shop/sales", "b": b})


def build_due(platform: Platform, table: JudgedTable) -> None:
    """Build all of the table that is stale."""
    build_stale(platform, table, None, random.Random(1))


def stale_keys(platform: Platform, table: JudgedTable) -> list[str]:
    return list(plan_all(table, platform).keys)


def sold(platform: Platform, *days: str) -> None:
    """Publish a sale of 1 on each of these days."""
    publish_rows(platform, sales, {day: (ON, 1) for day in days}, None)


def priced(platform: Platform, price: int) -> None:
    """Publish another version of the prices."""
    publish_rows(platform, prices, {"": (ON, price)}, None)
