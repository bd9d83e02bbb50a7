"""Virtual environments: made without copying, built in without touching production, dropped."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from data_platform.build.platform import Platform
from data_platform.databases.schemas import copy_rows
from data_platform.domains.retail.bronze import order_lines as bronze
from data_platform.domains.retail.gold import daily_sales
from data_platform.domains.retail.silver import order_lines as silver
from data_platform.lake.environments import NoEnvironment
from data_platform.operations import environments
from data_platform.operations.environments import create, drop, listed
from data_platform.operations.repair import stale_partitions
from data_platform.runs.in_process import TablesBusy
from data_platform.runs.liveness import at_work, driving, hold
from data_platform.settings.virtual import inside
from data_platform.storage.files import Storage, StoredFile
from data_platform_tests.support.environments import (
    DAYS,
    IN_EACH,
    NAME,
    changed,
    clean_at_once,
    everything,
    forget_history,
    hashes,
    own_files,
    production,
    within,
)
from data_platform_tests.support.faults import Crash, Faults
from data_platform_tests.support.faulty_platform import FaultyStorage
from data_platform_tests.support.homes import (
    BRONZE,
    SALES,
    SILVER,
    Home,
    csv,
    home_at,
    key_of,
    rows_of_a_load,
    shop_lines,
)


@pytest.fixture
def home(
    spark: SparkSession, request: pytest.FixtureRequest, tmp_path: Path, metadata: str
) -> Iterator[Home]:
    """Two days, built, with a duplicate and a rejected row on the first."""
    tables = (bronze, silver, daily_sales)
    with production(request, metadata, tmp_path / "home", *tables) as home:
        yield home


def test_creating_one_copies_no_data_and_leaves_production_as_it_is(home: Home) -> None:
    before, rows = hashes(home), everything(home)

    made = create(home.platform, NAME)

    written = own_files(home)
    assert made.tables == len(rows) == len(written) > 0
    assert all(file.endswith(".metadata.json") for file in written)
    assert hashes(home) == before
    with within(home) as inner:
        assert everything(inner) == rows
        assert stale_partitions(inner.platform, inner.tables) == []
        assert inner.run() == []


def test_an_environment_of_a_home_without_tables_has_none(tmp_path: Path) -> None:
    with home_at(tmp_path / "home", (bronze,)) as home:
        assert create(home.platform, NAME).tables == 0


def test_changed_code_is_built_in_the_environment_alone(home: Home) -> None:
    home.land(key_of(DAYS[1]), csv(shop_lines(DAYS[1], 5)))
    assert all(ran.success for ran in home.run())
    before, rows, versions = hashes(home), everything(home), home.versions()
    create(home.platform, NAME)

    with within(home, changed()) as inner:
        assert all(ran.success for ran in inner.run())
        assert inner.changed(versions) == {BRONZE: set(), SILVER: set(DAYS), SALES: set(DAYS)}
        described = set(inner.read(SILVER).column("description").to_pylist())
        assert described == {"mug"}
        assert stale_partitions(inner.platform, inner.tables) == []

    assert any(file.endswith(".parquet") for file in own_files(home))
    assert hashes(home) == before and everything(home) == rows
    assert home.run() == []


@IN_EACH
def test_what_lands_is_left_to_production(home: Home) -> None:
    create(home.platform, NAME)
    later = "2011-03-09"
    home.land(key_of(later), csv(shop_lines(later)))

    with within(home) as inner:
        assert inner.run() == []
        assert later not in inner.counts(BRONZE)

    assert all(ran.success for ran in home.run())
    assert home.counts(BRONZE)[later] == 3


def test_bronze_is_read_again_in_the_environment_from_what_had_landed(home: Home) -> None:
    create(home.platform, NAME)
    landed = home.platform.ledger.summary()
    with within(home) as inner:
        before = rows_of_a_load(inner.read(BRONZE))
        result = inner.build(bronze, *DAYS)
        assert result.success
        assert rows_of_a_load(inner.read(BRONZE)) == before
        assert inner.changed(home.versions())[BRONZE] == set(DAYS)
    assert home.platform.ledger.summary() == landed
    assert home.run() == []


@IN_EACH
def test_cleaning_production_spares_what_an_environment_refers_to(home: Home) -> None:
    create(home.platform, NAME)
    rows = everything(home)
    home.land(key_of(DAYS[0]), csv(shop_lines(DAYS[0], 4)))
    assert all(ran.success for ran in home.run())
    forget_history(home)

    clean_at_once(home)

    with within(home) as inner:
        assert everything(inner) == rows
    drop(home.platform, NAME)
    deleted = clean_at_once(home)
    assert any("/data/" in file for file in deleted)
    assert home.counts(SILVER)[DAYS[0]] == 4


@IN_EACH
def test_cleaning_and_expiring_in_an_environment_delete_no_file_of_production(home: Home) -> None:
    create(home.platform, NAME)
    before = hashes(home)
    with within(home, changed()) as inner:
        for _ in range(2):
            assert inner.build(inner.tables[1], *DAYS).success
        forget_history(inner)
        assert any("/data/" in file for file in clean_at_once(inner))
        assert inner.counts(SILVER) == home.counts(SILVER)
    assert hashes(home) == before


@IN_EACH
def test_a_dropped_environment_leaves_nothing_but_production(home: Home) -> None:
    before, rows = hashes(home), everything(home)
    create(home.platform, NAME)
    with within(home, changed()) as inner:
        inner.run()
        place = inner.settings.home

    done = drop(home.platform, NAME)

    assert done.kept == 0 and done.deleted > 0
    assert own_files(home) == set() and not place.exists()
    assert listed(home.platform) == []
    assert hashes(home) == before and everything(home) == rows


@IN_EACH
def test_an_environment_that_does_not_exist_is_refused(home: Home) -> None:
    with pytest.raises(NoEnvironment, match=f"`data-platform environment create {NAME}`"):
        home.platform.inside(NAME).lake.tables()
    with pytest.raises(NoEnvironment, match="does not exist"):
        drop(home.platform, NAME)
    create(home.platform, NAME)
    with pytest.raises(NoEnvironment, match="is ready"):
        create(home.platform, NAME)


@IN_EACH
def test_an_environment_whose_creation_was_interrupted_is_created_again(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patched, pytest.raises(Crash):
        patched.setattr(environments, "copy_rows", killed)
        create(home.platform, NAME)
    with pytest.raises(NoEnvironment, match="run `data-platform environment create"):
        home.platform.inside(NAME).lake.tables()
    home.land(key_of(DAYS[1]), csv(shop_lines(DAYS[1], 5)))
    assert all(ran.success for ran in home.run())

    create(home.platform, NAME)

    with within(home) as inner:
        assert everything(inner) == everything(home) and inner.run() == []


def test_what_is_published_while_an_environment_is_created_is_in_tables_and_ledger_alike(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.land(key_of(DAYS[1]), csv(shop_lines(DAYS[1], 5)))
    home.record()
    copied = []

    def publishing_first(*arguments) -> None:
        if not copied:
            assert home.build(bronze, DAYS[1]).success
        copied.append(copy_rows(*arguments))

    monkeypatch.setattr(environments, "copy_rows", publishing_first)
    create(home.platform, NAME)

    assert len(copied) == 2
    with within(home) as inner:
        assert inner.counts(BRONZE) == home.counts(BRONZE) and inner.counts(BRONZE)[DAYS[1]] == 5
        [entry] = inner.platform.ledger.loaded("online_retail", [DAYS[1]])
        assert entry.bronze_version == inner.versions()[BRONZE][DAYS[1]]
        assert all(ran.success for ran in inner.run())
        assert inner.counts(SILVER)[DAYS[1]] == 5


def test_an_environment_of_tables_that_keep_changing_is_refused(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def published(*arguments) -> None:
        copy_rows(*arguments)
        with home.platform.lake.load(bronze.id).transaction() as change:
            change.set_properties({"commits": str(len(own_files(home)))})

    with monkeypatch.context() as patched:
        patched.setattr(environments, "copy_rows", published)
        with pytest.raises(TablesBusy, match=f"`data-platform environment create {NAME}` again"):
            create(home.platform, NAME)
    assert [each["state"] for each in listed(home.platform)] == ["creating"]
    create(home.platform, NAME)


def test_an_environment_is_not_created_while_another_command_changes_production(
    home: Home,
) -> None:
    class Waited(Exception):
        pass

    def waiting() -> None:
        raise Waited

    with driving(home.instance, home.platform), pytest.raises(Waited):
        create(home.platform, NAME, waiting=waiting)
    assert listed(home.platform) == []


def test_a_drop_that_was_interrupted_is_completed_by_the_next(home: Home) -> None:
    before = hashes(home)
    create(home.platform, NAME)
    with within(home, changed()) as inner:
        inner.run()
    faults = Faults(at=3, only="delete")
    with pytest.raises(Crash):
        drop(replace(home.platform, given_storage=FaultyStorage(faults)), NAME)
    with pytest.raises(NoEnvironment, match="run `data-platform environment drop"):
        home.platform.inside(NAME).lake.tables()

    assert drop(home.platform, NAME).deleted > 0

    assert own_files(home) == set() and listed(home.platform) == []
    assert hashes(home) == before and home.run() == []


def test_a_drop_that_was_killed_before_it_found_the_environment_idle_looks_again(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(home.platform, NAME)
    states = []

    def interrupted(_: Platform) -> None:
        states.append(listed(home.platform)[0]["state"])
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(environments, "at_work", interrupted)
        drop(home.platform, NAME)
    # As SIGKILL there leaves it.
    home.platform.environments.set(NAME, states[0], among=("ready",))
    assert len(home.platform.lakes_beside()) == 1  # `clean` spares what it refers to

    with (
        hold(replace(home.platform, settings=inside(home.settings, NAME)), "run00001"),
        pytest.raises(TablesBusy, match=f"run run00001 is at work in .* {NAME};"),
    ):
        drop(home.platform, NAME)

    assert [each["state"] for each in listed(home.platform)] == ["ready"]
    drop(home.platform, NAME)
    assert own_files(home) == set() and listed(home.platform) == []


def test_an_environment_that_is_at_work_is_not_dropped(home: Home) -> None:
    create(home.platform, NAME)
    with (
        within(home) as inner,
        hold(inner.platform, "run00001"),
        pytest.raises(TablesBusy, match=f"run run00001 is at work in .* {NAME};"),
    ):
        drop(home.platform, NAME)
    assert [each["state"] for each in listed(home.platform)] == ["ready"]


def test_nothing_can_begin_in_an_environment_once_a_drop_has_found_it_idle(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(home.platform, NAME)
    looked = []

    def looking(inner: Platform) -> tuple[bool, list[str], list[str]]:
        with pytest.raises(NoEnvironment, match="is closing"):
            home.platform.inside(NAME).lake.tables()
        looked.append(at_work(inner))
        return looked[-1]

    monkeypatch.setattr(environments, "at_work", looking)
    drop(home.platform, NAME)
    assert looked == [(False, [], [])] and listed(home.platform) == []


def test_an_environment_that_is_created_while_production_is_cleaned_keeps_what_it_refers_to(
    home: Home,
) -> None:
    rows, versions = everything(home), home.versions()

    class Creating(Storage):
        """Has the environment created with the first listing, and production forget history."""

        def files(self, location: str) -> Iterator[StoredFile]:
            if not listed(home.platform):
                create(home.platform, NAME)
                home.land(key_of(DAYS[0]), csv(shop_lines(DAYS[0], 6)))
                home.record()
                assert all(home.build(table, DAYS[0]).success for table in home.tables)
                forget_history(home)
            return super().files(location)

    platform = replace(home.platform, given_storage=Creating())
    clean_at_once(home, platform)

    with within(home) as inner:
        assert everything(inner) == rows and inner.versions() == versions
    drop(home.platform, NAME)
    assert any("/data/" in file for file in clean_at_once(home))
