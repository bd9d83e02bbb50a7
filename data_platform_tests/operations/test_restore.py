"""A backup, restored into an empty place: every table is as it was, and the work goes on."""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa

from data_platform.access.people import Person, Role
from data_platform.access.trail import Change, Outcome, Through, entries_in
from data_platform.build.platform import Platform
from data_platform.databases.connections import Database
from data_platform.databases.errors import BeingRestored, DatabaseTooNew, DatabaseUnavailable
from data_platform.databases.migration import HEAD
from data_platform.lake.environments import State
from data_platform.lake.errors import ForeignTable
from data_platform.lake.expiry import expire_all
from data_platform.lake.files import files_by_partition, versions
from data_platform.lake.upkeep.clean import clean
from data_platform.operations import restore as restoring
from data_platform.operations.backup import back_up
from data_platform.operations.repair import instance_of
from data_platform.operations.restorable import RestoreError
from data_platform.operations.restore import restore
from data_platform.runs.arrivals import record_arrivals
from data_platform.runs.liveness import driving_home, hold
from data_platform.settings.environment import environment_kept, settings_at
from data_platform.storage.archive import ArchiveError
from data_platform.storage.files import Storage
from data_platform.storage.object_store import ObjectStore
from data_platform_tests.support.backups import (
    DAY,
    DAYS,
    NOW,
    SILVER,
    backed_up,
    copied,
    deleted,
    killed_restoring,
    loaded,
    materialized,
    publishing,
    shop_in,
)
from data_platform_tests.support.places import Place, place_of
from data_platform_tests.support.small_shop import RECEIVED, TABLES, SmallShop

MakeShop = Callable[[str], SmallShop]


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    with environment_kept():
        yield


@pytest.fixture(params=["files", pytest.param("servers", marks=pytest.mark.integration)])
def new_shop(request: pytest.FixtureRequest, tmp_path: Path) -> MakeShop:
    """Gives an empty platform: all in one directory, with or without a SQLite file for each part
    of its metadata, or on PostgreSQL and in a bucket."""

    def make(name: str) -> SmallShop:
        home = tmp_path / name
        if request.param == "files":
            return shop_in(home)
        if request.param == "one file":
            uri = f"sqlite:///{home}/platform.db"
            return replace(shop_in(home), others={"catalog_uri": uri, "ledger_uri": uri})
        place = place_of(request, "versitygw", home)
        return SmallShop(home, place, request.getfixturevalue("new_postgres_url")())

    return make


@pytest.fixture
def old(tmp_path: Path) -> SmallShop:
    return loaded(shop_in(tmp_path / "old"))


@pytest.fixture
def new(tmp_path: Path) -> SmallShop:
    return shop_in(tmp_path / "new")


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    return tmp_path / "backup"


@pytest.mark.parametrize(
    "new_shop",
    ["files", "one file", pytest.param("servers", marks=pytest.mark.integration)],
    indirect=True,
)
def test_every_table_is_as_it_was_in_another_place_and_the_work_goes_on(
    new_shop: MakeShop, backup: Path
) -> None:
    old, new = loaded(new_shop("old")), new_shop("new")
    with hold(old.platform(), "run-that-has-ended"):
        pass
    place = f"{new.place.root}/backup"
    before, objects = old.everything(), old.platform().ledger.summary()
    backed_up(old, place)
    copied(old, new)
    deleted(old)

    done = restore(new.platform(), place)

    assert (done.tables, done.forgotten, done.unreleasable) == (len(before), {}, {})
    assert all(before.values())
    assert new.everything() == before
    assert new.platform().ledger.summary() == objects
    assert materialized(new) == DAYS
    staged = new.platform().builds.staged_files(SILVER)
    assert staged
    assert staged <= new.place.files()
    assert new.run() == set()
    new.land("2011-03-06", ["e,5"])
    assert new.run() == {"bronze 2011-03-06", "silver 2011-03-06"}
    assert new.run() == set()


def test_backups_that_were_made_while_runs_publish_hold_every_published_version_in_the_register(
    new_shop: MakeShop, tmp_path: Path
) -> None:
    old = new_shop("old")
    places = [f"{old.place.root}/backup{n}" for n in range(3)]
    with publishing(old) as until_published:
        for n, place in enumerate(places):
            until_published(2 * n + 1)
            backed_up(old, place)
    in_the_end = old.everything()
    states = []
    for n, place in enumerate(places):
        new = new_shop(f"new{n}")
        copied(old, new)
        restore(new.platform(), place)
        platform = new.platform()
        for table in platform.lake.tables():
            published = versions(files_by_partition(platform.lake.load(table)))
            if table.layer in ("bronze", "silver"):
                assert platform.builds.of(table, published).keys() == published.keys()
        states.append(new.rows(SILVER))
        new.run()
        assert new.everything() == in_the_end
    assert len({len(rows) for rows in states}) > 1  # they are of different moments


def test_virtual_environments_do_not_come_along_but_what_production_has_of_them(
    old: SmallShop, tmp_path: Path
) -> None:
    states: dict[str, State] = {"pr_1": "ready", "pr_2": "creating", "pr_3": "kept"}
    for name, state in states.items():
        old.platform().environments.set(name, "creating", among=[None])
        old.platform().environments.set(name, state, among=["creating"])
    new, place = shop_in(tmp_path / "new"), tmp_path / "backup"
    backed_up(old, place)
    copied(old, new)

    restore(new.platform(), str(place))

    assert [each.name for each in new.platform().environments.all()] == ["pr_3"]
    assert new.everything() == old.everything()


def test_files_are_copied_where_that_is_asked_for(
    old: SmallShop, new: SmallShop, backup: Path
) -> None:
    backed_up(old, backup)

    restore(new.platform(), str(backup), copy=True)

    before = old.everything()
    deleted(old)
    assert new.everything() == before


def test_what_a_backup_refers_to_outlives_expiry_and_cleaning_while_it_is_kept(
    old: SmallShop, new: SmallShop, backup: Path, tmp_path: Path
) -> None:
    before = old.everything()
    until = backed_up(old, backup, keep=7 * DAY).until
    for n in range(5):
        for day in DAYS:
            old.land(day, [f"later{n},{n}", "bad,x"])
        old.run()
    platform = old.platform()
    expire_all(platform.lake, NOW + 6 * DAY)
    clean(platform.lake, platform.storage, NOW + 6 * DAY)
    there = SmallShop(new.home, old.place)

    restore(there.platform(), str(backup))

    assert old.everything() != before
    assert there.everything() == before
    again = SmallShop(tmp_path / "again", old.place)
    restore(again.platform(), str(backup))
    expire_all(there.platform().lake, NOW + 6 * DAY)
    assert again.everything() == before
    assert len(there.platform().lake.load(SILVER).refs()) == 2  # pinned there, too
    table = platform.lake.load(SILVER)
    [pinned] = [ref.snapshot_id for name, ref in table.refs().items() if name != "main"]
    assert table.snapshot_by_id(pinned)
    expire_all(platform.lake, until + DAY)
    table.refresh()
    assert (set(table.refs()), table.snapshot_by_id(pinned)) == ({"main"}, None)


def test_a_backup_can_be_restored_again_after_the_restored_tables_have_gone_on(
    old: SmallShop, tmp_path: Path, backup: Path
) -> None:
    before = old.everything()
    backed_up(old, backup, keep=7 * DAY)
    first, second = (SmallShop(tmp_path / name, old.place) for name in ("first", "second"))
    restore(first.platform(), str(backup))
    for n in range(5):
        for day in DAYS:
            first.land(day, [f"later{n},{n}", "bad,x"])
        first.run()
    lake = first.platform().lake
    expire_all(lake, NOW + 6 * DAY)
    clean(lake, first.platform().storage, NOW + 6 * DAY)

    restore(second.platform(), str(backup))

    assert second.everything() == before


def test_snapshots_whose_files_are_gone_are_left_out_of_the_history_and_said_so(
    old: SmallShop, new: SmallShop, backup: Path
) -> None:
    table = old.platform().lake.load(SILVER)
    first, *rest = [s.snapshot_id for s in table.snapshots()]
    before = old.everything()
    backed_up(old, backup)
    copied(old, new)
    lost = table.snapshots()[0].manifest_list
    new.place.delete(lost.replace(old.place.root, new.place.root))

    done = restore(new.platform(), str(backup))

    assert done.forgotten == {SILVER: 1}
    assert f"{SILVER}: 1 snapshot left out" in " ".join(done.lines)
    there = [s.snapshot_id for s in new.platform().lake.load(SILVER).snapshots()]
    assert (first in there, there) == (False, rest)
    assert new.everything() == before


def test_held_back_partitions_whose_files_are_gone_are_named(
    new_shop: MakeShop, tmp_path: Path
) -> None:
    old, new = loaded(new_shop("old")), new_shop("new")
    place = f"{new.place.root}/backup"
    backed_up(old, place)
    copied(old, new)
    staged = old.platform().builds.staged_files(SILVER)
    lost, *_ = (path.replace(old.place.root, new.place.root) for path in sorted(staged))
    new.place.write(lost, new.place.read(lost)[:-1])

    done = restore(new.platform(), place)

    assert done.unreleasable == {str(SILVER): ["2011-03-07"]}
    assert f"{SILVER}: files of 1 held back partition are gone: 2011-03-07" in " ".join(done.lines)
    assert new.everything() == old.everything()


def test_files_of_attempts_that_were_superseded_are_not_missed(
    old: SmallShop, new: SmallShop, backup: Path
) -> None:
    superseded = old.platform().builds.staged_files(SILVER)
    old.land("2011-03-07", ["e,1", "f,1", "g,1"], suffix="-late")
    old.run()
    assert superseded and not old.platform().builds.staged_files(SILVER)
    backed_up(old, backup)
    copied(old, new)
    for path in superseded:
        new.place.delete(path.replace(old.place.root, new.place.root))

    assert restore(new.platform(), str(backup)).unreleasable == {}


def test_files_that_are_missing_or_cut_short_are_named_before_anything_is_restored(
    old: SmallShop, new: SmallShop, backup: Path
) -> None:
    before = old.everything()
    backed_up(old, backup)
    copied(old, new)
    live = files_by_partition(old.platform().lake.load(SILVER))
    gone, short = (
        live[day][0].file_path.replace(old.place.root, new.place.root) for day in sorted(DAYS)
    )
    contents = {file: new.place.read(file) for file in (gone, short)}
    new.place.delete(gone)
    new.place.write(short, contents[short][:-1])

    with pytest.raises(RestoreError) as refused:
        restore(new.platform(), str(backup))

    assert "2 files of the tables missing or cut short" in str(refused.value)
    assert all(file in str(refused.value) for file in (gone, short))
    for file, content in contents.items():
        new.place.write(file, content)
    restore(new.platform(), str(backup))
    assert new.everything() == before


class FullDisk(Storage):
    """Has no space left for one file."""

    refused: str = ""

    def open_output(self, location: str):
        if self.refused in location:
            raise OSError(28, "No space left on device", location)
        return super().open_output(location)


@pytest.mark.parametrize("file", ["ledger.db", "runs.db", "index.db"])
def test_an_interrupted_backup_is_never_taken_for_a_whole_one(
    old: SmallShop, new: SmallShop, backup: Path, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FullDisk, "refused", file)
    with pytest.raises(OSError, match="No space"):
        back_up(
            replace(old.platform(), given_storage=FullDisk()),
            str(backup),
            now=NOW,
            keep=DAY,
        )

    with pytest.raises(ArchiveError, match="was interrupted before it was complete"):
        restore(new.platform(), str(backup))
    with pytest.raises(ArchiveError, match="holds files already"):
        backed_up(old, backup)
    backed_up(old, f"{backup}2")
    copied(old, new)
    restore(new.platform(), f"{backup}2")


def test_a_damaged_or_absent_backup_is_refused(
    old: SmallShop, new: SmallShop, backup: Path
) -> None:
    backed_up(old, backup)
    copied(old, new)
    [file] = backup.glob("ledger*")
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"x")
    with pytest.raises(ArchiveError, match=r"ledger\.db missing or damaged"):
        restore(new.platform(), str(backup))
    with pytest.raises(ArchiveError, match="does not exist"):
        restore(new.platform(), f"{backup}2")

    file.write_bytes(content)
    restore(new.platform(), str(backup))


@pytest.mark.parametrize("step", ["_restore_dagster", "_restore_tables", "_restore_ledger"])
def test_a_restore_that_was_interrupted_is_begun_again_in_a_new_home(
    old: SmallShop, tmp_path: Path, backup: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, new = shop_in(tmp_path / "begun"), shop_in(tmp_path / "new")
    before = old.everything()
    backed_up(old, backup)
    for shop in (begun, new):
        copied(old, shop)
    with monkeypatch.context() as patched:
        do = getattr(restoring, step)

        def killed(*arguments: object) -> None:
            do(*arguments)
            raise KeyboardInterrupt

        patched.setattr(restoring, step, killed)
        with pytest.raises(KeyboardInterrupt):
            restore(begun.platform(), str(backup))

    with pytest.raises(RestoreError, match="into a new home and empty databases"):
        restore(begun.platform(), str(backup))
    restore(new.platform(), str(backup))
    assert new.everything() == before


@pytest.mark.integration
@pytest.mark.parametrize(
    ("step", "time", "leaves"),
    [
        ("_unreleasable", 1, "nothing"),
        ("_reserve", 1, "nothing"),
        ("_restore_dagster", 1, "half"),
        ("_restore_tables", 1, "half"),
        ("register", 3, "half"),
        ("_restore_ledger", 1, "half"),
        ("append", 1, "half"),  # in the last transaction, before its end
    ],
)
def test_a_restore_that_was_killed_is_repeated_or_refused_with_a_way_out(
    tmp_path: Path, new_postgres_url: Callable[[], str], step: str, time: int, leaves: str
) -> None:
    old, new, newer = (
        SmallShop(tmp_path / name, Place.directory(tmp_path / name), new_postgres_url())
        for name in ("old", "new", "newer")
    )
    backup = str(tmp_path / "backup")
    backed_up(loaded(old), backup)
    before = old.everything()
    copied(old, new)
    copied(old, newer)
    change = Change(who=Person("ann", Role.OPERATOR), through=Through.COMMAND, action="migrate")
    new.platform().trail.add(change, Outcome.DONE)

    killed_restoring(new, backup, step, time)

    if leaves == "half":
        with pytest.raises(BeingRestored, match="restore the backup into a new home and empty"):
            new.run()
        with pytest.raises(RestoreError, match="into a new home and empty databases"):
            restore(new.platform(), backup)
        restore(newer.platform(), backup)
        assert (newer.everything(), newer.run()) == (before, set())
        with Database(new.database).restoring() as connection:
            assert [entry["action"] for entry in entries_in(connection)] == ["migrate"]
        return
    restore(new.platform(), backup)
    assert (new.everything(), new.run()) == (before, set())
    assert materialized(new) == DAYS
    assert [entry.action for entry in new.platform().trail.entries()] == ["migrate"]


def test_a_catalog_may_be_glue_instead_of_a_database_and_the_reverse(
    moto_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", moto_endpoint)
    region = "eu-central-1"  # its Glue is used by this test alone

    def new_place() -> Place:
        store, bucket = ObjectStore(region, moto_endpoint), f"test-{uuid.uuid4().hex[:12]}"
        location = {"LocationConstraint": region}
        store.client().create_bucket(Bucket=bucket, CreateBucketConfiguration=location)
        return Place(f"s3://{bucket}", store)

    def in_glue(name: str, place: Place) -> Platform:
        return Platform(settings_at(tmp_path / name, **place.settings, catalog_uri="glue"))

    old = loaded(SmallShop(tmp_path / "old", new_place()))
    again = SmallShop(tmp_path / "again", old.place)
    before, backups = old.everything(), f"{old.place.root}/backups"
    backed_up(old, f"{backups}/1")
    glue = in_glue("glue", old.place)
    restore(glue, f"{backups}/1")
    assert all(before.values())
    assert {table: old.rows(table, glue.lake) for table in TABLES} == before

    elsewhere = new_place()
    with pytest.raises(ForeignTable, match="it is another environment's or project's"):
        restore(in_glue("beside", elsewhere), f"{backups}/1")
    back_up(glue, f"{backups}/2", now=NOW, keep=DAY)
    restore(again.platform(), f"{backups}/2")
    assert again.everything() == before
    assert again.run() == set()


def changed(backup: Path, **about: object) -> None:
    """What a backup says about itself."""
    file = backup / "contents.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **about}))


def test_a_backup_of_a_later_version_is_refused(
    old: SmallShop, new: SmallShop, backup: Path
) -> None:
    backed_up(old, backup)
    copied(old, new)
    changed(backup, format=99, package="9.0")
    with pytest.raises(RestoreError, match=r"a later version of this package, 9\.0"):
        restore(new.platform(), str(backup))
    changed(backup, format=1, migration="0999")
    with pytest.raises(DatabaseTooNew, match="of version 0999"):
        restore(new.platform(), str(backup))

    changed(backup, migration=HEAD, dagster_version="99.0")
    with pytest.raises(RestoreError, match=r"the storage of Dagster 99\.0, and this is Dagster"):
        restore(new.platform(), str(backup))

    assert not new.platform().lake.tables()
    assert not list(new.home.rglob("runs.db"))


@pytest.mark.parametrize(
    ("part", "files"),
    [
        ("dagster", ["dagster/../../../../stolen.db"]),
        ("dagster", ["/etc/stolen.db"]),
        ("dagster", ["dagster/dagster.yaml"]),
        ("ledger", ["ledger.db", "tables.jsonl"]),
    ],
)
def test_a_backup_that_was_changed_writes_no_file_of_its_choice(
    old: SmallShop, new: SmallShop, backup: Path, part: str, files: list[str]
) -> None:
    backed_up(old, backup)
    copied(old, new)
    changed(backup, **{part: {"kind": "sqlite", "files": files}})

    with pytest.raises(RestoreError, match="which no backup has: it was changed"):
        restore(new.platform(), str(backup))

    assert not new.platform().lake.tables()


@pytest.mark.integration
@pytest.mark.parametrize(
    ("part", "added"),
    [
        ("ledger", {"columns": {"pg_authid": ["rolname"]}}),
        ("ledger", {"columns": {'builds" CASCADE; --': []}}),
        ("dagster", {"columns": {"landed_objects": ["key"]}}),
        ("dagster", {"sequences": {"landed_objects.id": 1}}),
    ],
)
def test_a_backup_that_was_changed_writes_no_table_of_its_choice(
    new_postgres_url: Callable[[], str], tmp_path: Path, part: str, added: dict
) -> None:
    old, new = (
        SmallShop(tmp_path / name, Place.directory(tmp_path / name), new_postgres_url())
        for name in ("old", "new")
    )
    backup = tmp_path / "backup"
    backed_up(loaded(old), backup)
    copied(old, new)
    described = json.loads((backup / "contents.json").read_text())[part]
    changed(backup, **{part: {k: {**v, **added.get(k, {})} if isinstance(v, dict) else v
                              for k, v in described.items()}})  # fmt: skip

    with pytest.raises(RestoreError, match="which no backup has: it was changed"):
        restore(new.platform(), str(backup))

    assert not new.platform().lake.tables()


def test_what_was_recorded_since_it_was_found_empty_is_not_removed(
    old: SmallShop, new: SmallShop, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backed_up(old, backup)
    copied(old, new)
    monkeypatch.setattr("data_platform.operations.restore._require_files", land_in(new))

    with pytest.raises(RestoreError, match=r"the ledger, .* is not empty"):
        restore(new.platform(), str(backup))

    assert new.platform().ledger.summary()
    assert not new.platform().lake.tables()


@pytest.mark.parametrize("step", ["_restore_dagster", "_restore_tables", "_restore_ledger"])
def test_nobody_else_writes_from_the_moment_when_something_is_restored(
    new_shop: MakeShop, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = loaded(new_shop("old")), new_shop("new")
    place = f"{new.place.root}/backup"
    backed_up(old, place)
    copied(old, new)
    do, begun = getattr(restoring, step), new.platform()  # which has opened its databases

    def interleaved(*arguments: object) -> object:
        with pytest.raises(BeingRestored, match="wait until that has ended"):
            land_in(new)()
        with pytest.raises(DatabaseUnavailable):
            begun.ledger.summary()
        return do(*arguments)

    begun.ledger.summary()
    monkeypatch.setattr(restoring, step, interleaved)

    restore(new.platform(), place)

    assert new.everything() == old.everything()
    assert begun.ledger.summary() == old.platform().ledger.summary()


def test_a_restore_does_not_begin_in_a_home_where_a_command_or_run_is_at_work(
    old: SmallShop, new: SmallShop, backup: Path
) -> None:
    backed_up(old, backup)
    copied(old, new)
    platform = new.platform()
    with (
        driving_home(platform),
        pytest.raises(RestoreError, match="a command or run is at work in this home"),
    ):
        restore(new.platform(), str(backup))
    with (
        hold(platform, "run00001"),
        pytest.raises(RestoreError, match="a command or run is at work in this home"),
    ):
        restore(new.platform(), str(backup))

    restore(new.platform(), str(backup))


def test_a_command_waits_until_the_home_is_restored(
    old: SmallShop, new: SmallShop, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backed_up(old, backup)
    copied(old, new)
    do, waited = restoring._restore_tables, []

    def interleaved(*arguments: Any) -> object:
        def waiting() -> None:
            waited.append(True)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt), driving_home(new.platform(), waiting=waiting):
            pass
        return do(*arguments)

    monkeypatch.setattr(restoring, "_restore_tables", interleaved)

    restore(new.platform(), str(backup))

    assert waited


def test_tables_that_another_program_adds_meanwhile_are_kept(
    old: SmallShop, new: SmallShop, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backed_up(old, backup)
    copied(old, new)
    do = restoring._restore_dagster

    def interleaved(*arguments: Any) -> None:
        do(*arguments)
        lake = new.platform().lake
        lake.catalog.create_namespace("silver_shop")
        columns, location = pa.schema([("n", pa.int64())]), lake.location(SILVER)
        lake.catalog.create_table("silver_shop.sales", columns, location)

    monkeypatch.setattr(restoring, "_restore_dagster", interleaved)

    with pytest.raises(RestoreError, match="the catalog has tables already, such as silver/shop"):
        restore(new.platform(), str(backup))

    assert new.platform().lake.load(SILVER).scan().to_arrow().column_names == ["n"]


def land_in(shop: SmallShop) -> Callable[..., None]:
    def land(*_: object) -> None:
        shop.land("2011-03-09", ["z,1"])
        record_arrivals(shop.platform(), [RECEIVED], NOW, redeclared=True)

    return land


@pytest.mark.integration
def test_partitions_that_dagster_knows_are_a_history_too(
    new_postgres_url: Callable[[], str], tmp_path: Path
) -> None:
    old, new = (
        SmallShop(tmp_path / name, Place.directory(tmp_path / name), new_postgres_url())
        for name in ("old", "new")
    )
    backed_up(loaded(old), tmp_path / "backup")
    copied(old, new)
    with instance_of(new.platform()) as instance:
        instance.add_dynamic_partitions("days", ["2011-03-09"])

    with pytest.raises(RestoreError, match="Dagster has a history here already"):
        restore(new.platform(), str(tmp_path / "backup"))


def test_nothing_is_restored_over_something_that_is_there(
    new_shop: MakeShop, tmp_path: Path
) -> None:
    old, new = loaded(new_shop("old")), new_shop("new")
    place = f"{new.place.root}/backup"
    backed_up(old, place)
    with pytest.raises(RestoreError, match="the catalog has tables already"):
        restore(old.platform(), place)

    copied(old, new)
    new.platform().ledger.summary()  # which makes its tables: they are empty
    restore(new.platform(), place)
    for table in new.platform().lake.tables():
        new.platform().lake.catalog.drop_table(table.identifier)
    with pytest.raises(RestoreError, match=r"the ledger, .* is not empty"):
        restore(new.platform(), place)
    with Database(new.platform().settings.ledger_uri).write() as connection:
        for name in ("landed_objects", "builds"):
            connection.execute(sa.text(f"DELETE FROM {name}"))
    with pytest.raises(RestoreError, match="Dagster has a history here already"):
        restore(new.platform(), place)


@pytest.mark.integration
def test_a_backup_of_a_server_has_no_password_and_is_not_restored_into_files(
    request: pytest.FixtureRequest, tmp_path: Path, new: SmallShop
) -> None:
    postgres = request.getfixturevalue("postgres")
    url = request.getfixturevalue("postgres_url")
    old = loaded(SmallShop(tmp_path / "old", Place.directory(tmp_path / "old"), url))
    backed_up(old, tmp_path / "backup")

    for file in (tmp_path / "backup").rglob("*.*"):
        stream = pa.input_stream(file, compression="zstd" if file.suffix == ".zst" else None)
        assert postgres.password.encode() not in stream.read()
    with pytest.raises(RestoreError, match="set it to postgresql"):
        restore(new.platform(), str(tmp_path / "backup"))
