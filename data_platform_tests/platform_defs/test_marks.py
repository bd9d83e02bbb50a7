"""Dagster's marks after a run that failed are where something is to be done, nowhere else."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from data_platform.platform_defs.drive import run_one
from data_platform.platform_defs.drivers import driving
from data_platform.platform_defs.jobs import run_request
from data_platform.platform_defs.marks import marks_sensor
from data_platform.platform_defs.planning import plan
from data_platform_tests.lake.home import MONDAY, TUESDAY, WEDNESDAY
from data_platform_tests.lake.home import days as rows
from data_platform_tests.platform_defs.bakery import DAILY, Bakery, bakery_at, days

THURSDAY = "2011-03-10"
WEEK = [MONDAY, TUESDAY, WEDNESDAY, THURSDAY]
SALES = "gold/bakery/days"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Bakery]:
    """Monday is published and up to date, Tuesday held back, Wednesday due, and nothing came for
    Thursday."""
    with bakery_at(tmp_path / "home") as home:
        home.sales.write({MONDAY: [1], TUESDAY: [2], WEDNESDAY: [3]})
        lake = home.sales
        lake.make(days.id)
        digests = plan(days, home.platform, WEEK, only_stale=False).digests
        for key, held in ((MONDAY, {}), (TUESDAY, {TUESDAY: "too few rows"})):
            write = lake.stage(rows({key: [1]}), [key], table=days.id, held_back=held)
            lake.publish(replace(write, inputs={key: digests[key]}, contract=days.version))
        assert plan(days, home.platform, WEEK, only_stale=True).keys == (WEDNESDAY,)
        yield home


def _marked(home: Bakery) -> set[str]:
    """As the asset's page shows it."""
    value = get_and_update_asset_status_cache_value(home.instance, days.key, DAILY)
    assert value
    return set(value.deserialize_failed_partition_subsets(DAILY).get_partition_keys())


def _failed(home: Bakery, keys: list[str]) -> dg.DagsterRun:
    """A run of these days that Dagster launched, and that has failed."""
    request = run_request("bakery_daily", keys, run_key="k", only=[days])
    job = home.definitions.resolve_job_def("bakery_daily")
    run = home.instance.create_run_for_job(job, tags=request.tags)
    home.instance.report_run_failed(run)
    return run


def _evaluated(home: Bakery, run: dg.DagsterRun) -> None:
    [event] = home.instance.get_records_for_run(
        run.run_id, of_type=dg.DagsterEventType.PIPELINE_FAILURE
    ).records
    assert event.event_log_entry.dagster_event
    context = dg.build_run_status_sensor_context(
        "partitions_after_failure",
        event.event_log_entry.dagster_event,
        home.instance,
        run,
        resources={"platform": home.platform},
    ).for_run_failure()
    marks_sensor(home.tables)(context)


def test_what_is_up_to_date_or_empty_loses_its_mark(shop: Bakery) -> None:
    run = _failed(shop, WEEK)
    assert _marked(shop) == set(WEEK)

    _evaluated(shop, run)

    assert _marked(shop) == {TUESDAY, WEDNESDAY}
    told = shop.materialized(SALES)
    assert set(told) == {MONDAY, THURSDAY}
    assert "as published before" in (told[MONDAY].description or "")
    assert "no input" in (told[THURSDAY].description or "")


def test_a_run_in_this_process_leaves_the_same_marks(shop: Bakery) -> None:
    request = run_request("bakery_daily", WEEK, run_key="k")

    with driving(shop.instance, shop.platform):
        run_one(shop.definitions, shop.instance, shop.platform, shop.tables, request)

    assert _marked(shop) == {TUESDAY, WEDNESDAY}


def test_what_a_later_run_plans_is_left_to_that(shop: Bakery) -> None:
    earlier = _failed(shop, WEEK)
    _failed(shop, [MONDAY])

    _evaluated(shop, earlier)

    assert _marked(shop) == {MONDAY, TUESDAY, WEDNESDAY}


def test_nothing_is_said_twice(shop: Bakery) -> None:
    run = _failed(shop, WEEK)
    for _ in range(2):
        _evaluated(shop, run)

    said = shop.instance.fetch_materializations(days.key, limit=100).records
    assert len(said) == 2


def test_a_second_run_that_fails_tells_of_the_same_partitions_again(shop: Bakery) -> None:
    for _ in range(2):
        _evaluated(shop, _failed(shop, WEEK))

    assert _marked(shop) == {TUESDAY, WEDNESDAY}
    told = shop.check(SALES, "volume", MONDAY)
    assert told is not None and told.passed
