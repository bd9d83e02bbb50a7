"""A home in a virtual environment of another one, and what a change of code in it is."""

import datetime as dt
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from data_platform.assets import JudgedTable, Table
from data_platform.build.platform import Platform
from data_platform.domains.retail.silver import order_lines as silver
from data_platform.lake.expiry import KEEP_SNAPSHOTS, expire_all
from data_platform.lake.upkeep.clean import clean
from data_platform.operations.environments import left_warehouses
from data_platform.operations.repair import instance_of
from data_platform.settings.environment import environment_kept
from data_platform.settings.virtual import inside
from data_platform_tests.support.homes import Home, csv, home_at, key_of, shop_lines
from data_platform_tests.support.places import place_of

NAME = "pr_42"
DAYS = ("2011-03-07", "2011-03-08")
# With metadata in files; and with tables in Glue, as long runs.
_IN_GLUE = pytest.param("in_glue", marks=(pytest.mark.integration, pytest.mark.soak))
IN_EACH = pytest.mark.parametrize("metadata", ["in_files", _IN_GLUE])


@contextmanager
def production(
    request: pytest.FixtureRequest, metadata: str, directory: Path, *tables: Table
) -> Iterator[Home]:
    """A home that has two days, built: `in_files`; or with files in an object store and metadata
    `in_database`, or the tables' `in_glue` and the rest in that database."""
    if metadata == "in_files":
        at = home_at(directory, tables)
    else:
        place = place_of(request, "versitygw", directory)
        database = request.getfixturevalue("new_postgres_url")()
        catalog = request.getfixturevalue("empty_glue") if metadata == "in_glue" else database
        at = home_at(directory, tables, place, database, catalog=catalog)
    with at as home:
        land_two_days(home)
        assert all(ran.success for ran in home.run())
        yield home


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


def clean_at_once(home: Home, platform: Platform | None = None) -> set[str]:
    """What `data-platform clean` deletes, without a period of grace."""
    platform = platform or home.platform
    found = clean(
        platform.lake,
        platform.storage,
        dt.datetime.now(dt.UTC),
        dt.timedelta(0),
        spared=platform.builds.staged_files,
        beside=platform.lakes_beside,
        left=lambda: left_warehouses(platform),
    )
    return {file.path for _, file in found}


def land_two_days(home: Home) -> None:
    """The first with a duplicate and a rejected row."""
    lines = shop_lines(DAYS[0], 200)
    bad = lines[0].replace(",1.25,", ",cheap,")
    home.land(key_of(DAYS[0]), csv([*lines, lines[0], bad]))
    home.land(key_of(DAYS[1]), csv(shop_lines(DAYS[1])))


def everything(home: Home) -> dict[str, list[dict]]:
    """Every row that readers see, in an order of its own."""
    names = [str(table) for table in home.platform.lake.tables()]
    return {name: sorted(home.read(name).to_pylist(), key=repr) for name in names}


def hashes(home: Home) -> dict[str, str]:
    """Every file of production's tables, by its content."""
    place = home.place
    found = {uri for uri in place.files("/warehouse") if "/_environments/" not in uri}
    return {uri: hashlib.sha256(place.read(uri)).hexdigest() for uri in found}


def own_files(home: Home) -> set[str]:
    """The files of the environment."""
    return home.place.files(f"/warehouse/_environments/{NAME}")


def forget_history(home: Home) -> None:
    """Expire all snapshots but the current ones, as far as an environment lets go of them."""
    lake = home.platform.lake
    for table_id in lake.tables():
        with lake.load(table_id).transaction() as change:
            change.set_properties({KEEP_SNAPSHOTS: "1"})
    expire_all(lake, dt.datetime.now(dt.UTC))
