"""A loaded shop is backed up, restored in another home, and that home moved, from a terminal."""

import shutil
from pathlib import Path

from data_platform.build.planning import current_versions
from data_platform.build.platform import Platform
from data_platform.operations.repair import instance_of
from data_platform.settings.environment import environment_kept, settings_at
from data_platform.tables.identity import TableId
from data_platform_tests.support.command_line import Run, parsed
from data_platform_tests.support.homes import SILVER, csv, key_of, shop_lines
from data_platform_tests.support.loaded_shop import LoadedShop

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

    said = run("backup", place, "--keep-days", 7).output
    for folder in ("warehouse", "landing"):
        shutil.copytree(shop.home.settings.home / folder, home / folder)
    restored = run("restore", place, home=home).output

    assert f"{len(old.lake.tables())} tables, the ledger and Dagster's history" in said
    assert f"{len(old.lake.tables())} tables as of " in restored
    assert rows(new) == rows(old)
    assert versions(new) == versions(old)
    assert runs(new) == runs(old)
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
    assert f"{len(now)} tables relocated" in said
    assert versions(moved) == now
    run("run", home=tmp_path / "moved", code=LEFT)
    assert versions(moved) == now


def test_a_place_that_is_taken_or_holds_no_backup_is_said_so(run: Run, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").touch()

    assert "holds files already" in run("backup", tmp_path / "taken", code=1).output
    assert (
        "PLACE is 's3://A/b'; write it like s3://bucket" in run("backup", "s3://A/b", code=2).output
    )
    nowhere = run("restore", tmp_path / "nowhere", home=tmp_path / "home", code=1).output
    assert "does not exist; name another one" in " ".join(nowhere.split())
