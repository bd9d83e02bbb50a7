"""Promotion: production has an environment's rows without computing them, or says what is left."""

import datetime as dt
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from data_platform.build.events import DATA_VERSION_TAG, Log
from data_platform.build.platform import Platform
from data_platform.domains.retail.bronze import order_lines as bronze
from data_platform.domains.retail.gold import daily_sales
from data_platform.domains.retail.silver import order_lines as silver
from data_platform.operations.dropping import apply_drop, plan_drop
from data_platform.operations.environments import create, drop, listed
from data_platform.operations.promotion import Promoted, promote
from data_platform.operations.relocating import relocate
from data_platform.operations.repair import stale_partitions
from data_platform.settings.model import CHECKOUT
from data_platform_tests.support.environments import (
    DAYS,
    IN_EACH,
    NAME,
    changed,
    clean_at_once,
    everything,
    forget_history,
    hashes,
    land_two_days,
    own_files,
    production,
    within,
)
from data_platform_tests.support.faults import Crash, Faults
from data_platform_tests.support.faulty_platform import FaultyPlatform
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
from data_platform_tests.support.processes import promoting

QUARANTINE, DUPLICATES = "quarantine/retail/order_lines", "duplicates/retail/order_lines"


@pytest.fixture
def home(
    spark: SparkSession, request: pytest.FixtureRequest, tmp_path: Path, metadata: str
) -> Iterator[Home]:
    """Two days, under the changed code, which was built in the environment alone."""
    tables = (bronze, silver, daily_sales)
    with production(request, metadata, tmp_path / "home", *tables) as home:
        create(home.platform, NAME)
        with within(home, changed()) as inner:
            assert all(ran.success for ran in inner.run())
        yield home.declaring(changed())


def in_environment(home: Home) -> dict[str, list[dict]]:
    with within(home) as inner:
        return everything(inner)


def rows_of(done: Promoted) -> dict[str, dict[str, int]]:
    return {each.table: dict(each.rows) for each in done.tables}


def test_production_has_the_rows_of_the_environment_and_nothing_is_computed(home: Home) -> None:
    rows, bronze_rows = in_environment(home), home.read(BRONZE).to_pylist()
    data = {file for file in home.place.files("/warehouse") if file.endswith(".parquet")}
    assert everything(home) != rows

    done = promote(home.scope, NAME)

    assert rows_of(done) == {SILVER: {DAYS[0]: 200, DAYS[1]: 3}, SALES: dict.fromkeys(DAYS, 1)}
    assert done.complete and everything(home) == rows
    assert home.read(BRONZE).to_pylist() == bronze_rows
    assert {f for f in home.place.files("/warehouse") if f.endswith(".parquet")} == data
    assert stale_partitions(home.platform, home.tables) == []
    assert home.run() == []
    assert set(home.materialized(SILVER)) == set(DAYS)
    assert home.materialized(SILVER)[DAYS[0]].metadata["promoted_from"].value == NAME


def test_a_promotion_needs_no_engine(home: Home) -> None:
    rows = in_environment(home)

    done = subprocess.run(
        [sys.executable, promoting.__file__, str(home.settings.home)],
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert f"{SILVER}: 2 partitions promoted, 203 rows" in done.stdout
    assert everything(home) == rows


@IN_EACH
def test_rejected_rows_come_along(home: Home) -> None:
    rows = in_environment(home)
    promote(home.scope, NAME)
    found = everything(home)
    for table in (QUARANTINE, DUPLICATES):
        assert found[table] == rows[table] and len(found[table]) == 1
    attempts = {row["_attempt"] for row in found[QUARANTINE]}
    assert attempts == {home.versions()[SILVER][DAYS[0]]}


@IN_EACH
def test_readers_see_one_commit_for_each_table(home: Home) -> None:
    before = len(home.platform.lake.load(silver.id).snapshots())
    promote(home.scope, NAME)
    table = home.platform.lake.load(silver.id)
    assert len(table.snapshots()) == before + 1
    summary = table.current_snapshot().summary  # type: ignore[union-attr]
    assert summary and summary["data_platform.promoted-from"] == NAME


@IN_EACH
def test_what_production_changed_since_is_left_with_all_that_was_built_from_it(
    home: Home,
) -> None:
    old = home.declaring(silver)
    old.land(key_of(DAYS[1]), csv(shop_lines(DAYS[1], 5)))
    assert all(ran.success for ran in old.run())

    done = promote(home.scope, NAME)

    assert rows_of(done) == {SILVER: {DAYS[0]: 200}, SALES: {DAYS[0]: 1}}
    left = {each.table: dict(each.left) for each in done.tables}
    assert "production published another version" in left[SILVER][DAYS[1]]
    assert set(left[SALES]) == {DAYS[1]}
    assert done.stale == {SILVER: 1} and not done.complete
    assert f"{SILVER}: 1 partition to build by `data-platform run`" in done.lines
    assert home.counts(SILVER) == {DAYS[0]: 200, DAYS[1]: 5}
    assert all(ran.success for ran in home.run())
    assert {row["description"] for row in home.read(SILVER).to_pylist()} == {"mug"}
    assert stale_partitions(home.platform, home.tables) == []


def test_what_was_built_from_inputs_that_production_lacks_is_left(home: Home) -> None:
    with within(home, changed()) as inner:
        assert inner.build(bronze, DAYS[0]).success
        assert all(ran.success for ran in inner.run())
    home.declaring(silver).land(key_of(DAYS[0]), csv(shop_lines(DAYS[0], 4)))
    home.declaring(silver).record()  # production knows of another file, and has not read it

    done = promote(home.scope, NAME)

    left = {each.table: dict(each.left) for each in done.tables}
    assert (
        left[BRONZE]
        == left[SILVER]
        == {DAYS[0]: "production has other versions of what it was built from"}
    )
    assert rows_of(done)[SILVER] == {DAYS[1]: 3}
    assert all(ran.success for ran in home.run())
    assert home.counts(SILVER) == {DAYS[0]: 4, DAYS[1]: 3}


@IN_EACH
def test_bronze_is_promoted_and_the_ledger_knows(home: Home) -> None:
    with within(home, changed()) as inner:
        assert inner.build(bronze, *DAYS).success
        assert all(ran.success for ran in inner.run())
    rows = in_environment(home)

    done = promote(home.scope, NAME)

    assert rows_of(done)[BRONZE] == {DAYS[0]: 202, DAYS[1]: 3}
    assert done.complete and everything(home) == rows
    loaded = home.platform.ledger.loaded("online_retail", DAYS)
    assert {e.bronze_version for e in loaded} == set(home.versions()[BRONZE].values())
    assert home.run() == []


def test_other_code_than_the_environments_promotes_nothing_that_it_built(home: Home) -> None:
    before = everything(home)
    done = promote(home.declaring(silver).scope, NAME)
    left = {each.table: set(each.left) for each in done.tables}
    assert left == {SILVER: set(DAYS), SALES: set(DAYS)}
    assert everything(home) == before and done.stale == {}


@IN_EACH
def test_promoting_twice_changes_nothing_more(home: Home) -> None:
    promote(home.scope, NAME)
    before = hashes(home)
    done = promote(home.scope, NAME)
    assert {each.table: tuple(each.already) for each in done.tables} == {SILVER: DAYS, SALES: DAYS}
    assert done.complete and hashes(home) == before


def test_files_of_a_table_that_production_dropped_are_deleted_by_dropping_what_is_kept(
    home: Home,
) -> None:
    promote(home.scope, NAME)
    assert drop(home.platform, NAME).kept
    rows = home.read(SILVER).to_pylist()
    apply_drop(home.scope, plan_drop(home.platform, home.tables, daily_sales.id, None))
    clean_at_once(home)
    assert any("/gold/" in file for file in own_files(home))

    done = drop(home.platform, NAME)

    assert done.deleted and done.kept == len(own_files(home)) > 0
    assert not any("/gold/" in file for file in own_files(home))
    assert [each["state"] for each in listed(home.platform)] == ["kept"]
    assert home.read(SILVER).to_pylist() == rows


@IN_EACH
def test_production_stays_readable_after_the_environment_is_dropped(home: Home) -> None:
    promote(home.scope, NAME)
    rows = everything(home)

    done = drop(home.platform, NAME)

    assert done.kept == len(own_files(home)) > 0
    assert everything(home) == rows
    clean_at_once(home)
    assert everything(home) == rows and home.run() == []
    assert [each["state"] for each in listed(home.platform)] == ["kept"]


def test_what_was_promoted_is_found_in_a_home_that_was_moved(home: Home, tmp_path: Path) -> None:
    promote(home.scope, NAME)
    drop(home.platform, NAME)
    rows, warehouse = everything(home), tmp_path / "home" / "warehouse"
    shutil.copytree(tmp_path / "home", tmp_path / "moved")
    warehouse.rename(tmp_path / "gone")

    with home_at(tmp_path / "moved", (bronze, changed(), daily_sales)) as moved:
        relocate(moved.platform)

        assert own_files(moved)
        assert everything(moved) == rows


@IN_EACH
def test_what_production_lets_go_of_is_cleaned_wherever_it_lies(home: Home) -> None:
    promote(home.scope, NAME)
    drop(home.platform, NAME)
    for table in home.tables[1:]:
        assert home.build(table, *DAYS).success
    forget_history(home)
    rows = everything(home)

    clean_at_once(home)

    assert own_files(home) == set() and everything(home) == rows


@IN_EACH
def test_an_environment_cleans_no_file_that_was_promoted(home: Home) -> None:
    promote(home.scope, NAME)
    rows = everything(home)
    with within(home, changed()) as inner:
        for table in inner.tables[1:]:
            assert inner.build(table, *DAYS).success
        forget_history(inner)
        clean_at_once(inner)
    assert everything(home) == rows


@IN_EACH
def test_what_a_promotion_killed_after_a_commit_did_not_log_is_logged_by_the_next(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise Crash

    rows = in_environment(home)
    with monkeypatch.context() as patched, pytest.raises(Crash):
        patched.setattr(Log, "materializations", killed)
        promote(home.scope, NAME)
    versions = home.versions()
    assert _logged(home, SILVER) != versions[SILVER]

    done = promote(home.scope, NAME)

    assert [tuple(each.already) for each in done.tables if each.table == SILVER] == [DAYS]
    assert everything(home) == rows  # quarantine and duplicates, too
    for table in (SILVER, SALES):
        assert _logged(home, table) == home.versions()[table]
        promoted = home.materialized(table)[DAYS[0]].metadata
        assert promoted["promoted_from"].value == NAME
        count = promoted["dagster/partition_row_count"].value
        assert count == home.counts(table)[DAYS[0]]
    events = len(_events(home))
    promote(home.scope, NAME)
    assert len(_events(home)) == events


def _logged(home: Home, table: str) -> dict[str, str]:
    """The version of each partition that Dagster was told of."""
    return {
        key: (event.tags or {})[DATA_VERSION_TAG] for key, event in home.materialized(table).items()
    }


def _events(home: Home) -> list[object]:
    return list(home.instance.fetch_materializations(silver.key, limit=5000).records)


def test_partitions_that_landed_objects_move_between_are_left(
    spark: SparkSession, tmp_path: Path
) -> None:
    def other_day(text: str) -> str:
        return "2011-03-08" if text == "2011-03-07" else text

    corrected = replace(bronze, source=replace(bronze.source, partition=other_day))
    with home_at(tmp_path / "home", (bronze,)) as before:
        land_two_days(before)
        assert all(ran.success for ran in before.run())
        home = before.declaring(corrected)
        now = dt.datetime.now(dt.UTC)
        home.platform.ledger.move([corrected.source], now, states=("loaded",))  # and no run yet
        create(home.platform, NAME)
        with within(home) as inner:
            assert all(ran.success for ran in inner.run())
            rows = inner.counts(BRONZE)

        done = promote(home.scope, NAME)

        [table] = done.tables
        assert set(table.left.values()) == {"landed objects move into or out of it in production"}
        assert set(table.left) == set(DAYS)
        assert all(ran.success for ran in home.run())
        assert home.counts(BRONZE) == rows == {DAYS[0]: 0, DAYS[1]: 205}
        assert home.platform.ledger.moving("online_retail") == []


def _killed(home: Home, faults: Faults) -> Home:
    """The home with a platform that breaks."""

    class Broken(Home):
        @property
        def platform(self) -> Platform:  # type: ignore[override]
            return FaultyPlatform(self.settings, faults=faults)

    return Broken(home.settings, home.instance, home.tables, home.place)


@pytest.mark.parametrize(
    ("step", "after"),
    [
        ("commit", False),
        ("adopt", True),
        *(
            pytest.param(step, after, marks=pytest.mark.soak)
            for step, after in (
                ("commit", True),
                ("adopt", False),
                ("ledger", False),
                ("ledger", True),
            )
        ),
    ],
)
def test_a_promotion_that_was_killed_is_completed_by_the_next(
    home: Home, tmp_path: Path, step: str, after: bool
) -> None:
    with within(home, changed()) as inner:  # so that the ledger has its part
        assert inner.build(bronze, *DAYS).success
        assert all(ran.success for ran in inner.run())
    wanted, old = in_environment(home), everything(home)
    restored = _restoring(home, tmp_path / "saved")
    for at in count(1):
        faults, home = Faults(at=at, after=after, only=step), restored()
        with suppress(Crash):
            promote(_killed(home, faults).scope, NAME)
        if not faults.raised:
            break
        seen = everything(home)
        for table in (BRONZE, SILVER, SALES):
            assert seen[table] in (old[table], wanted[table]), (table, faults.steps)

        done = promote(home.scope, NAME)

        assert done.complete and everything(home) == wanted, faults.steps
        assert stale_partitions(home.platform, home.tables) == []
    assert at > 2 and everything(home) == wanted


def _restoring(home: Home, saved: Path) -> Callable[[], Home]:
    """Gives the home as it is now, but for Dagster's events, however often it is asked."""
    place = home.settings.home
    kept = ("catalog.db", "ledger.db", "warehouse", "environments")
    copying = shutil.ignore_patterns("dagster")
    for name in kept:
        _copy(place / name, saved / name, copying)

    def restored() -> Home:
        for name in kept:
            _copy(saved / name, place / name, copying)
        for journal in place.glob("*.db-*"):
            journal.unlink()
        return home.declaring()

    return restored


def _copy(source: Path, target: Path, copying: Callable) -> None:
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target, ignore=copying)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
