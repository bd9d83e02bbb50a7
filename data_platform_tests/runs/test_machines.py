"""Several machines load the same tables on one database: one that was cut off, frozen or killed
neither loses nor doubles anything, and nothing that is alive counts as dead."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from data_platform.build.platform import Platform
from data_platform.databases.errors import DatabaseUnavailable
from data_platform.databases.fencing import RUNS
from data_platform.lake.upkeep import browse
from data_platform.operations.repair import instance_of
from data_platform.runs.home import prepare_home
from data_platform.runs.liveness import fail_dead_runs
from data_platform.settings.environment import environment_kept, settings_at
from data_platform_tests.support.databases import Databases
from data_platform_tests.support.homes import (
    BRONZE,
    SALES,
    SILVER,
    csv,
    key_of,
    rows_of_a_load,
    shop_lines,
)
from data_platform_tests.support.relay import relay

LEASE = 5.0
TABLES = (BRONZE, SILVER, SALES)
DAYS = ("2011-03-01", "2011-03-02")
ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE)


@dataclass(frozen=True)
class Machines:
    """The files and the database that they share; each has a home of its own in the folder."""

    folder: Path
    database: str

    @property
    def place(self) -> dict[str, Any]:
        metadata = ("catalog_uri", "ledger_uri", "dagster_database")
        return {
            "landing_uri": f"file://{self.folder}/landing",
            "warehouse_uri": f"file://{self.folder}/warehouse",
            "run_lease": LEASE,
            **dict.fromkeys(metadata, self.database),
        }

    def land(self) -> None:
        """Two days with a repeated row and one that cannot be typed."""
        for first, day in enumerate(DAYS):
            lines = shop_lines(day, 150, first=200 * first)
            broken = lines[0].replace(",6,", ",six,").replace("MUG", "CUP")
            path = self.folder / "landing" / key_of(day)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(csv([*lines, lines[1], broken]))

    @contextmanager
    def machine(self, name: str, moment: str = "") -> Iterator["Machine"]:
        command = [sys.executable, "-m", "data_platform_tests.support.processes.machine"]
        arguments = [str(self.folder / name), json.dumps(self.place), moment, *TABLES]
        said = self.folder / f"{name}.log"  # a pipe that nobody reads would stop it
        with (
            said.open("w") as log,
            subprocess.Popen(
                [*command, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            ) as process,
        ):
            try:
                yield Machine(process, said)
            finally:
                process.kill()

    @contextmanager
    def seen(self) -> Iterator[tuple[Platform, dg.DagsterInstance]]:
        """What another machine sees, as its sensors would."""
        settings = settings_at(self.folder / "observer", **self.place)
        prepare_home(settings)
        with environment_kept(), instance_of(Platform(settings)) as instance:
            yield Platform(settings), instance

    def rows(self) -> dict[str, list[dict]]:
        """The rows of all tables, quarantine and duplicates included."""
        with self.seen() as (platform, _):
            lake = platform.lake
            return {
                str(of): rows_of_a_load(browse.rows(lake.load(of)).read_all())
                for of in lake.tables()
            }

    def statuses(self) -> list[dg.DagsterRunStatus]:
        with self.seen() as (_, instance):
            return [run.status for run in instance.get_runs()]


@dataclass(frozen=True)
class Machine:
    process: subprocess.Popen[str]
    said: Path

    def waits(self, moment: str) -> None:
        assert self.process.stdout
        assert self.process.stdout.readline() == f"{moment}\n", self.said.read_text()

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)

    def go_on(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.process.send_signal(signal.SIGCONT)

    def ends(self) -> tuple[int, str]:
        """Its status, and what it said."""
        self.process.communicate(timeout=240)
        return self.process.returncode, self.said.read_text()


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, all_databases: Databases
) -> dict[str, list[dict]]:
    """The tables as one machine alone makes them."""
    machines = Machines(tmp_path_factory.mktemp("undisturbed"), all_databases.migrated())
    machines.land()
    with machines.machine("one") as one:
        status, said = one.ends()
        assert status == 0, said
    rows = machines.rows()
    counts = {table: len(of) for table, of in rows.items()}
    places = (SILVER.replace("silver", layer) for layer in ("silver", "quarantine", "duplicates"))
    outcomes = [counts[place] for place in places]
    assert all(outcomes) and counts[BRONZE] == sum(outcomes)
    return rows


@pytest.fixture
def machines(tmp_path: Path, migrated_postgres_url: str) -> Machines:
    machines = Machines(tmp_path / "shared", migrated_postgres_url)
    machines.land()
    return machines


MOMENTS = [
    f"committing {SILVER}",
    *(
        pytest.param(f"{moment} {table}", marks=pytest.mark.soak)
        for moment, table in (
            ("creating", SILVER),
            ("staged", SILVER),
            ("staged", BRONZE),
            ("committing", BRONZE),
            ("committing", SILVER.replace("silver", "quarantine")),
            ("staged", SILVER.replace("silver", "duplicates")),
            ("committing", SALES),
        )
    ),
]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_machine_that_was_frozen_in_a_commit_publishes_nothing_when_it_wakes(
    machines: Machines, undisturbed, moment: str
):
    with machines.machine("frozen", moment) as frozen:
        frozen.waits(moment)
        frozen.freeze()
        with machines.machine("other") as other:
            status, said = other.ends()
            assert status == 0, said
        published = machines.rows()
        frozen.go_on()
        status, said = frozen.ends()

    assert status == 1
    assert "LeaseLost" in said
    assert machines.rows() == published == undisturbed
    assert set(machines.statuses()) == {*ENDED}


@pytest.mark.system
def test_machines_that_are_frozen_one_after_the_other_publish_nothing_when_they_wake(
    machines: Machines, undisturbed
):
    moment = f"committing {SILVER}"
    with machines.machine("first", moment) as first:
        first.waits(moment)
        first.freeze()
        with machines.machine("second", moment) as second:
            second.waits(moment)
            second.freeze()
            first.go_on()
            woken = [first.ends()]
            with machines.machine("third") as third:
                status, said = third.ends()
                assert status == 0, said
            published = machines.rows()
            second.go_on()
            woken.append(second.ends())

    assert [status for status, _ in woken] == [1, 1]
    assert all("LeaseLost" in said for _, said in woken)
    assert machines.rows() == published == undisturbed
    assert set(machines.statuses()) == {*ENDED}


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(f"committing {SILVER}", marks=pytest.mark.system),
        pytest.param(f"staged {SILVER}", marks=pytest.mark.soak),
    ],
)
def test_what_a_killed_machine_left_is_built_by_another(
    machines: Machines, undisturbed, moment: str
):
    with machines.machine("killed", moment) as killed:
        killed.waits(moment)
        killed.process.kill()
        killed.process.wait()
        with machines.machine("other") as other:
            status, said = other.ends()

    assert status == 0, said
    assert machines.rows() == undisturbed
    assert set(machines.statuses()) == {*ENDED}


def test_a_machine_that_beats_is_waited_for(machines: Machines, undisturbed):
    moment = f"staged {SILVER}"
    with machines.machine("slow", moment) as slow, machines.seen() as (platform, instance):
        slow.waits(moment)
        with machines.machine("other") as other:
            for _ in range(5):
                with pytest.raises(subprocess.TimeoutExpired):
                    other.process.wait(LEASE / 2)
                assert fail_dead_runs(instance, platform) == []
            slow.go_on()
            results = [slow.ends(), other.ends()]

    assert [status for status, _ in results] == [0, 1], results  # nothing is left for the other
    assert "nothing was to be done" in results[1][1]
    assert machines.rows() == undisturbed
    assert set(machines.statuses()) == {dg.DagsterRunStatus.SUCCESS}


@pytest.mark.system
def test_no_run_is_failed_because_the_database_was_away(machines: Machines, undisturbed):
    url = sa.make_url(machines.database)
    assert url.host and url.port
    moment = f"staged {SILVER}"
    with relay(url.host, url.port) as server:
        behind = replace(machines, database=url.set(port=server.port).render_as_string())
        with behind.machine("one", moment) as one, behind.seen() as (platform, instance):
            one.waits(moment)
            assert fail_dead_runs(instance, platform) == []
            server.cut()
            with pytest.raises(DatabaseUnavailable):
                fail_dead_runs(instance, platform)
            with pytest.raises(subprocess.TimeoutExpired):
                one.process.wait(3 * LEASE)
            server.mend()
            for _ in range(5):
                assert fail_dead_runs(instance, platform) == []
                with pytest.raises(subprocess.TimeoutExpired):
                    one.process.wait(LEASE / 4)
            assert platform.leases
            assert len(platform.leases.holders(RUNS)) == 1
            one.go_on()
            status, said = one.ends()

    assert status == 0, said
    assert "the heartbeat failed" in said
    assert machines.rows() == undisturbed


@pytest.mark.system
def test_a_commit_that_the_database_did_not_answer_is_repeated_by_another_machine(
    machines: Machines, undisturbed
):
    url = sa.make_url(machines.database)
    assert url.host and url.port
    moment = f"committing {SILVER}"
    with relay(url.host, url.port) as server:
        behind = replace(machines, database=url.set(port=server.port).render_as_string())
        with behind.machine("one", moment) as one:
            one.waits(moment)
            server.cut()
            one.go_on()
            status, said = one.ends()
    assert status == 1
    assert "DatabaseUnavailable" in said

    with machines.machine("other") as other:
        status, said = other.ends()

    assert status == 0, said
    assert machines.rows() == undisturbed
    assert set(machines.statuses()) == {*ENDED}
