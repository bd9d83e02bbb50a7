"""Inputs that are read whole: nothing is built for them, and a change makes stale what they say."""

import datetime as dt
import random
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from data_platform.assets import JudgedTable
from data_platform.build import planning
from data_platform.build.planning import Plan, plan, plan_all, plan_due, plans
from data_platform.build.platform import Platform
from data_platform.build.table_checks import checks_left_alone
from data_platform.lake.builds import Build
from data_platform.lake.files import files_by_partition
from data_platform.lake.look import Look
from data_platform.lake.writing.release import NotReleasable
from data_platform.operations.dropping import apply_drop, plan_drop
from data_platform.operations.release import release
from data_platform.operations.repair import held_partitions, stale_partitions
from data_platform.quality.mapping import CHANGES, Changes, How, dimension, event_time
from data_platform.runs.due import stale
from data_platform.runs.home import prepare_home
from data_platform.runs.instance import open_instance
from data_platform.runs.scope import Scope
from data_platform.settings.environment import settings_at
from data_platform.storage.errors import LakeError
from data_platform_tests.support.lake_home import remove_manifests
from data_platform_tests.support.sums import (
    build_stale,
    declared,
    publish_rows,
    stored,
)

DAYS = ["30.10.2015", "31.10.2015", "01.11.2015"]
ON = dt.date(2015, 10, 30)

sales = declared("sales", "days", {"a": "silver/shop/else"})
prices = declared("prices", "whole", {"a": "silver/shop/else"})
names = declared("names", "shops", {"a": "silver/shop/else"})


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    settings = settings_at(tmp_path / "home")
    prepare_home(settings)
    return Platform(settings)


def _over(b: How | str) -> JudgedTable:
    return declared("totals", "days", {"a": "gold/shop/sales", "b": b})


def _land(platform: Platform, table: JudgedTable, **totals: int) -> None:
    rows = {key.replace("_", "."): (ON, total) for key, total in totals.items()}
    publish_rows(platform, table, rows, None)


def _build(platform: Platform, table: JudgedTable) -> None:
    build_stale(platform, table, None, random.Random(1))


def _stale(platform: Platform, table: JudgedTable) -> list[str]:
    return list(plan_all(table, platform).keys)


def _sold(platform: Platform, *days: str) -> None:
    publish_rows(platform, sales, {day: (ON, 1) for day in days}, None)


def _priced(platform: Platform, price: int) -> None:
    publish_rows(platform, prices, {"": (ON, price)}, None)


def _built_with_a_price_that_expired(platform: Platform, table: JudgedTable) -> None:
    """The first day, by a version of the prices that is no longer there."""
    _priced(platform, 100)
    _sold(platform, DAYS[0])
    _build(platform, table)
    _priced(platform, 500)
    loaded = platform.lake.load(prices.id)
    loaded.maintenance.expire_snapshots().by_ids([loaded.snapshots()[0].snapshot_id]).commit()


def test_only_days_with_sales_are_built_not_every_day_of_the_calendar(platform: Platform) -> None:
    table = _over("gold/shop/prices")
    _priced(platform, 100)
    assert _stale(platform, table) == []

    _sold(platform, DAYS[1])

    assert _stale(platform, table) == [DAYS[1]]
    _build(platform, table)
    assert stored(platform, table) == {DAYS[1]: 101}


def test_a_day_reads_all_labels_of_a_dimension(platform: Platform) -> None:
    table = _over("gold/shop/names")
    publish_rows(platform, names, {"york": (ON, 10), "leeds": (ON, 200)}, None)
    _sold(platform, *DAYS[:2])

    _build(platform, table)

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
    table = _over(dimension(of="gold/shop/prices", changes=changes))
    _priced(platform, 100)
    _sold(platform, *DAYS)
    _build(platform, table)

    _priced(platform, 500)

    assert _stale(platform, table) == due
    shown = stale_partitions(platform, [table])
    assert [row["partition"] for row in shown] == due
    assert {row["why"] for row in shown} <= {"dimension gold/shop/prices changed"}
    _build(platform, table)
    assert [stored(platform, table)[day] for day in DAYS] == after
    assert _stale(platform, table) == []


@pytest.mark.parametrize(("changes", "total"), [("all", 502), ("latest", 502), ("as_of", 102)])
def test_a_day_that_is_built_again_reads_the_dimension_as_declared(
    platform: Platform, changes: Changes, total: int
) -> None:
    table = _over(dimension(of="gold/shop/prices", changes=changes))
    _priced(platform, 100)
    _sold(platform, *DAYS)
    _build(platform, table)
    _priced(platform, 500)
    _build(platform, table)

    publish_rows(platform, sales, {DAYS[0]: (ON, 2)}, None)

    assert _stale(platform, table) == [DAYS[0]]
    _build(platform, table)
    assert stored(platform, table)[DAYS[0]] == total
    assert _stale(platform, table) == []


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
    table = _over(dimension(of="gold/shop/prices", changes=changes))
    _priced(platform, 100)
    _sold(platform, *DAYS[:2])
    for day in DAYS[:2]:
        _held_back(platform, table, day)
    assert _stale(platform, table) == []

    _priced(platform, 500)

    assert _stale(platform, table) == DAYS[:2]
    for day in DAYS[:2]:
        _held_back(platform, table, day)
    assert _stale(platform, table) == []
    _priced(platform, 600)
    _build(platform, table)
    assert stored(platform, table) == {DAYS[0]: 601, DAYS[1]: 601}


def test_of_what_was_published_a_held_back_attempt_keeps_to_its_version_of_the_dimension(
    platform: Platform,
) -> None:
    table = _over(dimension(of="gold/shop/prices", changes="as_of"))
    _priced(platform, 100)
    _sold(platform, DAYS[0])
    _build(platform, table)
    _sold(platform, DAYS[0])
    _held_back(platform, table, DAYS[0])

    _priced(platform, 500)

    assert _stale(platform, table) == []


def test_the_newest_of_a_table_without_partitions_is_the_whole_table(platform: Platform) -> None:
    ins: dict[str, How | str] = {
        "a": "gold/shop/sales",
        "b": dimension(of="gold/shop/prices", changes="latest"),
    }
    table = declared("whole", "whole", ins)
    _priced(platform, 100)
    _sold(platform, DAYS[0])
    _build(platform, table)
    assert _stale(platform, table) == []

    _priced(platform, 500)

    assert _stale(platform, table) == [""]


def test_the_day_before_the_newest_is_not_stale_by_it(platform: Platform) -> None:
    table = _over(dimension(of="gold/shop/prices", changes="latest"))
    _priced(platform, 100)
    _sold(platform, DAYS[0])
    _build(platform, table)
    _priced(platform, 500)

    _sold(platform, DAYS[1])

    assert _stale(platform, table) == [DAYS[1]]
    assert list(plan(table, platform, DAYS[:1], only_stale=True).keys) == []


def test_a_version_that_expired_is_named_with_the_ways_out(platform: Platform) -> None:
    table = _over(dimension(of="gold/shop/prices", changes="as_of"))
    _built_with_a_price_that_expired(platform, table)
    _sold(platform, DAYS[0])

    with pytest.raises(LakeError, match=r"gold/shop/totals 30.10.2015 reads .*prices as of"):
        plan_due(table, platform)
    shown = stale_partitions(platform, [table, sales])
    assert [(row["table"], row["partition"]) for row in shown] == [("gold/shop/totals", DAYS[0])]
    assert "has expired; declare dimension(changes='latest')" in shown[0]["why"]


def test_what_reads_an_expired_version_does_not_keep_new_days_from_being_built(
    platform: Platform,
) -> None:
    table = _over(dimension(of="gold/shop/prices", changes="as_of"))
    _built_with_a_price_that_expired(platform, table)

    _sold(platform, DAYS[1])

    assert _stale(platform, table) == [DAYS[1]]
    _build(platform, table)
    assert stored(platform, table) == {DAYS[0]: 101, DAYS[1]: 501}
    assert _stale(platform, table) == []


def test_a_held_back_day_that_reads_an_expired_version_stops_nothing(platform: Platform) -> None:
    table = _over(dimension(of="gold/shop/prices", changes="as_of"))
    _built_with_a_price_that_expired(platform, table)
    _sold(platform, DAYS[0])
    [built] = platform.builds.latest(table.id).values()
    [files] = files_by_partition(platform.lake.load(table.id)).values()
    staged = [(file.file_path, file.record_count, file.file_size_in_bytes) for file in files]
    again = replace(built, attempt="held", state="held_back", failed=("rules",), staged=staged)
    platform.builds.record([again])

    assert [row["partition"] for row in held_partitions(platform, [table])] == [DAYS[0]]
    assert [str(row["released_by"]) for row in held_partitions(platform, [table])] == [
        f"it cannot be built again as things are: {_expired(platform, table)}"
    ]
    with pytest.raises(NotReleasable, match=r"changed since it was held back; .* has expired"):
        release(platform, [table], table.id, partition=DAYS[0], by="ann", reason="why")
    planned = plan(table, platform, DAYS[:1], only_stale=True)
    assert (planned.keys, list(planned.expired)) == ((), [DAYS[0]])
    assert planned.digests.keys() == {DAYS[0]}  # what a release or a rollback records
    told = [
        f for f in checks_left_alone(table, platform, planned, DAYS[:1]).findings if not f.passed
    ]
    assert any("has expired" in finding.description for finding in told)

    _sold(platform, DAYS[1])
    _build(platform, table)
    shown = {row["partition"]: row["why"] for row in stale_partitions(platform, [table])}
    assert list(shown) == [DAYS[0]] and "has expired" in shown[DAYS[0]]


def _expired(platform: Platform, table: JudgedTable) -> str:
    return plan(table, platform, DAYS[:1], only_stale=True).expired[DAYS[0]]


@pytest.mark.parametrize("way_out", ["drop", "latest"])
def test_what_reads_an_expired_version_is_built_by_each_of_the_ways_out_that_it_names(
    platform: Platform, way_out: str
) -> None:
    table = _over(dimension(of="gold/shop/prices", changes="as_of"))
    _built_with_a_price_that_expired(platform, table)
    _sold(platform, DAYS[0])
    said = _expired(platform, table)
    assert f"`data-platform drop gold/shop/totals --partition {DAYS[0]}`" in said
    assert "dimension(changes='latest')" in said

    if way_out == "drop":
        with open_instance(platform.settings) as instance:
            planned = plan_drop(platform, [table], table.id, DAYS[0])
            apply_drop(Scope(instance, platform, [table]), planned)
    else:
        table = _over(dimension(of="gold/shop/prices", changes="latest"))

    _build(platform, table)
    assert stored(platform, table) == {DAYS[0]: 501}


def test_a_table_that_cannot_be_planned_keeps_what_is_held_back_and_stops_nothing(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = _over("gold/shop/prices")
    _priced(platform, 100)
    _sold(platform, DAYS[0])
    _build(platform, table)
    [built] = platform.builds.latest(table.id).values()
    platform.builds.record([replace(built, attempt="held", state="held_back", detail="rules")])

    def refuses(*asked: object, **how: object) -> Plan:
        raise LakeError("its input has no statistics")

    monkeypatch.setattr(planning, "plan", refuses)
    assert [row["partition"] for row in held_partitions(platform, [table])] == [DAYS[0]]


def test_the_trouble_of_one_table_does_not_stop_the_others(platform: Platform) -> None:
    troubled = _over(dimension(of="gold/shop/prices", changes="as_of"))
    other = declared("others", "days", {"a": "gold/shop/sales"})
    _built_with_a_price_that_expired(platform, troubled)
    _sold(platform, DAYS[0])
    told: list[str] = []

    with dg.DagsterInstance.ephemeral() as instance:
        scope = Scope(instance, platform, [troubled, other])
        [due] = stale(scope, trouble=told.append)

    assert due.request.asset_selection == [other.key]
    [text] = told
    assert text.startswith("gold/shop/totals is not built: gold/shop/totals 30.10.2015 reads")


def test_what_several_tables_read_is_looked_up_once_when_they_are_planned_together(
    platform: Platform,
) -> None:
    _sold(platform, DAYS[0])
    tables = [declared(name, "days", {"a": "gold/shop/sales"}) for name in ("one", "other")]
    found = plans(tables, platform, Look(platform.lake), trouble=lambda *said: None)

    assert next(found).keys == (DAYS[0],)
    remove_manifests(platform.lake, sales.id)  # another look at them would fail
    assert next(found).keys == (DAYS[0],)


def test_what_was_never_published_is_waited_for_by_name(platform: Platform) -> None:
    table = _over("gold/shop/prices")
    _sold(platform, *DAYS[:2])

    planned = plan_all(table, platform)

    assert planned.keys == ()
    assert planned.waiting == dict.fromkeys(DAYS[:2], (prices.id,))
    assert [(row["partition"], row["why"]) for row in stale_partitions(platform, [table])] == [
        (day, "waits for gold/shop/prices, never published yet") for day in DAYS[:2]
    ]
    _priced(platform, 100)
    assert _stale(platform, table) == DAYS[:2]


def test_rows_count_for_the_day_they_name_also_when_they_land_late(platform: Platform) -> None:
    """A day's sum is of all that names it, built together or after more of it landed."""
    table = declared("by_date", "days", {"a": event_time("sold_on", of="gold/shop/sales")})
    first = dt.date(2015, 10, 30)
    publish_rows(platform, sales, {DAYS[0]: (first, 1), DAYS[1]: (first, 100)}, None)
    _build(platform, table)
    assert stored(platform, table) == {DAYS[0]: 101}

    publish_rows(platform, sales, {DAYS[2]: (first, 1)}, None)

    assert _stale(platform, table) == [DAYS[0]]
    _build(platform, table)
    assert stored(platform, table) == {DAYS[0]: 102}


def test_a_day_whose_rows_are_corrected_to_another_day_keeps_none_of_them(
    platform: Platform,
) -> None:
    table = declared("by_date", "days", {"a": event_time("sold_on", of="gold/shop/sales")})
    publish_rows(platform, sales, {DAYS[1]: (dt.date(2015, 11, 1), 100)}, None)
    _build(platform, table)
    assert stored(platform, table) == {DAYS[2]: 100}

    publish_rows(platform, sales, {DAYS[1]: (dt.date(2015, 10, 30), 100)}, None)

    assert set(_stale(platform, table)) == {DAYS[0], DAYS[2]}
    _build(platform, table)
    assert stored(platform, table) == {DAYS[0]: 100, DAYS[2]: 0}
    assert _stale(platform, table) == []
