"""The commands of virtual environments, on a lake that was written without an engine."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from data_platform.build.platform import Platform
from data_platform.cli.main import main
from data_platform.runs.home import prepare_home
from data_platform.settings.environment import settings_at
from data_platform_tests.support.lake_home import MONDAY, SALES, LakeHome


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LakeHome:
    prepare_home(settings_at(tmp_path))
    found = LakeHome(tmp_path)
    found.make()
    found.write({MONDAY: [1]})
    for name, value in (("ENV", "test"), ("HOME", str(tmp_path))):
        monkeypatch.setenv(f"DATA_PLATFORM_{name}", value)
    return found


def called(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["environment", *arguments])


def test_an_environment_is_created_listed_entered_and_dropped(
    home: LakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = called("create", "pr_42")
    assert made.exit_code == 0 and "created pr_42: 1 table, no data copied" in made.output
    [listed] = json.loads(called("list", "--json").output)
    assert (listed["name"], listed["state"]) == ("pr_42", "ready")

    monkeypatch.setenv("DATA_PLATFORM_VIRTUAL_ENVIRONMENT", "pr_42")
    shown = CliRunner().invoke(main, ["show", str(SALES)])
    assert shown.exit_code == 0 and f"{SALES}: 1 row" in shown.output, shown.output

    dropped = called("drop", "pr_42", "--yes")
    assert dropped.exit_code == 0 and "dropped pr_42" in dropped.output, dropped.output
    assert called("list").output.strip() == "environments: none"
    gone = CliRunner().invoke(main, ["show", str(SALES)])
    assert gone.exit_code == 1 and "there is no virtual environment pr_42" in gone.output
    assert home.numbers() == {MONDAY: [1]}


def test_dropping_asks_first(home: LakeHome) -> None:
    called("create", "pr_42")
    assert called("drop", "pr_42").exit_code == 1
    assert "pr_42" in called("list").output


def test_a_difference_ends_with_3_where_that_is_asked_for(home: LakeHome) -> None:
    called("create", "pr_42")
    plain, checked = called("diff", "pr_42"), called("diff", "pr_42", "--check")
    assert (plain.exit_code, checked.exit_code) == (0, 3)
    assert f"{SALES}: removed" in plain.output and plain.output == checked.output
    found = json.loads(called("diff", "pr_42", "--json").output)
    assert {"table": str(SALES), "change": "removed"}.items() <= found["tables"][-1].items()


def test_nothing_to_promote_is_said(home: LakeHome) -> None:
    called("create", "pr_42")
    done = called("promote", "pr_42")
    assert done.exit_code == 0, done.output
    assert "nothing was built in it that production does not have" in done.output


def test_a_catalog_that_is_not_productions_is_refused(
    home: LakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert called("create", "pr_42").exit_code == 0
    commands = (["create", "pr_7"], ["drop", "pr_42", "--yes"])
    with monkeypatch.context() as other:
        other.setenv("DATA_PLATFORM_CATALOG", f"sqlite:///{home.folder}/other.db")
        for ended in [*(called(*each) for each in commands), CliRunner().invoke(main, ["clean"])]:
            said = " ".join(ended.output.split())
            assert ended.exit_code == 1 and f"such as {SALES}" in said, said
            assert "Set DATA_PLATFORM_CATALOG to production's catalog" in said
    assert [called(*each).exit_code for each in commands] == [0, 0]


def test_a_name_that_is_not_there_is_refused_by_each_command(home: LakeHome) -> None:
    for command in (("diff", "pr_7"), ("promote", "pr_7"), ("drop", "pr_7", "--yes")):
        ended = called(*command)
        assert ended.exit_code == 1 and "pr_7" in ended.output, (command, ended.output)
        assert "`data-platform environment" in ended.output


def test_what_changes_environments_is_in_the_audit_trail(home: LakeHome) -> None:
    for command in (("create", "pr_42"), ("diff", "pr_42"), ("promote", "pr_42")):
        assert called(*command).exit_code == 0
    assert called("drop", "pr_42", "--yes").exit_code == 0
    entries = Platform(settings_at(home.folder)).trail.entries()
    done = {(entry.action, entry.detail) for entry in entries}
    assert done == {(f"environment {what}", "pr_42") for what in ("create", "promote", "drop")}
