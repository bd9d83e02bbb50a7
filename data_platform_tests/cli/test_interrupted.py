"""`data-platform run` in a terminal of its own, interrupted at several moments."""

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner
from pyspark.sql import SparkSession

from data_platform.cli.main import main
from data_platform.demo.report import balance_of
from data_platform.settings.model import CHECKOUT
from data_platform_tests.support.homes import (
    BRONZE,
    SALES,
    SILVER,
    Home,
    csv,
    home_at,
    key_of,
    shop_lines,
)
from data_platform_tests.support.tables import TABLES

DAYS = ("2011-03-07", "2011-03-08")
_COMMAND = "from data_platform.cli.main import main; main(['run'])"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with home_at(tmp_path / "home", TABLES) as found:
        for day in DAYS:
            found.land(key_of(day), csv(shop_lines(day, 3)))
        yield found


@contextmanager
def _started(home: Home) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The process, and the terminal that it is in the foreground of."""
    terminal, its_own = pty.openpty()
    termios.tcsetwinsize(its_own, (40, 300))
    with subprocess.Popen(
        [sys.executable, "-c", _COMMAND],
        env={
            **os.environ,
            "DATA_PLATFORM_HOME": str(home.settings.home),
            "DATA_PLATFORM_ENV": "test",  # a JVM for a short life
        },
        cwd=CHECKOUT,
        stdin=its_own,
        stdout=its_own,
        stderr=its_own,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    ) as process:
        os.close(its_own)
        yield process, terminal
    os.close(terminal)


def _lines(terminal: int) -> Iterator[str]:
    """What is printed there, as it comes, until the last process has left it."""
    rest = b""
    with suppress(OSError):  # of a terminal that nobody is in
        while read := os.read(terminal, 4096):
            *lines, rest = (rest + read).split(b"\r\n")
            yield from (f"{line.decode()}\n" for line in lines)
    yield rest.decode()


def _interrupted(home: Home, moment: str, number: int) -> tuple[int, str]:
    """The exit code and output of a run that got the signal when it had said `moment`."""
    with _started(home) as (process, terminal):
        said, lines = "", _lines(terminal)
        while moment not in said:
            said += next(lines)
        if number == signal.SIGINT:
            os.write(terminal, b"\x03")  # Ctrl-C: the terminal signals all of the foreground
        else:
            os.killpg(process.pid, number)
        said += "".join(lines)
        return process.wait(), said


@pytest.mark.parametrize(
    ("moment", "number", "code"),
    [
        pytest.param("the sensors ask for a run", signal.SIGINT, 130, marks=pytest.mark.soak),
        (f"{SILVER}: building", signal.SIGINT, 130),
        (f"{BRONZE}: building", signal.SIGTERM, 143),
    ],
)
def test_an_interrupted_run_is_canceled_and_the_same_command_goes_on(
    home: Home, spark: SparkSession, moment: str, number: int, code: int
) -> None:
    ended, said = _interrupted(home, moment, number)

    assert ended == code, said
    assert "Traceback" not in said
    runs = home.instance.get_runs()
    assert len(runs) == 1 or (not runs and "building" not in moment)  # no other was started
    for run in runs:
        assert run.status is dg.DagsterRunStatus.CANCELED
        assert f"run {run.run_id} of retail_daily: canceled" in said
    assert "nothing is half published" in said
    assert (
        "left: 2 partitions of silver/retail/order_lines to build" in said or SILVER not in moment
    )
    assert "`data-platform run` goes on from there" in said
    assert home.counts(SALES) == {}
    if home.counts(BRONZE):
        assert balance_of(home.platform).published in (0, 6)  # of both days, or of none

    # here, where a session is: what the other process left is in the home
    env = {"DATA_PLATFORM_HOME": str(home.settings.home)}
    again = CliRunner().invoke(main, ["run"], env=env)
    assert again.exit_code == 0, (again.output, again.exception)
    assert home.counts(SILVER) == dict.fromkeys(DAYS, 3)
    assert home.counts(SALES) == dict.fromkeys(DAYS, 1)


def test_an_interrupt_while_it_waits_for_its_turn_starts_nothing(home: Home) -> None:
    with (home.settings.home / "driver.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended, said = _interrupted(home, "goes on after it", signal.SIGINT)

    assert ended == 130, said
    assert "Traceback" not in said
    assert home.instance.get_runs() == []
