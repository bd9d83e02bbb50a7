"""`freshness` says how new tables are, and how new they must be."""

import datetime as dt
from dataclasses import replace

import pytest

from data_platform.cli import freshness
from data_platform.contracts.freshness import FreshWithin
from data_platform.domains.retail.silver import order_lines
from data_platform_tests.support.command_line import Run, parsed
from data_platform_tests.support.homes import SALES, SILVER
from data_platform_tests.support.loaded_shop import LoadedShop

LEFT = 3  # exit code: something is left for a person


def test_the_tables_of_the_past_are_not_late(run: Run, shop: LoadedShop) -> None:
    [found] = parsed(run("freshness", "--json", "--check"))

    assert (found["table"], found["state"], found["missing"]) == (SILVER, "fresh", "")
    assert found["expected_by"] is None
    assert found["rule"] == (
        "warns 18 hours, fails 2 days after the end of each partition; not counted: saturday "
        "(days of UTC)"
    )


def test_a_late_table_is_told_with_what_was_expected_and_by_the_exit_code(
    run: Run, shop: LoadedShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_event = FreshWithin(error=dt.timedelta(days=1), event_time="invoiced_at")
    late = replace(order_lines, freshness=by_event)
    monkeypatch.setattr(freshness, "declarations", lambda: ((late,), ()))

    [found] = parsed(run("freshness", SILVER, "--json", "--check", code=LEFT))

    newest, expected = map(dt.datetime.fromisoformat, (found["newest"], found["expected_by"]))
    assert found["state"] == "error"
    assert found["since"] == found["expected_by"]
    assert expected - newest == dt.timedelta(days=1)
    said = run("freshness", SILVER).output
    assert "error" in said
    assert f"{newest:%Y-%m-%d %H:%M:%S} UTC" in said


def test_a_table_without_a_rule_says_how_to_declare_one(run: Run, shop: LoadedShop) -> None:
    said = run("freshness", SALES, code=1).output
    assert f"{SALES} does not declare how fresh it must be; give its contract" in said
