"""A loaded shop is backed up, restored in another home, and that home moved, from a terminal."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from data_platform.access.trail import entries_in
from data_platform.build.planning import current_versions
from data_platform.build.platform import Platform
from data_platform.cli.main import main
from data_platform.databases.errors import DatabaseUnavailable
from data_platform.operations.repair import instance_of
from data_platform.settings.environment import environment_kept, settings_at
from data_platform.tables.identity import TableId
from data_platform_tests.support.backups import copied, loaded
from data_platform_tests.support.command_line import Run, parsed
from data_platform_tests.support.homes import SILVER, csv, key_of, shop_lines
from data_platform_tests.support.loaded_shop import LoadedShop
from data_platform_tests.support.places import Place
from data_platform_tests.support.small_shop import SmallShop

LEFT = 3  # exit code: something is left for a person, and the shop has unreadable files


def versions(platform: Platform) -> dict[TableId, dict[str, str]]:
    return {table: current_versions(platform, table, None) for table in platform.lake.tables()}


def rows(platform: Platform) -> dict[TableId, list[str]]:
    """Every row of every table."""
    return {
        table: sorted(map(repr, platform.lake.load(table).scan().to_arrow().to_pylist()))
        for table in platform.lake.tables()
    }


def runs(platform: Platform) -> dict[str, str]:
    with environment_kept(), instance_of(platform) as instance:
        return {run.run_id: run.status.value for run in instance.get_runs()}


def test_a_shop_is_restored_with_all_rows_and_runs_and_only_new_files_are_built(
    run: Run, shop: LoadedShop, tmp_path: Path
) -> None:
    place, home = tmp_path / "backup", tmp_path / "home"
    old, new = shop.home.platform, Platform(settings_at(home))

    before = trail(old)
    said = run("backup", place, "--keep-days", 7).output
    for folder in ("warehouse", "landing"):
        shutil.copytree(shop.home.settings.home / folder, home / folder)
    restored = run("restore", place, home=home).output

    assert f"{len(old.lake.tables())} tables, the ledger and Dagster's history" in said
    assert f"{len(old.lake.tables())} tables as of " in restored
    assert rows(new) == rows(old)
    assert versions(new) == versions(old)
    assert runs(new) == runs(old)
    backed_up = ("backup", f"to file://{place}, for 7 days")
    assert trail(old) == [*before, (*backed_up, "done")]
    restored_from = ("restore", f"from file://{place}", "done")
    assert trail(new) == [*before, (*backed_up, "begun"), restored_from]
    for report in ("stale", "held", "landing"):
        assert parsed(run(report, "--json", home=home)) == parsed(run(report, "--json"))
    run("run", home=home, code=LEFT)
    assert versions(new) == versions(old)

    day = "2011-07-20"
    file = home / "landing" / key_of(day)
    file.write_bytes(csv(shop_lines(day, 2)))
    run("run", home=home, code=LEFT)
    before, now = versions(old), versions(new)
    silver = TableId.parse(SILVER)
    assert now[silver].keys() - before[silver].keys() == {day}
    assert before[silver].items() <= now[silver].items()

    home.rename(tmp_path / "moved")
    said = run("relocate", home=tmp_path / "moved").output
    moved = Platform(settings_at(tmp_path / "moved"))
    assert trail(moved)[-1] == ("relocate", f"to file://{tmp_path}/moved/warehouse", "done")
    assert f"{len(now)} tables relocated" in said
    assert versions(moved) == now
    run("run", home=tmp_path / "moved", code=LEFT)
    assert versions(moved) == now


def trail(platform: Platform) -> list[tuple[str, str, str]]:
    return [(e.action, e.detail, e.outcome) for e in platform.trail.entries(limit=1000)]


def test_a_place_that_is_taken_or_holds_no_backup_is_said_so(run: Run, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").touch()

    assert "holds files already" in run("backup", tmp_path / "taken", code=1).output
    assert (
        "PLACE is 's3://A/b'; write it like s3://bucket" in run("backup", "s3://A/b", code=2).output
    )
    nowhere = run("restore", tmp_path / "nowhere", home=tmp_path / "home", code=1).output
    assert "does not exist; name another one" in " ".join(nowhere.split())
    assert not (tmp_path / "home").exists()


@pytest.mark.integration
def test_a_database_that_was_migrated_is_new_still_and_keeps_its_trail_after_the_backups(
    tmp_path: Path, new_postgres_url: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_PLATFORM_ENV", "test")
    old, new = (
        SmallShop(tmp_path / name, Place.directory(tmp_path / name), new_postgres_url())
        for name in ("old", "new")
    )
    with environment_kept():
        loaded(old)
        called(old, "expire")
        called(old, "backup", tmp_path / "backup")
        before = entries(old)
        copied(old, new)
        called(new, "migrate")
        [*migrated] = entries(new)

        called(new, "restore", tmp_path / "backup")

        assert new.everything() == old.everything()
    now = entries(new)
    assert [e["action"] for e in before] == ["expire"] * 2 + ["backup"] * 2
    assert [e["action"] for e in migrated] == ["migrate"] * 2
    assert now[:-1] == [*before[:-1], *migrated, now[-2]]  # the backup had not ended in itself
    assert [(e["action"], e["outcome"]) for e in now[-2:]] == [
        *(("restore", "begun"), ("restore", "done"))
    ]
    database = new.platform().trail.database
    for change in ("DELETE FROM audit_trail", "UPDATE audit_trail SET who = 'nobody'"):
        with (
            pytest.raises(DatabaseUnavailable, match="append-only"),
            database.write() as connection,
        ):
            connection.exec_driver_sql(change)


def called(shop: SmallShop, *arguments: object) -> None:
    env = {"DATA_PLATFORM_HOME": str(shop.home), "DATA_PLATFORM_DATABASE": shop.database}
    ended = CliRunner().invoke(main, [str(each) for each in arguments], env=env)
    assert ended.exit_code == 0, ended.output


def entries(shop: SmallShop) -> list[dict[str, object]]:
    with shop.platform().trail.database.read() as connection:
        return entries_in(connection)


def test_what_is_not_restored_is_in_the_trail_too(run: Run, tmp_path: Path) -> None:
    run("backup", tmp_path / "backup")

    said = run("restore", tmp_path / "backup", home=tmp_path / "home", code=1).output

    [(action, detail, outcome)] = trail(Platform(settings_at(tmp_path / "home")))
    assert (action, outcome) == ("restore", "failed")
    assert "missing or cut short" in detail and "missing or cut short" in said
