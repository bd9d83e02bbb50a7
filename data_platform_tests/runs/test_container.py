import os
import subprocess
import sys
from pathlib import Path

import pytest

from data_platform.runs.container import COMMANDS, command_of, with_json_logs


@pytest.mark.parametrize("name", COMMANDS)
def test_a_servers_name_is_dagsters_command_and_options_are_added(name: str) -> None:
    assert command_of([name, "--log-level", "debug"]) == [
        *COMMANDS[name],
        "--log-level",
        "debug",
    ]


def test_any_other_command_is_run_as_it_is() -> None:
    assert command_of(["dagster", "api", "execute_run", "{}"]) == [
        *("dagster", "api", "execute_run", "{}"),
    ]


def test_without_a_command_the_help_is_shown() -> None:
    assert command_of([]) == ["data-platform", "--help"]


def started(tmp_path: Path, program: str, *arguments: str, **variables: str) -> str:
    """The output of a program of that name, a shell script, in a container's environment."""
    programs = tmp_path / "bin"
    programs.mkdir(exist_ok=True)
    file = programs / program
    file.write_text('#!/bin/sh\necho "$DAGSTER_HOME|$PGPASSWORD|$*"\n')
    file.chmod(0o755)
    own = {"PATH": f"{programs}:{os.defpath}", "DATA_PLATFORM_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-m", "data_platform.runs.container", program, *arguments],
        env=own | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    return (done.stdout + done.stderr).strip()


def test_a_program_of_dagster_finds_its_configuration_and_the_password(tmp_path: Path) -> None:
    given = started(
        tmp_path,
        "dagster-daemon",
        "run",
        DATA_PLATFORM_DATABASE="postgresql://me@db/platform",
        DATA_PLATFORM_DATABASE_PASSWORD="of the database",
    )

    home = tmp_path / "home/dagster"
    assert given == f"{home}|of the database|run"
    assert "postgresql+psycopg2://me@db/platform" in (home / "dagster.yaml").read_text()


def test_the_configuration_of_a_deployment_stays_as_it_is(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "dagster.yaml").write_text("run_launcher: {}\n")

    given = started(tmp_path, "dagster", "api", DAGSTER_HOME=str(own))

    assert given == f"{own}||api"
    assert (own / "dagster.yaml").read_text() == "run_launcher: {}\n"
    assert not (tmp_path / "home").exists()


def test_other_programs_start_without_a_home(tmp_path: Path) -> None:
    assert started(tmp_path, "ls", "/") == "||/"
    assert not (tmp_path / "home").exists()


def test_a_wrong_setting_is_told_before_anything_starts(tmp_path: Path) -> None:
    said = started(tmp_path, "dagster-daemon", DATA_PLATFORM_ENV="production")

    assert said.startswith("error: DATA_PLATFORM_ENV is 'production'; allowed: local")


def test_what_is_no_program_is_told_with_the_names_of_the_servers(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "data_platform.runs.container", "web-server"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "web-server is no program of this image, nor one of: webserver, daemon" in done.stderr


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_program_of_dagster_is_the_same_with_logs_as_json(
    log_format: str, tmp_path: Path
) -> None:
    own = {"DATA_PLATFORM_LOG_FORMAT": log_format, "DATA_PLATFORM_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-m", "data_platform.runs.container", "dagster", "code-server", "start"],
        env={"PATH": f"{Path(sys.executable).parent}:{os.defpath}"} | own,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "You must pass one and only one of --port/-p or --socket/-s" in done.stderr


def test_only_programs_of_dagster_are_told_to_log_json() -> None:
    wrapped = with_json_logs(["dagster", "api", "execute_run"])

    assert wrapped == [
        *(sys.executable, "-m", "data_platform.runs.dagster_command"),
        *("dagster", "api", "execute_run"),
    ]
    assert with_json_logs(COMMANDS["daemon"]) == list(COMMANDS["daemon"])
