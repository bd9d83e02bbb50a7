"""An environment's life with metadata in PostgreSQL and files in an object store, and production's
catalog in that database or in Glue."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from pyspark.sql import SparkSession

from data_platform.databases.fencing import lease_of
from data_platform.databases.urls import with_driver
from data_platform.domains.retail.bronze import order_lines as bronze
from data_platform.domains.retail.gold import daily_sales
from data_platform.domains.retail.silver import order_lines as silver
from data_platform.operations.environment_diff import diff
from data_platform.operations.environments import create, drop, listed
from data_platform.operations.promotion import promote
from data_platform.operations.repair import stale_partitions
from data_platform.runs.in_process import TablesBusy
from data_platform.runs.liveness import hold
from data_platform_tests.support.environments import (
    DAYS,
    NAME,
    changed,
    clean_at_once,
    everything,
    hashes,
    own_files,
    production,
    within,
)
from data_platform_tests.support.homes import BRONZE, SALES, SILVER, Home

pytestmark = pytest.mark.integration


@pytest.fixture(params=["in_database", "in_glue"])
def home(spark: SparkSession, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    tables = (bronze, silver, daily_sales)
    with production(request, request.param, tmp_path / "home", *tables) as home:
        yield home


def schemas(home: Home) -> set[str]:
    engine = sa.create_engine(with_driver(home.settings.ledger_uri), poolclass=sa.NullPool)
    return {name for name in sa.inspect(engine).get_schema_names() if name.startswith("env")}


def test_an_environment_is_made_built_promoted_and_dropped(home: Home) -> None:
    before, rows, versions = hashes(home), everything(home), home.versions()

    create(home.platform, NAME)

    assert schemas(home) == {f"environment_{NAME}"}
    assert len(own_files(home)) == len(rows) and hashes(home) == before
    with within(home) as inner:
        assert everything(inner) == rows
        assert inner.run() == []
    with within(home, changed()) as inner:
        assert all(ran.success for ran in inner.run())
        assert inner.changed(versions) == {BRONZE: set(), SILVER: set(DAYS), SALES: set(DAYS)}
        built = everything(inner)
    assert hashes(home) == before and everything(home) == rows
    assert home.run() == []

    newer = home.declaring(changed())
    [silver_diff, sales_diff] = diff(newer.platform, newer.tables, NAME).tables
    assert [silver_diff.built[0].rows_after, sales_diff.built[0].rows_after] == [203, 2]

    assert promote(newer.scope, NAME).complete

    assert everything(newer) == built
    assert stale_partitions(newer.platform, newer.tables) == []
    assert newer.run() == []

    assert drop(newer.platform, NAME).kept > 0

    assert schemas(home) == set() and [each["state"] for each in listed(home.platform)] == ["kept"]
    clean_at_once(newer)
    assert everything(newer) == built


def test_rows_recorded_in_an_environment_are_numbered_after_those_it_began_with(
    home: Home,
) -> None:
    create(home.platform, NAME)
    known = home.platform.builds.latest(silver.id)
    with within(home, changed()) as inner:
        assert all(ran.success for ran in inner.run())
        latest = inner.platform.builds.latest(silver.id)
    assert min(b.sequence for b in latest.values()) > max(b.sequence for b in known.values())
    assert home.platform.builds.latest(silver.id) == known


def test_an_environment_whose_run_was_killed_is_dropped_once_it_counts_as_dead(
    home: Home,
) -> None:
    create(home.platform, NAME)
    short = Home(replace(home.settings, run_lease=1), home.instance, home.tables, home.place)
    leases = short.platform.inside(NAME).leases
    assert leases
    leases.take(lease_of("run00001"), "a pod that is gone")

    assert drop(short.platform, NAME).kept == 0

    assert schemas(home) == set() and listed(home.platform) == []


def test_an_environment_with_a_run_that_beats_is_not_dropped(home: Home) -> None:
    create(home.platform, NAME)
    short = Home(replace(home.settings, run_lease=1), home.instance, home.tables, home.place)
    with (
        hold(short.platform.inside(NAME), "run00001"),
        pytest.raises(TablesBusy, match="run run00001 is at work"),
    ):
        drop(short.platform, NAME)
    assert [each["state"] for each in listed(home.platform)] == ["ready"]
