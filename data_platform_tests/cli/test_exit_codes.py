"""The exit codes are those that the documentation lists, click's and the shell's."""

import re
import signal
from pathlib import Path

import click
import pytest

from data_platform.cli.exit_codes import ExitCode
from data_platform.runs.stopping import Stop

COMMANDS = Path(__file__).parents[2] / "docs/reference/commands.md"


def test_every_exit_code_is_documented() -> None:
    table, _, rest = COMMANDS.read_text("utf-8").partition("| exit code |")[2].partition("\n\n")
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    documented |= {int(code) for code in re.findall(r"(\d+) after SIGTERM", table)}

    assert documented == {code.value for code in ExitCode}
    assert f"exit with {ExitCode.NEEDS_DECISION:d} if there are any" in rest


def test_a_failure_and_a_wrong_usage_have_clicks_codes_and_a_signal_the_shells() -> None:
    assert click.ClickException.exit_code == ExitCode.FAILED
    assert click.UsageError.exit_code == ExitCode.WRONG_USAGE
    assert (ExitCode.INTERRUPTED, ExitCode.TERMINATED) == (130, 143)


def test_a_run_that_is_stopped_ends_with_the_code_of_its_signal() -> None:
    for number, code in (
        (signal.SIGINT, ExitCode.INTERRUPTED),
        (signal.SIGTERM, ExitCode.TERMINATED),
    ):
        with Stop() as stop, pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        assert stop.exit_code == code
