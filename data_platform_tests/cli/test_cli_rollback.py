"""`data-platform rollback`, and the runs that follow one."""

import pytest

from data_platform_tests.support.command_line import Run, parsed
from data_platform_tests.support.homes import (
    BRONZE,
    SALES,
    SEGMENTS,
    SILVER,
    csv,
    key_of,
    shop_lines,
)
from data_platform_tests.support.loaded_shop import LoadedShop

# What a rollback does to a catalog does not depend on where files are: the runs take the time.
SHOP_PLACES = ("directory", pytest.param("versitygw", marks=pytest.mark.soak))


def test_a_rollback_brings_a_partition_back_and_makes_what_is_below_it_stale(
    run: Run, shop: LoadedShop
) -> None:
    home, day = shop.home, str(shop.day(-1))
    snapshot = parsed(run("history", SILVER, "--json"))[0]["snapshot"]
    before, quarantined = home.versions(), home.quarantined(day)
    home.land(key_of(day), csv(shop_lines(day, 4)))
    home.run()
    assert home.counts(SILVER)[day] == 4
    assert parsed(run("stale", "--json")) == []

    said = run("rollback", SILVER, "--partition", day, "--to", snapshot).output

    assert f"{SILVER}: 1 partition as in snapshot {snapshot} again" in said
    assert f"stale now: {SALES}, 1 partition" in said
    assert home.versions()[SILVER] == before[SILVER]
    assert home.quarantined(day) == quarantined
    event = home.materialized(SILVER)[day]
    assert event.metadata["rolled_back_to"].value == str(snapshot)
    rows = event.metadata["dagster/partition_row_count"].value
    assert rows == home.counts(SILVER)[day] != 4
    told = None
    for name in ("volume", "rules", "conservation"):
        told = home.check(SILVER, name, day)
        assert told and told.passed and told.target_materialization_data
    assert told and f"rolled back to {snapshot}" in (told.description or "")
    stale = parsed(run("stale", "--json"))
    assert {(row["table"], row["partition"], row["why"]) for row in stale} >= {
        (SALES, day, "inputs changed"),
        (SEGMENTS, "2011-03-01", "inputs changed"),
    }
    assert SILVER not in {row["table"] for row in stale}  # a person chose it
    assert day in run("stale").output

    home.run()
    assert parsed(run("stale", "--json")) == []
    assert home.versions()[SILVER] == before[SILVER]
    again = run("rollback", SILVER, "--partition", day, "--to", snapshot).output
    assert "nothing differs" in again


def test_what_still_waits_is_loaded_after_a_rollback_of_bronze(run: Run, shop: LoadedShop) -> None:
    home, day = shop.home, "2011-06-08"
    home.land(key_of(day), csv(shop_lines(day, 3)))
    home.run()
    snapshot = parsed(run("history", BRONZE, "--json"))[0]["snapshot"]
    home.land(key_of(day), csv(shop_lines(day, 4)))
    home.run()
    home.land(key_of(day, "-late"), csv(shop_lines(day, 2, first=10)))
    home.record()

    run("rollback", BRONZE, "--partition", day, "--to", snapshot)
    assert home.counts(BRONZE)[day] == 3
    home.run()
    assert home.counts(BRONZE)[day] == home.counts(SILVER)[day] == 6


def test_a_partition_rolled_back_to_before_it_existed_stays_away_until_something_lands(
    run: Run, shop: LoadedShop
) -> None:
    home, day = shop.home, "2011-06-07"
    snapshot = parsed(run("history", SILVER, "--json"))[0]["snapshot"]
    home.land(key_of(day), csv(shop_lines(day, 3)))
    home.run()
    assert home.counts(SILVER)[day] == 3

    run("rollback", SILVER, "--partition", day, "--to", snapshot)
    home.run()
    assert (home.counts(BRONZE)[day], home.counts(SILVER)[day]) == (3, 0)
    assert home.counts(SALES)[day] == 0  # what was built from it follows
    assert parsed(run("stale", "--json")) == []

    home.land(key_of(day, "-late"), csv(shop_lines(day, 1, first=3)))
    home.run()
    assert home.counts(SILVER)[day] == 4
