"""The values of metrics are those of the tables, of what landed, and of Dagster's runs."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from data_platform.health.measuring import Measuring
from data_platform.lake.builds import Builds
from data_platform_tests.support.homes import (
    BRONZE,
    SALES,
    SILVER,
    Home,
    csv,
    home_at,
    key_of,
    shop_lines,
)
from data_platform_tests.support.tables import TABLES

MONDAY, TUESDAY = "2011-03-28", "2011-03-29"
NOW = dt.datetime(2011, 3, 31, tzinfo=dt.UTC)


@pytest.fixture
def home(spark: SparkSession, tmp_path: Path) -> Iterator[Home]:
    with home_at(tmp_path / "home", TABLES) as home:
        yield home


class Observed:
    """What was observed of a home, by metric and labels."""

    def __init__(self, home: Home, now: dt.datetime | None = None) -> None:
        self.troubles: list[str] = []
        measuring = Measuring(home.platform, home.tables)
        found = measuring.observe(
            home.instance, now or dt.datetime.now(dt.UTC), self.troubles.append
        )
        self._values = {
            (each.metric.name, frozenset(each.labels.items())): each.value for each in found
        }
        assert len(self._values) == len(found)

    def __call__(self, name: str, **labels: str) -> float | None:
        return self._values.get((f"pipeline.{name}", frozenset(labels.items())))


def broken(day: str) -> list[str]:
    """A row without a quantity."""
    return [f"599999,20600,MUG,,{day} 10:00:00,1.25,12346.0,EIRE"]


def test_a_tables_figures_are_those_of_its_rows(home: Home) -> None:
    home.land(key_of(MONDAY), csv(shop_lines(MONDAY, 4)))
    home.land(
        key_of(TUESDAY),
        csv([*shop_lines(TUESDAY, 400), *shop_lines(TUESDAY, 2), *broken(TUESDAY)]),
    )
    home.run()

    found = Observed(home)

    assert not found.troubles
    for table in (BRONZE, SILVER, SALES):
        assert found("row_count", table=table) == home.read(table).num_rows
        assert found("partitions", table=table) == 2
        assert (found("size", table=table) or 0) > 0
        assert found("held_back", table=table) == 0
    assert found("rows", table=SILVER, outcome="published") == 404
    assert found("rows", table=SILVER, outcome="quarantined") == 1
    assert found("rows", table=SILVER, outcome="duplicate") == 2
    assert found("quarantined_share", table=SILVER) == 1 / 407
    assert found("duplicate_share", table=SILVER) == 2 / 407
    assert found("bytes_written", table=SILVER) == found("size", table=SILVER)


def test_phases_and_memory_are_of_the_runs(home: Home) -> None:
    home.land(key_of(MONDAY), csv(shop_lines(MONDAY)))
    home.run()

    once = Observed(home)
    home.land(key_of(TUESDAY), csv(shop_lines(TUESDAY)))
    home.run()
    twice = Observed(home)

    for table, work in ((BRONZE, "parse"), (SILVER, "compute")):
        assert (once("engine.memory", table=table) or 0) > 10_000_000
        for phase in ("plan", work, "audit", "commit"):
            assert once("phase.runs", table=table, phase=phase) == 1
            assert twice("phase.runs", table=table, phase=phase) == 2
            seconds = [of("phase.seconds", table=table, phase=phase) or 0 for of in (once, twice)]
            assert 0 < seconds[0] < seconds[1]


def test_null_rates_and_age_are_of_the_newest_partition_with_rows(home: Home) -> None:
    without = shop_lines(TUESDAY, 1)[0].replace("12346.0", "")
    home.land(key_of(MONDAY), csv(shop_lines(MONDAY, 4)))
    home.land(key_of(TUESDAY), csv([*shop_lines(TUESDAY, 3, first=1), without]))
    home.run()

    found = Observed(home, NOW)

    rows = home.read(SILVER, TUESDAY)
    assert found("null_rate", table=SILVER, column="customer_id") == 1 / 4
    assert rows["customer_id"].null_count == 1
    assert found("data_age_seconds", table=SILVER) == dt.timedelta(days=1).total_seconds()


def test_a_held_back_partition_and_a_failed_object_are_counted(home: Home) -> None:
    home.land(key_of(MONDAY), csv(broken(MONDAY) + shop_lines(MONDAY, 1)))
    home.land(key_of(TUESDAY), b"not,the,header\n1,2,3\n")
    home.land("elsewhere/what.txt", b"?")
    failed = [ran for ran in home.run() if not ran.success]

    found = Observed(home)

    assert found("held_back", table=SILVER) == 1
    assert found("partitions_built", table=SILVER, outcome="held_back") == 1
    assert found("objects", source="online_retail", state="failed") == 1
    assert found("objects", source="online_retail", state="pending") == 0
    assert found("unknown_objects") == 1
    assert failed
    assert found("runs.ended", state="failure") == len(failed)
    assert found("runs.open", state="started") == 0


def test_what_waits_to_be_loaded_is_counted_with_its_age(home: Home) -> None:
    home.land(key_of(MONDAY), csv(shop_lines(MONDAY)))
    home.record()

    found = Observed(home, dt.datetime.now(dt.UTC) + dt.timedelta(hours=1))

    assert found("objects", source="online_retail", state="pending") == 1
    assert 3600 <= (found("oldest_pending_seconds", source="online_retail") or 0) < 4000
    assert found("row_count", table=BRONZE) is None


def test_totals_are_not_changed_by_forgetting(home: Home) -> None:
    home.land(key_of(MONDAY), csv(shop_lines(MONDAY, 4)))
    home.run()
    silver = next(table.id for table in home.tables if str(table.id) == SILVER)
    home.platform.builds.forget(silver)

    assert Observed(home)("rows", table=SILVER, outcome="published") == 4


def test_a_table_is_looked_at_again_only_when_it_has_changed(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    held_back = Builds.held_back

    def counted(self, table):
        asked.append(str(table))
        return held_back(self, table)

    monkeypatch.setattr(Builds, "held_back", counted)
    measuring = Measuring(home.platform, home.tables)
    now, troubles = dt.datetime.now(dt.UTC), []
    home.land(key_of(MONDAY), csv(shop_lines(MONDAY)))
    home.run()
    before = measuring.observe(home.instance, now, troubles.append)

    asked.clear()
    assert measuring.observe(home.instance, now, troubles.append) == before
    assert asked == []
    home.land(key_of(TUESDAY), csv(shop_lines(TUESDAY)))
    home.run()
    asked.clear()
    after = measuring.observe(home.instance, now, troubles.append)

    assert BRONZE in asked
    assert [each.value for each in after if each.metric.name == "pipeline.row_count"] != [
        each.value for each in before if each.metric.name == "pipeline.row_count"
    ]
    assert troubles == []
