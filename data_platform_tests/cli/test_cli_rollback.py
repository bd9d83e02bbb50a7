"""`data-platform rollback`, and the runs that follow one."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from click.testing import CliRunner
from pyspark.sql import SparkSession

from data_platform.cli.main import main
from data_platform.domains.retail.bronze import order_lines as bronze
from data_platform.domains.retail.gold import customer_segments, daily_sales
from data_platform.domains.retail.silver import order_lines as silver
from data_platform.operations.repair import stale_partitions
from data_platform_tests.support.homes import (
    BRONZE,
    SALES,
    SEGMENTS,
    SILVER,
    Home,
    csv,
    home_at,
    key_of,
    shop_lines,
)
from data_platform_tests.support.places import place_of

# What a rollback does to a catalog does not depend on where files are: the runs take the time.
PLACES = ("directory", pytest.param("versitygw", marks=pytest.mark.soak))


@pytest.fixture(scope="module", params=PLACES)
def home(
    request: pytest.FixtureRequest, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Home]:
    """A day of order lines and its sales: small, since what follows takes several runs."""
    directory = tmp_path_factory.mktemp("rollback") / "home"
    place = place_of(request, request.param, directory)
    with home_at(directory, (bronze, silver, daily_sales), place) as home:
        home.land(key_of("2011-06-06"), csv(shop_lines("2011-06-06")))
        assert all(ran.success for ran in home.run())
        yield home


def _history(home: Home, table: str) -> list[dict]:
    return json.loads(_called(home, "history", table, "--json"))


def _stale(home: Home) -> list[tuple[str, str, str]]:
    """What the command says of the home's tables; others are declared, and were never built."""
    rows = json.loads(_called(home, "stale", "--json"))
    own = [str(table.id) for table in home.tables]
    return [(row["table"], row["partition"], row["why"]) for row in rows if row["table"] in own]


def _called(home: Home, *arguments: object) -> str:
    """What a command prints on that home."""
    env = {"DATA_PLATFORM_HOME": str(home.settings.home), **home.place.environment}
    result = CliRunner().invoke(main, [str(a) for a in arguments], env=env)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def test_a_rollback_brings_a_partition_back_and_makes_what_is_below_it_stale(home: Home) -> None:
    home = replace(home, tables=(*home.tables, customer_segments))
    day, month = "2011-06-09", "2011-06-01"
    home.land(key_of(day), csv([*shop_lines(day, 120), f"{shop_lines(day, 1)[0]},extra"]))
    home.run()
    snapshot = _history(home, SILVER)[0]["snapshot"]
    before, quarantined = home.versions(), home.quarantined(day)
    assert len(quarantined) == 1
    home.land(key_of(day), csv(shop_lines(day, 4)))
    home.run()
    assert (home.counts(SILVER)[day], home.quarantined(day)) == (4, {})
    assert _stale(home) == []

    said = _called(home, "rollback", SILVER, "--partition", day, "--to", snapshot)

    entry = home.platform.trail.entries()[-1]
    assert (entry.action, entry.outcome) == ("rollback", "done")
    assert (entry.tables, entry.partitions) == (SILVER, day)
    assert f"{SILVER}: 1 partition as in snapshot {snapshot} again" in said
    assert f"stale now: {SALES}, 1 partition" in said
    assert home.versions()[SILVER] == before[SILVER]
    assert home.quarantined(day) == quarantined
    event = home.materialized(SILVER)[day]
    assert event.metadata["rolled_back_to"].value == str(snapshot)
    assert event.metadata["dagster/partition_row_count"].value == home.counts(SILVER)[day] == 120
    told = None
    for name in ("volume", "rules", "conservation"):
        told = home.check(SILVER, name, day)
        assert told and told.passed and told.target_materialization_data
    assert told and f"rolled back to {snapshot}" in (told.description or "")
    # A person chose the version of silver, so that it is not stale itself.
    assert set(_stale(home)) == {
        (SALES, day, "inputs changed"),
        (SEGMENTS, month, "inputs changed"),
    }
    assert day in _called(home, "stale")

    home.run()
    assert _stale(home) == []
    assert home.versions()[SILVER] == before[SILVER]
    again = _called(home, "rollback", SILVER, "--partition", day, "--to", snapshot)
    assert "nothing differs" in again


def test_what_still_waits_is_loaded_after_a_rollback_of_bronze(home: Home) -> None:
    day = "2011-06-08"
    home.land(key_of(day), csv(shop_lines(day, 3)))
    home.run()
    snapshot = _history(home, BRONZE)[0]["snapshot"]
    home.land(key_of(day), csv(shop_lines(day, 4)))
    home.run()
    home.land(key_of(day, "-late"), csv(shop_lines(day, 2, first=10)))
    home.record()

    _called(home, "rollback", BRONZE, "--partition", day, "--to", snapshot)
    assert home.counts(BRONZE)[day] == 3
    home.run()
    assert home.counts(BRONZE)[day] == home.counts(SILVER)[day] == 6


def test_a_partition_rolled_back_to_before_it_existed_stays_away_until_something_lands(
    home: Home,
) -> None:
    day = "2011-06-07"
    snapshot = _history(home, SILVER)[0]["snapshot"]
    home.land(key_of(day), csv(shop_lines(day, 3)))
    home.run()
    assert home.counts(SILVER)[day] == 3

    _called(home, "rollback", SILVER, "--partition", day, "--to", snapshot)
    home.run()
    assert (home.counts(BRONZE)[day], home.counts(SILVER)[day]) == (3, 0)
    assert home.counts(SALES)[day] == 0  # what was built from it follows
    assert stale_partitions(home.platform, home.tables) == []

    home.land(key_of(day, "-late"), csv(shop_lines(day, 1, first=3)))
    home.run()
    assert home.counts(SILVER)[day] == 4
