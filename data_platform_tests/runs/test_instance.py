"""A new home that several processes open at once."""

import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dagster as dg
import pytest

from data_platform.build.platform import Platform
from data_platform.databases.errors import DatabaseUnavailable
from data_platform.runs.instance import open_instance
from data_platform.settings.environment import settings_at

PROCESSES, ROUNDS = 3, 6

# Opens each home that it is told, and says how that ended.
OPENER = """
import sys
from data_platform.runs.instance import open_instance
from data_platform.build.platform import Platform
from data_platform.settings.environment import settings_at
print("ready", flush=True)
for line in sys.stdin:
    home, *url = line.split()
    try:
        servers = dict.fromkeys(["catalog_uri", "ledger_uri", "dagster_database"] * len(url), *url)
        platform = Platform(settings_at(home, **servers))
        with open_instance(platform.settings) as instance:
            found = instance.get_runs_count(), len(platform.lake.tables())
        print(found, list(platform.bucket.list()), platform.ledger.summary()["pending"], flush=True)
    except BaseException as error:
        print(repr(error).replace("\\n", " "), flush=True)
"""


@pytest.fixture(scope="module")
def openers() -> Iterator[list[subprocess.Popen[str]]]:
    with ExitStack() as stack:
        command = [sys.executable, "-c", OPENER]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        started = [
            stack.enter_context(subprocess.Popen(command, **pipes)) for _ in range(PROCESSES)
        ]
        for process in started:
            assert process.stdout and process.stdout.readline() == "ready\n"
        yield started
        for process in started:
            assert process.stdin
            process.stdin.close()


def opened_at_once(openers: list[subprocess.Popen[str]], told: str) -> list[str]:
    for process in openers:
        assert process.stdin
        process.stdin.write(told + "\n")
        process.stdin.flush()
    return [process.stdout.readline() for process in openers if process.stdout]


@pytest.mark.integration
def test_several_processes_open_a_home_on_a_new_server_at_once(
    openers: list[subprocess.Popen[str]], tmp_path: Path, new_postgres_url: Callable[[], str]
) -> None:
    for number in range(ROUNDS):
        told = f"{tmp_path / str(number)} {new_postgres_url()}"
        assert opened_at_once(openers, told) == ["(0, 0) [] 0\n"] * PROCESSES


@pytest.mark.parametrize("there", ["", "landing", "dagster"])
def test_a_home_that_is_there_in_part_is_made_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: str
) -> None:
    for name in ("DAGSTER_HOME", "DAGSTER_EVENT_BATCH_SIZE"):
        monkeypatch.setenv(name, "")
    (tmp_path / "home" / there).mkdir(parents=True)
    settings = settings_at(tmp_path / "home")
    with open_instance(settings) as instance:
        assert instance.get_runs_count() == 0
    assert list(Platform(settings).bucket.list()) == []
    assert (settings.dagster_home / "dagster.yaml").exists()


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """A disk on which no file grows beyond so many bytes, as on a full one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [10_000, 40_000, 100_000])
def test_a_full_disk_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    for name in ("DAGSTER_HOME", "DAGSTER_EVENT_BATCH_SIZE"):
        monkeypatch.setenv(name, "")
    settings = settings_at(tmp_path)
    with (
        largest_file(size),
        pytest.raises(DatabaseUnavailable) as caught,
        open_instance(settings) as instance,
    ):
        for number in range(1000):  # where it could be opened, it grows
            instance.add_run(dg.DagsterRun(job_name="x" * 1000, run_id=f"{number}"))
    assert re.fullmatch(
        rf"database of Dagster, {settings.dagster_home}: .*free some space on its disk and try "
        r"again\. What is published stays so, and the next run goes on from there\.",
        str(caught.value),
    )
    with open_instance(settings) as instance:  # once there is space
        assert instance.get_runs_count() >= 0


@pytest.mark.parametrize("size", [1_000, 8_000])
def test_a_full_disk_is_one_clear_line_of_the_ledger_and_the_catalog(
    tmp_path: Path, size: int
) -> None:
    platform = Platform(settings_at(tmp_path))
    with largest_file(size):
        with pytest.raises(DatabaseUnavailable, match=r"ledger\.db: .*free some space"):
            platform.ledger.summary()
        with pytest.raises(DatabaseUnavailable, match=r"catalog\.db: .*free some space"):
            platform.lake.tables()
    assert not any(platform.ledger.summary().values())  # once there is space
    assert platform.lake.tables() == []


def test_several_processes_open_a_new_home_at_once(
    openers: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    for number in range(ROUNDS):
        home = tmp_path / str(number)
        assert opened_at_once(openers, str(home)) == ["(0, 0) [] 0\n"] * PROCESSES
        assert (home / "landing").is_dir()
