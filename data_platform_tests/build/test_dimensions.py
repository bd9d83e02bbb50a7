"""Inputs that are read whole: nothing is built for them, and a change makes stale what they say."""

import datetime as dt
from dataclasses import replace

import pytest

from data_platform.assets import JudgedTable
from data_platform.build import planning
from data_platform.build.planning import Plan, plan, plan_all, plans
from data_platform.build.platform import Platform
from data_platform.lake.builds import Build
from data_platform.lake.look import Look
from data_platform.operations.repair import held_partitions, stale_partitions
from data_platform.quality.mapping import CHANGES, Changes, How, dimension, event_time
from data_platform.storage.errors import LakeError
from data_platform_tests.support.lake_home import remove_manifests
from data_platform_tests.support.priced_sales import (
    DAYS,
    ON,
    build_due,
    priced,
    prices,
    sales,
    sold,
    stale_keys,
    totals_over,
)
from data_platform_tests.support.sums import declared, publish_rows, stored

names = declared("names", "shops", {"a": "silver/shop/else"})


def test_only_days_with_sales_are_built_not_every_day_of_the_calendar(platform: Platform) -> None:
    table = totals_over("gold/shop/prices")
    priced(platform, 100)
    assert stale_keys(platform, table) == []

    sold(platform, DAYS[1])

    assert stale_keys(platform, table) == [DAYS[1]]
    build_due(platform, table)
    assert stored(platform, table) == {DAYS[1]: 101}


def test_a_day_reads_all_labels_of_a_dimension(platform: Platform) -> None:
    table = totals_over("gold/shop/names")
    publish_rows(platform, names, {"york": (ON, 10), "leeds": (ON, 200)}, None)
    sold(platform, *DAYS[:2])

    build_due(platform, table)

    assert stored(platform, table) == {DAYS[0]: 211, DAYS[1]: 211}


@pytest.mark.parametrize(
    ("changes", "due", "after"),
    [
        ("all", DAYS, [501, 501, 501]),
        ("latest", DAYS[2:], [101, 101, 501]),
        ("as_of", [], [101, 101, 101]),
    ],
)
def test_a_changed_dimension_makes_stale_what_the_declaration_says(
    platform: Platform, changes: Changes, due: list[str], after: list[int]
) -> None:
    table = totals_over(dimension(of="gold/shop/prices", changes=changes))
    priced(platform, 100)
    sold(platform, *DAYS)
    build_due(platform, table)

    priced(platform, 500)

    assert stale_keys(platform, table) == due
    shown = stale_partitions(platform, [table])
    assert [row["partition"] for row in shown] == due
    assert {row["why"] for row in shown} <= {"dimension gold/shop/prices changed"}
    build_due(platform, table)
    assert [stored(platform, table)[day] for day in DAYS] == after
    assert stale_keys(platform, table) == []


@pytest.mark.parametrize(("changes", "total"), [("all", 502), ("latest", 502), ("as_of", 102)])
def test_a_day_that_is_built_again_reads_the_dimension_as_declared(
    platform: Platform, changes: Changes, total: int
) -> None:
    table = totals_over(dimension(of="gold/shop/prices", changes=changes))
    priced(platform, 100)
    sold(platform, *DAYS)
    build_due(platform, table)
    priced(platform, 500)
    build_due(platform, table)

    publish_rows(platform, sales, {DAYS[0]: (ON, 2)}, None)

    assert stale_keys(platform, table) == [DAYS[0]]
    build_due(platform, table)
    assert stored(platform, table)[DAYS[0]] == total
    assert stale_keys(platform, table) == []


def _held_back(platform: Platform, table: JudgedTable, day: str) -> None:
    """An attempt at a day, of what there is, does not pass its checks."""
    planned = plan(table, platform, [day], only_stale=True)
    assert planned.keys == (day,)
    build = Build(
        table_id=str(table.id),
        partition=day,
        attempt=f"run-{planned.dimensions[day]}",
        run_id="run",
        state="held_back",
        contract=table.version,
        inputs=planned.digests[day],
        rows=0,
        quarantined=0,
        duplicates=0,
        created=platform.builds.now(),
        dimensions=planned.dimensions[day],
    )
    platform.builds.record([build])


@pytest.mark.parametrize("changes", CHANGES)
def test_what_was_held_back_and_never_published_is_due_when_the_dimension_it_reads_changes(
    platform: Platform, changes: Changes
) -> None:
    table = totals_over(dimension(of="gold/shop/prices", changes=changes))
    priced(platform, 100)
    sold(platform, *DAYS[:2])
    for day in DAYS[:2]:
        _held_back(platform, table, day)
    assert stale_keys(platform, table) == []

    priced(platform, 500)

    assert stale_keys(platform, table) == DAYS[:2]
    for day in DAYS[:2]:
        _held_back(platform, table, day)
    assert stale_keys(platform, table) == []
    priced(platform, 600)
    build_due(platform, table)
    assert stored(platform, table) == {DAYS[0]: 601, DAYS[1]: 601}


def test_of_what_was_published_a_held_back_attempt_keeps_to_its_version_of_the_dimension(
    platform: Platform,
) -> None:
    table = totals_over(dimension(of="gold/shop/prices", changes="as_of"))
    priced(platform, 100)
    sold(platform, DAYS[0])
    build_due(platform, table)
    sold(platform, DAYS[0])
    _held_back(platform, table, DAYS[0])

    priced(platform, 500)

    assert stale_keys(platform, table) == []


def test_the_newest_of_a_table_without_partitions_is_the_whole_table(platform: Platform) -> None:
    ins: dict[str, How | str] = {
        "a": "gold/shop/sales",
        "b": dimension(of="gold/shop/prices", changes="latest"),
    }
    table = declared("whole", "whole", ins)
    priced(platform, 100)
    sold(platform, DAYS[0])
    build_due(platform, table)
    assert stale_keys(platform, table) == []

    priced(platform, 500)

    assert stale_keys(platform, table) == [""]


def test_the_day_before_the_newest_is_not_stale_by_it(platform: Platform) -> None:
    table = totals_over(dimension(of="gold/shop/prices", changes="latest"))
    priced(platform, 100)
    sold(platform, DAYS[0])
    build_due(platform, table)
    priced(platform, 500)

    sold(platform, DAYS[1])

    assert stale_keys(platform, table) == [DAYS[1]]
    assert list(plan(table, platform, DAYS[:1], only_stale=True).keys) == []


def test_a_table_that_cannot_be_planned_keeps_what_is_held_back_and_stops_nothing(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = totals_over("gold/shop/prices")
    priced(platform, 100)
    sold(platform, DAYS[0])
    build_due(platform, table)
    [built] = platform.builds.latest(table.id).values()
    platform.builds.record([replace(built, attempt="held", state="held_back", detail="rules")])

    def refuses(*asked: object, **how: object) -> Plan:
        raise LakeError("its input has no statistics")

    monkeypatch.setattr(planning, "plan", refuses)
    assert [row["partition"] for row in held_partitions(platform, [table])] == [DAYS[0]]


def test_what_several_tables_read_is_looked_up_once_when_they_are_planned_together(
    platform: Platform,
) -> None:
    sold(platform, DAYS[0])
    tables = [declared(name, "days", {"a": "gold/shop/sales"}) for name in ("one", "other")]
    found = plans(tables, platform, Look(platform.lake), trouble=lambda *said: None)

    assert next(found).keys == (DAYS[0],)
    remove_manifests(platform.lake, sales.id)  # another look at them would fail
    assert next(found).keys == (DAYS[0],)


def test_what_was_never_published_is_waited_for_by_name(platform: Platform) -> None:
    table = totals_over("gold/shop/prices")
    sold(platform, *DAYS[:2])

    planned = plan_all(table, platform)

    assert planned.keys == ()
    assert planned.waiting == dict.fromkeys(DAYS[:2], (prices.id,))
    assert [(row["partition"], row["why"]) for row in stale_partitions(platform, [table])] == [
        (day, "waits for gold/shop/prices, never published yet") for day in DAYS[:2]
    ]
    priced(platform, 100)
    assert stale_keys(platform, table) == DAYS[:2]


def test_rows_count_for_the_day_they_name_also_when_they_land_late(platform: Platform) -> None:
    """A day's sum is of all that names it, built together or after more of it landed."""
    table = declared("by_date", "days", {"a": event_time("sold_on", of="gold/shop/sales")})
    first = dt.date(2015, 10, 30)
    publish_rows(platform, sales, {DAYS[0]: (first, 1), DAYS[1]: (first, 100)}, None)
    build_due(platform, table)
    assert stored(platform, table) == {DAYS[0]: 101}

    publish_rows(platform, sales, {DAYS[2]: (first, 1)}, None)

    assert stale_keys(platform, table) == [DAYS[0]]
    build_due(platform, table)
    assert stored(platform, table) == {DAYS[0]: 102}


def test_a_day_whose_rows_are_corrected_to_another_day_keeps_none_of_them(
    platform: Platform,
) -> None:
    table = declared("by_date", "days", {"a": event_time("sold_on", of="gold/shop/sales")})
    publish_rows(platform, sales, {DAYS[1]: (dt.date(2015, 11, 1), 100)}, None)
    build_due(platform, table)
    assert stored(platform, table) == {DAYS[2]: 100}

    publish_rows(platform, sales, {DAYS[1]: (dt.date(2015, 10, 30), 100)}, None)

    assert set(stale_keys(platform, table)) == {DAYS[0], DAYS[2]}
    build_due(platform, table)
    assert stored(platform, table) == {DAYS[0]: 100, DAYS[2]: 0}
    assert stale_keys(platform, table) == []
