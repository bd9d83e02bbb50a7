"""`incidents` lists what is wrong and takes acknowledgements."""

import datetime as dt
from dataclasses import replace

import pytest

from data_platform.health.causes import SENSOR
from data_platform.telemetry.incidents import reconcile
from data_platform_tests.support.command_line import Run, parsed
from data_platform_tests.support.loaded_shop import LoadedShop
from data_platform_tests.support.ticks import Ticks
from data_platform_tests.telemetry.test_incidents import LINES, every

LEFT = 3  # exit code: something is left for a person


@pytest.fixture
def opened(shop: LoadedShop) -> int:
    """The number of an incident that is open."""
    now = dt.datetime.now(dt.UTC)
    database = shop.home.platform.builds.database
    cause = replace(LINES, subject=f"silver/shop/{now.timestamp()}")
    reconcile(database, [], every, now)
    [change] = reconcile(database, [cause], every, now)
    return change.incident.number


def test_an_open_incident_is_shown_with_what_to_do(run: Run, opened: int) -> None:
    said = " ".join(run("incidents").output.split())

    assert f"{opened} error: {LINES.title} (since " in said
    for line in (LINES.partitions, "rows by rule: quantity.not_null 12", LINES.look, LINES.mend):
        assert line in said


def test_a_script_reads_it_and_is_told_by_the_exit_code(run: Run, opened: int) -> None:
    [found] = parsed(run("incidents", "--json", "--check", code=LEFT))

    assert (found["number"], found["kind"], found["severity"]) == (opened, "held_back", "error")
    assert found["reasons"] == dict(LINES.reasons)


def test_closed_ones_are_shown_on_request(run: Run, shop: LoadedShop, opened: int) -> None:
    now = dt.datetime.now(dt.UTC)
    reconcile(shop.home.platform.builds.database, [], every, now)

    assert "no incident is recorded as open" in run("incidents").output
    first, *_ = parsed(run("incidents", "--all", "--json"))
    assert first["number"] == opened
    assert first["closed"].endswith("+00:00")


def test_it_is_acknowledged_with_name_and_reason(run: Run, opened: int) -> None:
    run("incidents", "acknowledge", str(opened), "--reason", "asked the sender", "--by", "ann")

    assert "acknowledged by ann: asked the sender" in run("incidents").output
    assert "acknowledge" in run("audit-log").output


def test_an_unknown_number_or_no_reason_is_refused(run: Run, opened: int) -> None:
    said = run("incidents", "acknowledge", "0", "--reason", "seen", code=1).output
    assert f"there is no open incident 0; the open ones: {opened}" in said
    assert (
        "--reason is empty"
        in run("incidents", "acknowledge", str(opened), "--reason", " ", code=2).output
    )


def test_that_nothing_has_looked_for_incidents_is_told(run: Run, shop: LoadedShop) -> None:
    reconcile(shop.home.platform.builds.database, [], every, dt.datetime.now(dt.UTC))

    said = run("incidents", "--check", code=LEFT).output
    assert "warning: nothing has looked for incidents yet; Dagster's daemon does" in said


def test_where_the_sensor_looks_no_incident_is_success(run: Run, shop: LoadedShop) -> None:
    reconcile(shop.home.platform.builds.database, [], every, dt.datetime.now(dt.UTC))
    Ticks(shop.home.instance, SENSOR, last=dt.datetime.now(dt.UTC))

    assert "warning" not in run("incidents", "--check").output
