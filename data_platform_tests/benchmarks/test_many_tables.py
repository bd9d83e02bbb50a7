"""The synthetic tables of the benchmark are as real ones, and show what sensors do not look at."""

import datetime as dt
import itertools
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from benchmarks.many_tables import Shops, shops
from benchmarks.published_tables import publish_again
from benchmarks.workload import Workload
from data_platform.build.kinds import derived, landed
from data_platform.build.planning import Plan, plan_all
from data_platform.platform_defs import scanning
from data_platform.platform_defs.assembly import definitions
from data_platform.runs.due import stale
from data_platform.runs.retry import DueRun
from data_platform.runs.scope import Scope
from data_platform.settings.environment import environment_kept
from data_platform_tests.support.bakery import ended

TABLES, DAYS = 20, 30
GONE = "the metadata file that the catalog names is not there"


@pytest.fixture
def many(tmp_path: Path) -> Iterator[Shops]:
    load = Workload(tmp_path / "no data", tmp_path, quick=True, engine="sail")
    with environment_kept(), shops(load, TABLES, DAYS) as found:
        yield found


def test_the_tables_are_declared_and_every_partition_is_published_and_up_to_date(
    many: Shops,
) -> None:
    assert (len(many.tables), len(many.keys)) == (TABLES, DAYS)
    for table in many.tables:
        found = plan_all(table, many.platform)
        assert (found.keys, set(found.rows)) == ((), set(many.keys))


def test_each_sample_asks_for_a_run_and_can_be_taken_again(many: Shops) -> None:
    for sample in (many.arrivals, many.stale, many.plan):
        assert sample() > 0 and sample() > 0


def test_a_tick_reads_no_metadata_of_tables_that_did_not_change(
    many: Shops, capfd: pytest.CaptureFixture
) -> None:
    unchanged = [table for table in derived(many.own) if table.id.name[-1] in "234"]
    warehouse = many.platform.settings.home / "warehouse"
    for table in unchanged:
        for file in warehouse.joinpath(*table.id.path).rglob("*.*"):
            file.unlink()

    assert many.stale() > 0  # of the tables 0 and 1
    assert GONE not in capfd.readouterr().err

    many.cursors.clear()
    many.tick("stale_tables")
    assert capfd.readouterr().err.count(GONE) == len(unchanged)


def test_a_landed_table_is_looked_at_again_once_its_attempts_have_changed(many: Shops) -> None:
    table, key = landed(many.own)[0], many.keys[0]
    assert many.arrivals() > 0
    assert many.tick("landing_arrivals")[1] == 0

    many.platform.builds.accept(table.id, {key: "attempt"}, {}, "another declaration", "a test")

    assert many.tick("landing_arrivals")[1] == 1
    assert many.tick("landing_arrivals")[1] == 1  # as long as it is due


def test_a_look_that_takes_too_long_goes_on_with_the_next_tick(
    many: Shops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "_LONGEST", -1.0)
    many.cursors.clear()
    ticks = 0
    while len((many.cursors.get("stale_tables") or "").split()) < len(derived(many.tables)):
        _, requests = many.tick("stale_tables")
        assert not requests
        ticks += 1
        assert ticks <= len(derived(many.tables))
    assert ticks == len(derived(many.tables))
    assert many.skipped == "every table that has changed is up to date"


def test_definitions_list_no_partitions(many: Shops, monkeypatch: pytest.MonkeyPatch) -> None:
    def listed(*_: object, **__: object) -> list[str]:
        raise AssertionError("a definition may have thousands of partitions")

    monkeypatch.setattr(dg.TimeWindowPartitionsDefinition, "get_partition_keys", listed)
    definitions(many.tables, many.platform.settings).get_repository_def()


def test_what_is_due_is_asked_for_however_long_the_look_takes(
    many: Shops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "_LONGEST", -1.0)
    assert many.stale() > 0


def test_what_failed_waits_however_many_tables_of_its_job_are_planned(many: Shops) -> None:
    for table in landed(many.own):
        publish_again(many.platform.lake, table, many.keys[-1], f"again-{next(many.count)}")
    scope = Scope(many.instance, many.platform, many.tables)
    tables = [table.id for table in derived(many.own)]

    def asked(first: int, last: int) -> DueRun:
        reached = itertools.count(first)
        [each] = stale(
            scope,
            trouble=pytest.fail,
            among=tables[first:],
            reaches=lambda _: next(reached) < last,
        )
        return each

    def waits(each: DueRun) -> bool:
        return each.at > dt.datetime.now(dt.UTC)

    ended(many.instance, asked(0, 2).request)
    assert waits(asked(0, 1)) and waits(asked(0, 2)) and waits(asked(1, 2))
    assert not waits(asked(0, 3)) and not waits(asked(2, 4))  # other work is not delayed

    ended(many.instance, asked(0, len(tables)).request)
    assert waits(asked(0, 1)) and waits(asked(2, 4)) and waits(asked(0, len(tables)))


def test_one_job_with_much_to_build_does_not_hold_up_a_look(many: Shops) -> None:
    for table in landed(many.own):
        publish_again(many.platform.lake, table, many.keys[-1], f"again-{next(many.count)}")
    looked_at: list[Plan] = []

    found = list(
        stale(
            Scope(many.instance, many.platform, many.tables),
            trouble=pytest.fail,
            planned=looked_at.append,
            reaches=lambda _: not looked_at,
        )
    )

    assert len(looked_at) == 1 and looked_at[0].keys and len(found) == 1
