"""The shop's first two tables with the partitions of the last days, and rules of freshness."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import dagster as dg

from data_platform.assets import bronze
from data_platform.contracts.freshness import FreshWithin
from data_platform.domains.retail.landing import ONLINE_RETAIL
from data_platform.domains.retail.silver import order_lines
from data_platform_tests.support.homes import Home, csv, home_at, key_of, shop_lines

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
BY_PARTITIONS = FreshWithin(warn=24 * HOUR, error=36 * HOUR)
BY_LANDING = FreshWithin(error=HOUR, by="landing")


@contextmanager
def recent_shop(directory: Path, rule: FreshWithin = BY_PARTITIONS) -> Iterator[Home]:
    """A home of two tables: bronze by what has landed, silver by a rule."""
    days = dg.DailyPartitionsDefinition((dt.datetime.now(dt.UTC) - 20 * DAY).strftime("%Y-%m-%d"))
    received = bronze(
        source=ONLINE_RETAIL,
        partitions=days,
        owner="team:retail",
        description="Rows as received.",
        freshness=BY_LANDING,
    )
    with home_at(directory, (received, replace(order_lines, partitions=days, freshness=rule))) as h:
        yield h


def days_ago(number: int) -> str:
    """The partition of a day before today."""
    return f"{dt.datetime.now(dt.UTC).date() - number * DAY}"


def load(home: Home, *numbers: int) -> None:
    """Land the files of these days before today, and build them."""
    for number in numbers:
        day = days_ago(number)
        home.land(key_of(day), csv(shop_lines(day)))
    home.run()
