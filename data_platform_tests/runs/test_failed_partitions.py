"""Dagster's marks after a run that failed are where something is to be done, nowhere else."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from data_platform.build.events import Log
from data_platform.build.planning import plan
from data_platform.operations.building import build_named
from data_platform.operations.dropping import apply_drop, plan_drop
from data_platform.runs.failed_partitions import failed_status_sensors
from data_platform.runs.in_process import run_one
from data_platform.runs.liveness import driving, hold
from data_platform.runs.requests import run_request
from data_platform_tests.support.bakery import DAILY, Bakery, bakery_at, days, months
from data_platform_tests.support.lake_home import MONDAY, TUESDAY, WEDNESDAY
from data_platform_tests.support.lake_home import days as rows

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
    after_failure, _ = failed_status_sensors(home.tables)
    after_failure(context)


def _backfilled(home: Bakery, status: BulkActionStatus) -> None:
    """A backfill of the week, as Dagster leaves it; nothing came for Thursday."""
    Log(home.instance, days.key).without_input([THURSDAY])
    now = time.time()
    home.instance.add_backfill(
        PartitionBackfill(
            "week", status, False, {}, now, asset_selection=[days.key], backfill_end_timestamp=now
        )
    )


def _after_backfill(home: Bakery, cursor: str | None) -> tuple[str | None, set[str]]:
    """The sensor's cursor after a tick, and the partitions that count as materialized."""
    _, after = failed_status_sensors(home.tables)
    with dg.build_sensor_context(
        home.instance, cursor=cursor, resources={"platform": home.platform}
    ) as context:
        after(context)
        return context.cursor, home.instance.get_materialized_partitions(days.key)


def test_what_is_up_to_date_or_empty_loses_its_mark(shop: Bakery) -> None:
    run = _failed(shop, WEEK)
    assert _marked(shop) == set(WEEK)

    _evaluated(shop, run)

    assert _marked(shop) == {TUESDAY, WEDNESDAY}
    told = shop.materialized(SALES)
    assert set(told) == {MONDAY}
    assert "as published before" in (told[MONDAY].description or "")
    empty = shop.check(SALES, "volume", THURSDAY)
    assert empty and empty.passed and "no input" in (empty.description or "")


def test_a_run_in_this_process_leaves_the_same_marks(shop: Bakery) -> None:
    request = run_request("bakery_daily", WEEK, run_key="k")

    with driving(shop.instance, shop.platform):
        run_one(shop.definitions, shop.scope, request)

    assert _marked(shop) == {TUESDAY, WEDNESDAY}


@pytest.mark.parametrize("command", ["run", "run TABLE", "drop"])
def test_a_command_finds_what_a_run_that_died_left_marked(shop: Bakery, command: str) -> None:
    request = run_request("bakery_daily", WEEK, run_key="k", only=[days])
    job = shop.definitions.resolve_job_def("bakery_daily")
    dead = shop.instance.create_run_for_job(
        job, tags=request.tags, status=dg.DagsterRunStatus.STARTED
    )
    hold(shop.platform, dead.run_id).close()

    match command:
        case "run":
            shop.run()
        case "run TABLE":
            planned, ran = build_named(shop.definitions, shop.scope, days, [THURSDAY])
            assert (planned.keys, ran) == ((), None)
        case "drop":
            apply_drop(shop.scope, plan_drop(shop.platform, shop.tables, months.id, None))

    ended = shop.instance.get_run_by_id(dead.run_id)
    assert ended and ended.status is dg.DagsterRunStatus.FAILURE
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
    assert len(said) == 1


def test_a_second_run_that_fails_tells_of_the_same_partitions_again(shop: Bakery) -> None:
    for _ in range(2):
        _evaluated(shop, _failed(shop, WEEK))

    assert _marked(shop) == {TUESDAY, WEDNESDAY}
    told = shop.check(SALES, "volume", MONDAY)
    assert told is not None and told.passed


def test_a_day_that_nothing_came_for_is_materialized_for_its_backfill_alone(shop: Bakery) -> None:
    shop.instance.report_runless_asset_event(dg.AssetMaterialization(days.key, partition=MONDAY))
    _backfilled(shop, BulkActionStatus.COMPLETED_SUCCESS)

    cursor, materialized = _after_backfill(shop, None)

    assert materialized == {MONDAY}
    Log(shop.instance, days.key).without_input([THURSDAY])  # of a backfill that is not yet there
    assert _after_backfill(shop, cursor) == (cursor, {MONDAY, THURSDAY})


def test_what_a_backfill_waits_for_stays_until_it_has_ended(shop: Bakery) -> None:
    _backfilled(shop, BulkActionStatus.REQUESTED)

    assert _after_backfill(shop, None)[1] == {THURSDAY}
