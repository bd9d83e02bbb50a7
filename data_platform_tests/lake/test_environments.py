"""A table of an environment: what it shares with production's, and which environments there are."""

from pathlib import Path

import pytest

from data_platform.databases.migration import HEAD
from data_platform.lake import environments
from data_platform.lake.environments import (
    Environments,
    NoEnvironment,
    OtherTables,
    base_versions,
    forget_table,
    refer,
    require_same_tables,
)
from data_platform.lake.errors import ForeignTable
from data_platform.lake.expiry import KEEP_SNAPSHOTS, expire
from data_platform.lake.files import files_by_partition, versions
from data_platform.lake.upkeep.clean import clean, referenced_by, referenced_files
from data_platform_tests.lake.upkeep.test_clean import HOUR, later
from data_platform_tests.support.lake_home import MONDAY, SALES, TUESDAY, GlueHome, LakeHome
from data_platform_tests.support.places import Place, place_of

MORE_THAN_A_TABLE_LOGS = 12  # of its metadata files, beyond which a commit deletes the oldest


@pytest.fixture(params=["directory", "versitygw", "minio", "glue"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> LakeHome:
    """Production, in every kind of place, and with its catalog in Glue."""
    if request.param == "glue":
        request.getfixturevalue("empty_glue")
        return GlueHome(tmp_path)
    return LakeHome(tmp_path, place_of(request, request.param, tmp_path))


@pytest.fixture
def inner(home: LakeHome, tmp_path: Path) -> LakeHome:
    """An environment beside two versions of Monday."""
    home.make()
    home.write({MONDAY: [1], TUESDAY: [1]})
    home.write({MONDAY: [2]})
    folder = tmp_path / "environment"
    folder.mkdir()
    found = LakeHome(folder, home.place)
    found.__dict__["lake"] = type(home.lake)(
        {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", **home.place.catalog},
        f"{home.lake.warehouse}/_environments/pr_42",
    )
    refer(home.lake.load(SALES), SALES, found.lake)
    return found


def test_it_begins_with_productions_history_and_one_file_of_its_own(
    home: LakeHome, inner: LakeHome
) -> None:
    own = home.place.files("/warehouse/_environments")
    assert len(own) == 1
    assert inner.numbers() == home.numbers() == {MONDAY: [2], TUESDAY: [1]}
    assert [inner.numbers(snapshot=s) for s in inner.snapshots()] == [
        home.numbers(snapshot=s) for s in home.snapshots()
    ]
    there = versions(files_by_partition(inner.lake.load(SALES)))
    assert base_versions(inner.lake, SALES) == there


def test_its_commits_delete_no_metadata_of_production(home: LakeHome, inner: LakeHome) -> None:
    before = referenced_files(home.lake.load(SALES))
    for number in range(MORE_THAN_A_TABLE_LOGS):
        inner.write({MONDAY: [number]})
    assert before <= home.place.files("/warehouse")
    assert home.numbers() == {MONDAY: [2], TUESDAY: [1]}
    assert inner.numbers() == {MONDAY: [MORE_THAN_A_TABLE_LOGS - 1], TUESDAY: [1]}


def test_the_versions_it_began_with_do_not_expire(home: LakeHome, inner: LakeHome) -> None:
    began = base_versions(inner.lake, SALES)
    inner.make(properties={KEEP_SNAPSHOTS: "1"})
    for number in range(3):
        inner.write({MONDAY: [number]})
    assert expire(inner.lake, SALES, later())[SALES] > 0
    assert base_versions(inner.lake, SALES) == began == _versions(home)
    assert _versions(inner) != began


def test_a_table_that_production_lacks_began_with_nothing(home: LakeHome, inner: LakeHome) -> None:
    forget_table(inner.lake, SALES)
    assert base_versions(inner.lake, SALES) == {}
    inner.make()
    inner.write({MONDAY: [1]})
    assert base_versions(inner.lake, SALES) == {} != _versions(home)


def test_without_the_lake_beside_it_cleaning_would_take_what_it_refers_to(
    home: LakeHome, inner: LakeHome
) -> None:
    home.make(properties={KEEP_SNAPSHOTS: "1"})
    home.write({MONDAY: [3], TUESDAY: [3]})
    expire(home.lake, SALES, later())

    def cleaned(**beside) -> set[str]:
        found = clean(home.lake, home.storage, later(), 0 * HOUR, **beside)
        return {file.path for _, file in found}

    assert not cleaned(beside=lambda: [inner.lake]) & referenced_files(inner.lake.load(SALES))
    assert inner.numbers() == {MONDAY: [2], TUESDAY: [1]}
    assert any("/data/" in path for path in cleaned())


def test_a_table_of_another_warehouse_in_a_shared_catalog_refers_to_no_file_of_this_one(
    empty_glue: str, tmp_path: Path
) -> None:
    others, elsewhere = GlueHome(tmp_path / "others"), GlueHome(tmp_path / "elsewhere")
    others.make()
    others.write({MONDAY: [1]})
    inner = LakeHome(tmp_path)
    inner.make()
    inner.write({MONDAY: [1]})
    with pytest.raises(ForeignTable):
        elsewhere.lake.find(SALES)

    own = referenced_by(SALES, [inner.lake])
    assert referenced_by(SALES, [inner.lake, elsewhere.lake]) == own
    assert referenced_by(SALES, [elsewhere.lake]) == set() != referenced_by(SALES, [others.lake])

    moved = LakeHome(tmp_path, Place.directory(tmp_path / "moved"))  # which must be relocated
    with pytest.raises(ForeignTable):
        referenced_by(SALES, [moved.lake])


def _versions(home: LakeHome) -> dict[str, str]:
    return versions(files_by_partition(home.lake.load(SALES)))


def test_an_environment_is_used_in_the_state_ready_alone(database_url: str) -> None:
    there = Environments(database_url)
    with pytest.raises(NoEnvironment, match="`data-platform environment create pr_42` makes it"):
        there.require("pr_42")
    there.set("pr_42", "creating", among=(None,))
    with pytest.raises(NoEnvironment, match="run `data-platform environment create pr_42` again"):
        there.require("pr_42")
    there.set("pr_42", "ready", among=("creating",))
    assert there.require("pr_42").name == "pr_42"
    with pytest.raises(NoEnvironment, match="pr_42 is ready"):
        there.set("pr_42", "creating", among=(None, "creating"))
    there.set("pr_42", "dropping", among=("ready",))
    with pytest.raises(NoEnvironment, match="run `data-platform environment drop pr_42` again"):
        there.require("pr_42")
    there.forget("pr_42", among=("dropping",))
    assert there.all() == []


def test_an_environment_that_is_made_again_is_not_forgotten_and_is_as_old_as_that(
    database_url: str,
) -> None:
    there = Environments(database_url)
    there.set("pr_42", "creating", among=(None,))
    there.set("pr_42", "kept", among=("creating",))
    kept = there.find("pr_42")
    there.set("pr_42", "creating", among=("kept",))  # after somebody looked for those kept

    there.forget("pr_42", among=("kept",))

    again = there.find("pr_42")
    assert kept and again and again.state == "creating" and again.created > kept.created


def test_a_branch_does_not_migrate_productions_database(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Environments(database_url).set("pr_42", "creating", among=(None,))
    Environments(database_url).set("pr_42", "ready", among=("creating",))
    assert Environments(database_url, within=True).require("pr_42").state == "ready"

    monkeypatch.setattr(environments, "HEAD", "9999")  # as a branch with a migration has it

    with pytest.raises(OtherTables, match=f"of version {HEAD}, and this code those of 9999"):
        Environments(database_url, within=True).require("pr_42")
    with pytest.raises(OtherTables, match="nothing was changed"):
        require_same_tables(database_url)
