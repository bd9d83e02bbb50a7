"""What a run builds: one partition, a range, some of a range; and what it says of the others."""

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pandera.pyspark as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.assets import gold
from data_platform.build.failures import cause
from data_platform.contracts.columns import column
from data_platform.contracts.declare import contract
from data_platform.domains.retail.bronze import order_lines as bronze
from data_platform.domains.retail.gold import customer_segments, daily_sales
from data_platform.domains.retail.silver import order_lines as silver
from data_platform.landing.arrivals.listing import tick
from data_platform.platform_defs.resources import resources
from data_platform.runs.tags import ONLY_PARTITIONS, RANGE_END, RANGE_START
from data_platform_tests.support.asset_alone import asset_alone
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

# pandera reads a type and its arguments from the annotation, which is no type to a type checker.
# pyright: reportInvalidTypeForm=false

DAYS = [f"2011-03-0{number}" for number in range(1, 10)]
MONTH = "2011-03-01"
TOTALS = "gold/retail/totals"


@contract(table=TOTALS, owner="team:retail", version="1", lineage=False)
class Totals(pa.DataFrameModel):
    """One row: what there is."""

    lines: T.LongType = column(ge=0, description="order lines")


@gold(contract=Totals, partitions=None, ins={"order_lines": SILVER})
def totals(order_lines: DataFrame) -> DataFrame:
    """All lines, counted."""
    return order_lines.agg(F.count("*").alias("lines"))


TABLES = (bronze, silver, daily_sales, totals, customer_segments)
DAILY = (bronze, silver, daily_sales)


@pytest.fixture
def home(spark: SparkSession, tmp_path: Path) -> Iterator[Home]:
    with home_at(tmp_path / "home", TABLES) as home:
        yield home


def _arrive(home: Home, *days: str) -> None:
    """Files of five lines a day, known to the ledger and not loaded yet."""
    for day in days:
        home.land(key_of(day), csv(shop_lines(day, 5)))
    now = dt.datetime.now(dt.UTC)
    tick(home.platform.bucket, [bronze.source], home.platform.ledger, now, overlap_days=7)


def _materialize(home: Home, *tables, key: str | None = None) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [asset_alone(table) for table in TABLES],
        selection=[table.key for table in tables],
        partition_key=key,
        instance=home.instance,
        resources=resources(home.settings),
        raise_on_error=False,
    )


def test_one_partition_is_built_as_the_ui_asks_for_it(home: Home) -> None:
    _arrive(home, *DAYS[:2])

    job = home.definitions.resolve_job_def("retail_daily")
    daily = job.execute_in_process(instance=home.instance, partition_key=DAYS[0])
    job = home.definitions.resolve_job_def("retail_monthly")
    monthly = job.execute_in_process(instance=home.instance, partition_key=MONTH)

    assert daily.success and monthly.success
    assert home.counts(BRONZE) == home.counts(SILVER) == {DAYS[0]: 5}
    assert set(home.counts(SALES)) == set(home.materialized(SALES)) == {DAYS[0]}
    assert set(home.counts(SEGMENTS)) == set(home.materialized(SEGMENTS)) == {MONTH}
    assert set(home.materialized(BRONZE)) == {DAYS[0]}

    # together with a table that has no partitions
    second = _materialize(home, *DAILY, totals, key=DAYS[1])

    assert second.success
    assert home.counts(BRONZE) == home.counts(SILVER) == {DAYS[0]: 5, DAYS[1]: 5}
    assert set(home.counts(SALES)) == set(DAYS[:2])
    assert home.read(TOTALS).to_pylist() == [{"lines": 10}]
    assert set(home.materialized(TOTALS)) == {""}


def test_a_run_that_chooses_no_partition_says_so(home: Home) -> None:
    refused = _materialize(home, bronze)

    [failure] = refused.get_step_failure_events()
    expected = "bronze/retail/order_lines is partitioned: choose the partitions to build"
    assert cause(failure.step_failure_data.error) == expected
    assert home.materialized(BRONZE) == {}


def test_of_a_range_only_the_chosen_partitions_are_built_and_all_have_a_result(home: Home) -> None:
    _arrive(home, *DAYS[:2])
    job = home.definitions.resolve_job_def("retail_daily")
    assert job.execute_in_process(
        instance=home.instance,
        tags={RANGE_START: DAYS[0], RANGE_END: DAYS[1]},
        asset_selection=[bronze.key],
    ).success
    before = home.versions()
    _arrive(home, DAYS[3])

    chosen = {RANGE_START: DAYS[0], RANGE_END: DAYS[3], ONLY_PARTITIONS: json.dumps(DAYS[:3:2])}
    assert job.execute_in_process(
        instance=home.instance, tags=chosen, asset_selection=[bronze.key]
    ).success

    assert home.changed(before)[BRONZE] == {DAYS[0]}
    assert "left as it is: built by run" in _said(home, "conservation", DAYS[1])
    assert "no input" in _said(home, "conservation", DAYS[2])
    assert "not built yet" in _said(home, "conservation", DAYS[3])
    assert set(home.materialized(BRONZE)) == set(DAYS[:2])  # of the third nothing came


def _said(home: Home, check: str, day: str) -> str:
    found = home.check(BRONZE, check, day)
    assert found is not None and found.passed
    return found.description or ""


def test_days_of_one_run_are_compared_and_a_later_run_does_not_forget_what_it_found(
    home: Home,
) -> None:
    lines = [20, 20, 20, 20, 20, 20, 20, 1]
    for day, count in zip(DAYS[1:], lines, strict=True):
        home.land(key_of(day), csv(shop_lines(day, count)))
    home.land(key_of(DAYS[4], "-broken"), b"not,the,header\n1,2,3\n")
    home.run()

    def warned(day: str) -> set[tuple[str, str]]:
        checks = {(BRONZE, "readable"), (BRONZE, "volume"), (SILVER, "volume"), (SALES, "inputs")}
        found = {(table, name): home.check(table, name, day) for table, name in checks}
        return {place for place, check in found.items() if check is None or not check.passed}

    thin, broken = {(BRONZE, "volume"), (SILVER, "volume")}, {(BRONZE, "readable")}
    assert (warned(DAYS[8]), warned(DAYS[4]), warned(DAYS[5])) == (thin, broken, set())

    for day in (DAYS[0], "2011-03-10"):
        home.land(key_of(day), csv(shop_lines(day, 20)))
    home.run()

    assert (warned(DAYS[8]), warned(DAYS[4]), warned(DAYS[5])) == (thin, broken, set())


def test_an_object_that_could_not_be_read_still_fails_the_check_when_a_good_one_is_loaded(
    home: Home,
) -> None:
    home = replace(home, tables=(bronze,))
    day, broken = DAYS[0], key_of(DAYS[0], "-broken")
    home.land(key_of(day), csv(shop_lines(day, 5)))
    home.land(broken, b"not,the,header\n1,2,3\n")
    home.run()
    home.land(key_of(day, "-late"), csv(shop_lines(day, 2, first=10)))
    home.run()

    found = home.check(BRONZE, "readable", day)
    assert home.counts(BRONZE) == {day: 7}
    assert found is not None and not found.passed
    assert broken in (found.description or "")

    home.land(broken, csv(shop_lines(day, 1, first=20)))
    home.run()

    fixed = home.check(BRONZE, "readable", day)
    assert home.counts(BRONZE) == {day: 8}
    assert fixed is not None and fixed.passed


def test_gold_of_a_day_whose_input_was_held_back_is_a_failed_check_and_not_an_empty_day(
    home: Home,
) -> None:
    good, held, _, other = DAYS[:4]
    home.land(key_of(held), csv([f"{line},extra" for line in shop_lines(held)]))
    for day in (good, other):
        home.land(key_of(day), csv(shop_lines(day)))
    replace(home, tables=DAILY).run()

    of_held, of_good = (home.check(SALES, "inputs", day) for day in (held, good))
    assert of_held is not None and not of_held.passed
    assert f"{SILVER} {held}" in (of_held.description or "")
    assert of_good is not None and of_good.passed
    assert set(home.counts(SALES)) == {good, other}
    assert set(home.materialized(SALES)) == {good, other}  # and none where nothing came
