"""The sensors as the daemon evaluates them. They only read state, so no Spark is needed."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData

from data_platform.definitions import TABLES
from data_platform.domains.retail.bronze import order_lines
from data_platform.platform_defs.jobs import RANGE_END, RANGE_START
from data_platform_tests.platform_defs.homes import Home, csv, home_at, key_of, shop_lines


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with home_at(tmp_path / "home", TABLES) as home:
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


def test_nothing_is_asked_for_while_a_run_is_under_way(home: Home) -> None:
    _land(home, "2011-03-01")
    run = home.instance.create_run_for_job(
        home.definitions.resolve_job_def("retail_daily"), status=dg.DagsterRunStatus.STARTED
    )

    assert "under way" in _skipped(home, "landing_arrivals")
    assert "under way" in _skipped(home, "stale_tables")

    home.instance.report_run_failed(run)
    assert len(_requests(home)) == 1


def test_an_unknown_key_is_recorded_and_asks_for_nothing(home: Home) -> None:
    home.land("online_retail/summary.csv", b"a,b\n")
    home.land(key_of("2031-01-01"), csv([]))  # beyond the shop's time

    assert "nothing waits" in _skipped(home, "landing_arrivals")
    assert {entry.key for entry in home.platform.ledger.unknown()} == {
        "online_retail/summary.csv",
        key_of("2031-01-01"),
    }


def test_an_object_that_was_tried_too_often_is_given_up(home: Home) -> None:
    _land(home, "2011-03-01")
    _requests(home)
    assert order_lines.source
    for number in range(5):
        home.platform.ledger.claim(order_lines.source.name, ["2011-03-01"], f"run {number}")

    assert "nothing waits" in _skipped(home, "landing_arrivals")
    [entry] = home.platform.ledger.failed()
    assert "given up after 5 attempts" in (entry.error or "")


def test_tables_that_did_not_change_are_not_looked_at_again(home: Home) -> None:
    found = _evaluated(home, "stale_tables")

    assert not found.run_requests
    assert "no table has changed" in _skipped(home, "stale_tables", found.cursor)
