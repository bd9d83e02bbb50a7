"""What `make up` asks Docker Compose, with a program that answers in its place."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from data_platform.cli.main import main
from tools.compose import NOT_BUILT, Stack, project_of
from tools.docker import Docker, DockerError
from tools.smoke import TABLE


def stack(directory: Path, answer: str) -> Stack:
    """A stack whose Docker does as the shell says, for all but the question for its plugin."""
    program = directory / "docker"
    program.write_text(f'#!/bin/sh\n[ "$2" = version ] && exit 0\n{answer}\n')
    program.chmod(0o755)
    return Stack(Docker(str(program)), {})


def test_rows_are_those_that_are_shown(tmp_path: Path) -> None:
    assert stack(tmp_path, """echo '[{"units": 3}]'""").rows(TABLE) == [{"units": 3}]


def test_a_table_that_is_not_built_yet_has_no_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("DATA_PLATFORM_HOME", str(tmp_path / "home"))
    said = CliRunner().invoke(main, ["show", TABLE, "--json"])
    assert said.exit_code and NOT_BUILT in said.stderr

    assert stack(tmp_path, f"echo '{NOT_BUILT}' >&2; exit 1").rows(TABLE) == []


def test_another_error_is_not_a_table_without_rows(tmp_path: Path) -> None:
    with pytest.raises(DockerError, match="cannot be shown:\nthe database is away"):
        stack(tmp_path, "echo the database is away >&2; exit 1").rows(TABLE)


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(DockerError, match="docker compose down failed:\nno such project"):
        stack(tmp_path, "echo no such project >&2; exit 1").down(wipe=False)


def test_each_checkout_has_a_project_and_so_volumes_of_its_own() -> None:
    one, other = (
        project_of(Path("/home/a/data_platform")),
        project_of(Path("/home/b/data_platform")),
    )

    assert one != other
    assert one == project_of(Path("/home/a/data_platform"))
    assert one.startswith("data-platform-")
