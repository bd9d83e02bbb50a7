"""The sensors as the daemon evaluates them. They only read state, so no Spark is needed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.storage.tags import MAX_RETRIES_TAG

from data_platform.domains.retail.bronze import order_lines
from data_platform.platform_defs.scanning import extent
from data_platform.runs.tags import RANGE_END, RANGE_START
from data_platform.tables.identity import TableId
from data_platform_tests.support import bakery
from data_platform_tests.support.bakery import CANCELED, Bakery, bakery_at, ended
from data_platform_tests.support.homes import Home, csv, home_at, key_of, shop_lines
from data_platform_tests.support.lake_home import MONDAY, TUESDAY
from data_platform_tests.support.tables import TABLES


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with home_at(tmp_path / "home", TABLES) as home:
        yield home


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Bakery]:
    with bakery_at(tmp_path / "home") as home:
        home.sales.write({MONDAY: [1], TUESDAY: [2]})
        yield home


def _evaluated(home: Home, name: str, cursor: str | None = None) -> SensorExecutionData:
    sensor = home.definitions.get_repository_def().get_sensor_def(name)
    context = dg.build_sensor_context(
        instance=home.instance,
        cursor=cursor,
        definitions=home.definitions,
        resources={"platform": home.platform},
    )
    return sensor.evaluate_tick(context)


def _skipped(home: Home, name: str, cursor: str | None = None) -> str:
    found = _evaluated(home, name, cursor)
    assert not found.run_requests
    return found.skip_message or ""


def _land(home: Home, *days: str) -> None:
    for day in days:
        home.land(key_of(day), csv(shop_lines(day)))


def _requests(home: Home) -> list[dg.RunRequest]:
    return list(_evaluated(home, "landing_arrivals").run_requests or [])


def test_one_run_is_asked_for_whatever_lies_between_the_days(home: Home) -> None:
    _land(home, "2011-03-01", "2011-03-02", "2011-06-30")

    [request] = _requests(home)

    assert request.job_name == "retail_daily"
    assert (request.tags[RANGE_START], request.tags[RANGE_END]) == ("2011-03-01", "2011-06-30")


def test_the_same_arrivals_ask_for_the_same_run_and_others_for_another(home: Home) -> None:
    _land(home, "2011-03-01")
    [first], [again] = _requests(home), _requests(home)
    _land(home, "2011-03-02")
    [other] = _requests(home)

    assert first.run_key == again.run_key != other.run_key


def test_nothing_is_asked_for_while_a_run_is_under_way_which_the_tick_names(home: Home) -> None:
    _land(home, "2011-03-01")
    run = home.instance.create_run_for_job(
        home.definitions.resolve_job_def("retail_daily"), status=dg.DagsterRunStatus.STARTED
    )

    busy = f"run {run.run_id} of retail_daily is under way"
    assert _skipped(home, "landing_arrivals") == _skipped(home, "stale_tables") == busy

    home.instance.report_run_failed(run)
    assert len(_requests(home)) == 1


@pytest.mark.parametrize("how", [bakery.FAILURE, CANCELED])
def test_arrivals_whose_run_ended_are_asked_for_again_under_another_key(
    home: Home, how: dg.DagsterEventType
) -> None:
    _land(home, "2011-03-01")
    [first] = _requests(home)
    ended(home.instance, first, minutes_ago=3, how=how)
    [second] = _requests(home)
    ended(home.instance, second, how=how)

    assert first.run_key != second.run_key
    assert "retail_daily will be retried at" in _skipped(home, "landing_arrivals")
    _land(home, "2011-03-02")  # other work, which is not delayed
    assert len(_requests(home)) == 1


def test_no_run_that_a_sensor_asks_for_is_retried_by_dagster_as_well(home: Home) -> None:
    _land(home, "2011-03-01")

    [request] = _requests(home)

    assert request.tags[MAX_RETRIES_TAG] == "0"


def test_sources_whose_tables_share_a_job_share_a_run(tmp_path: Path) -> None:
    source = replace(
        order_lines.source,
        name="returns",
        table="bronze/retail/returns",
        prefix="returns/",
        pattern=r"^returns/(\d{4}-\d{2}-\d{2})\.csv$",
    )
    returns = replace(order_lines, id=TableId.parse(source.table), source=source)
    with home_at(tmp_path / "home", (order_lines, returns)) as home:
        home.land(key_of("2011-03-02"), csv(shop_lines("2011-03-02")))
        home.land("returns/2011-03-01.csv", csv(shop_lines("2011-03-01")))

        [request] = _requests(home)

    assert (request.tags[RANGE_START], request.tags[RANGE_END]) == ("2011-03-01", "2011-03-02")


def test_an_unknown_key_is_recorded_and_asks_for_nothing(home: Home) -> None:
    home.land("online_retail/summary.csv", b"a,b\n")
    home.land(key_of("2031-01-01"), csv([]))  # beyond the shop's time

    assert _skipped(home, "landing_arrivals") == "nothing waits to be loaded"
    assert {entry.key for entry in home.platform.ledger.unknown()} == {
        "online_retail/summary.csv",
        key_of("2031-01-01"),
    }


def test_an_object_that_was_tried_too_often_is_given_up(home: Home) -> None:
    _land(home, "2011-03-01")
    _requests(home)
    [entry] = home.platform.ledger.pending(order_lines.source.name)
    for number in range(5):
        home.platform.ledger.note_errors({entry.id: "no answer"}, f"run {number}")

    assert _skipped(home, "landing_arrivals") == "nothing waits to be loaded"
    [entry] = home.platform.ledger.failed()
    assert "given up after 5 attempts" in (entry.error or "")


def test_tables_that_did_not_change_are_not_looked_at_again(home: Home) -> None:
    found = _evaluated(home, "stale_tables")

    assert found.skip_message == "every table is up to date"
    assert "no table has changed since the last scan" in _skipped(
        home, "stale_tables", found.cursor
    )


def _stale(shop: Home, cursor: str | None = None) -> list[dg.RunRequest]:
    return list(_evaluated(shop, "stale_tables", cursor).run_requests or [])


def test_stale_tables_are_asked_for_one_job_at_a_time_in_order(shop: Bakery) -> None:
    [first], [again] = _stale(shop), _stale(shop)

    assert first.job_name == "bakery_daily"
    assert (first.tags[RANGE_START], first.tags[RANGE_END]) == (MONDAY, TUESDAY)
    assert first.run_key == again.run_key


def test_what_follows_a_table_that_fails_is_built_while_that_waits(shop: Bakery) -> None:
    [daily] = _stale(shop)
    ended(shop.instance, daily)

    [monthly] = _stale(shop)

    assert monthly.job_name == "bakery_monthly"


def test_the_sensor_looks_again_as_long_as_something_waits(shop: Bakery) -> None:
    [daily] = _stale(shop)
    ended(shop.instance, daily, minutes_ago=1)
    [monthly] = _stale(shop)
    ended(shop.instance, monthly)

    found = _evaluated(shop, "stale_tables")
    assert found.cursor == "-"
    assert "bakery_daily will be retried" in (found.skip_message or "")
    assert "; bakery_monthly will be retried" in (found.skip_message or "")


def test_each_try_at_the_same_work_has_a_key_of_its_own(shop: Bakery) -> None:
    keys = set()
    for minutes_ago in (120, 90):
        [request] = _stale(shop)
        keys.add(request.run_key)
        ended(shop.instance, request, minutes_ago=minutes_ago)
    keys.update(request.run_key for request in _stale(shop))

    assert len(keys) == 3


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[tuple[Bakery, str]]:
    """Nothing is stale yet, and the sensor has seen it."""
    with bakery_at(tmp_path / "home") as home:
        home.sales.make()
        cursor = _evaluated(home, "stale_tables").cursor
        assert cursor
        yield home, cursor


def test_an_input_that_no_code_declares_is_looked_at(seen: tuple[Bakery, str]) -> None:
    home, cursor = seen
    home.sales.write({MONDAY: [1]})

    [request] = _stale(home, cursor)

    assert request.job_name == "bakery_daily"


def test_a_partition_that_comes_with_time_is_looked_at(seen: tuple[Bakery, str]) -> None:
    home, cursor = seen
    longer = dg.DailyPartitionsDefinition("2011-03-07", end_date="2011-03-12")
    tomorrow = home.declaring(replace(bakery.days, partitions=longer))

    assert "up to date" in _skipped(tomorrow, "stale_tables", cursor)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (dg.StaticPartitionsDefinition(["a", "b"]), dg.StaticPartitionsDefinition(["a", "c"])),
        (
            dg.DailyPartitionsDefinition("2026-01-01", "2026-02-01"),
            dg.DailyPartitionsDefinition("2026-03-01", "2026-04-01"),
        ),
    ],
)
def test_other_partitions_of_the_same_number_are_a_change(
    one: dg.PartitionsDefinition, other: dg.PartitionsDefinition
) -> None:
    def of_two(partitions: dg.PartitionsDefinition) -> dg.PartitionsDefinition:
        shops = dg.StaticPartitionsDefinition(["x", "y"])
        return dg.MultiPartitionsDefinition({"it": partitions, "shop": shops})

    for made in (lambda of: of, of_two):
        assert [*extent(made(one))] == [*extent(made(one))] != [*extent(made(other))]
