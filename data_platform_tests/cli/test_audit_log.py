"""What commands write to the audit trail, and `data-platform audit-log`."""

import json
import os
import pwd
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from data_platform.access.trail import Trail
from data_platform.build.platform import Platform
from data_platform.cli.audit_log import recorded
from data_platform.cli.exit_codes import ExitCode
from data_platform.cli.main import main
from data_platform.runs.home import prepare_home
from data_platform.settings.environment import settings_at

TABLE = "silver/shop/lines"


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    settings = settings_at(tmp_path / "home", actor="ann@laptop")
    prepare_home(settings)
    monkeypatch.setenv("DATA_PLATFORM_HOME", str(settings.home))
    monkeypatch.setenv("DATA_PLATFORM_ACTOR", "nightly-build")
    return Platform(settings)


def called(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def logged(*arguments: str) -> list[dict[str, str]]:
    result = called("audit-log", "--json", *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_commands_that_change_something_say_who_and_how_it_ended(platform: Platform) -> None:
    called("expire")
    called("clean")
    called("landing", "--reopen", "no/such.csv")

    expire, clean, reopen = logged()

    assert (expire["who"], expire["role"], expire["through"]) == (
        *("nightly-build", "operator"),
        "command",
    )
    assert (expire["action"], expire["outcome"]) == ("expire", "done")
    assert (clean["action"], clean["outcome"]) == ("clean", "done")
    assert (reopen["action"], reopen["outcome"]) == ("reopen", "failed")
    assert "no/such.csv" in reopen["detail"] and "UsageError" in reopen["detail"]


@pytest.mark.parametrize(
    "command", [("clean", "--dry-run"), ("landing",), ("tables",), ("audit-log",)]
)
def test_commands_that_only_look_leave_no_entry(
    platform: Platform, command: tuple[str, ...]
) -> None:
    assert called(*command).exit_code == 0

    assert platform.trail.entries() == []


def test_without_a_setting_it_is_the_systems_user(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATA_PLATFORM_ACTOR")
    monkeypatch.setenv("LOGNAME", "bob")

    called("expire")

    [entry] = logged()
    assert entry["who"].startswith("bob@")


def test_a_claimed_name_stands_beside_the_systems_account(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = f"{pwd.getpwuid(os.geteuid()).pw_name}@{socket.gethostname()}"
    for variable in ("LOGNAME", "USER"):
        monkeypatch.setenv(variable, "bob")
    monkeypatch.setenv("DATA_PLATFORM_ACTOR", "olga@example.com")

    called("expire")

    [entry] = logged()
    assert (entry["who"], entry["account"]) == ("olga@example.com", account)


def test_what_needs_a_decision_is_done_and_what_exits_otherwise_is_not(platform: Platform) -> None:
    for code in (ExitCode.NEEDS_DECISION, 1):
        with pytest.raises(SystemExit), recorded(platform, "run", table=TABLE, partitions="a..b"):
            raise SystemExit(code)

    decided, failed = platform.trail.entries()
    assert (decided.tables, decided.partitions, decided.outcome) == (TABLE, "a..b", "done")
    assert failed.outcome == "failed"


def test_where_the_trail_cannot_be_written_nothing_is_changed(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_PLATFORM_LEDGER", "sqlite:////no/such/folder.db")

    refused = called("expire")

    assert refused.exit_code == 1
    assert "/no/such/folder.db: unable to open" in refused.output


def test_the_log_is_of_a_person_a_table_and_a_time(platform: Platform) -> None:
    with recorded(platform, "drop", table=TABLE):
        pass
    called("expire")

    assert [entry["action"] for entry in logged("--who", "ann@laptop")] == ["drop"]
    assert [entry["action"] for entry in logged("--table", TABLE)] == ["drop"]
    assert [entry["action"] for entry in logged("--limit", "1")] == ["expire"]
    assert logged("--since", "2200-01-01") == []
    assert "ann@laptop" in called("audit-log").output


def test_the_trail_is_in_the_platforms_database(platform: Platform) -> None:
    called("expire")

    assert len(Trail(platform.settings.ledger_uri).entries()) == 1
