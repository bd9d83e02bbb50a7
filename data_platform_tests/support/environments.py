"""A home in a virtual environment of another one, and what a change of code in it is."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from data_platform.assets import JudgedTable, Table
from data_platform.domains.retail.silver import order_lines as silver
from data_platform.lake.upkeep.clean import clean
from data_platform.operations.environments import left_warehouses
from data_platform.operations.repair import instance_of
from data_platform.settings.environment import environment_kept
from data_platform.settings.virtual import inside
from data_platform_tests.support.homes import Home

NAME = "pr_42"


@contextmanager
def within(home: Home, *tables: Table, name: str = NAME) -> Iterator[Home]:
    """The same declarations with these `tables` in the environment, which exists."""
    inner = home.declaring(*tables)
    settings = inside(home.settings, name)
    with environment_kept(), instance_of(home.platform.inside(name)) as instance:
        yield Home(settings, instance, inner.tables, home.place)


def in_lower_case(bronze: DataFrame) -> DataFrame:
    """Order lines as they are, their descriptions in lower case."""
    return silver(bronze).withColumn("description", F.lower("description"))


def changed() -> JudgedTable:
    """Silver order lines under another function."""
    return replace(silver, function=in_lower_case)


def clean_at_once(home: Home) -> set[str]:
    """What `data-platform clean` deletes, without a period of grace."""
    platform = home.platform
    found = clean(
        platform.lake,
        platform.storage,
        dt.datetime.now(dt.UTC),
        dt.timedelta(0),
        spared=platform.builds.staged_files,
        beside=platform.lakes_beside(),
        left=left_warehouses(platform),
    )
    return {file.path for _, file in found}
