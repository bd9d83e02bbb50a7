"""Runs on a database that machines share: what one sees of another's, and marks as failed."""

from collections.abc import Collection
from pathlib import Path

import dagster as dg
import pytest

from data_platform.build.platform import Platform
from data_platform.databases.errors import LeaseLost
from data_platform.databases.fencing import LEASES, fenced, lease_of
from data_platform.databases.leases import HeldLease, Leases
from data_platform.platform_defs.step import StepRequest
from data_platform.remote.job import run_leased
from data_platform.runs.liveness import (
    at_work,
    driving,
    fail_dead_runs,
    fail_lost_runs,
    hold,
    require_driving,
)
from data_platform.runs.scope import Scope
from data_platform.settings.environment import settings_at
from data_platform_tests.runs.test_liveness import begun, status
from data_platform_tests.support.memory_bucket import NOW
from data_platform_tests.support.tables import TABLES

FAILURE = dg.DagsterRunStatus.FAILURE


@pytest.fixture
def machines(tmp_path: Path, migrated_postgres_url: str) -> tuple[Platform, Platform]:
    """This one and another, which see nothing of each other's homes."""
    here, there = (
        Platform(settings_at(tmp_path / name, ledger_uri=migrated_postgres_url, run_lease=3600))
        for name in ("here", "there")
    )
    here.settings.home.mkdir()
    there.settings.home.mkdir()
    return here, there


def looks(platform: Platform, instance: dg.DagsterInstance, times: int, apart: float) -> list[str]:
    """The runs that were marked as failed in so many looks."""
    found = []
    for _ in range(times):
        assert platform.leases
        with platform.leases.database.write() as connection:
            connection.execute(LEASES.update().values(watched=LEASES.c.watched - apart))
        found += [run.run_id for run in fail_dead_runs(instance, platform)]
    return found


def interrupt() -> None:
    raise KeyboardInterrupt


def test_a_run_of_another_machine_is_at_work_until_it_ends(machines, instance):
    here, there = machines
    run = begun(instance)
    with driving(instance, there), hold(there, run):
        assert at_work(here) == (True, [run], [])
        assert fail_dead_runs(instance, here) == []

    assert at_work(here) == (False, [], [])


def test_a_run_of_another_machine_that_is_silent_is_failed_once(machines, instance):
    here, there = machines
    run = begun(instance)
    with hold(there, run):
        assert looks(here, instance, 3, apart=1800) == [run]
        assert looks(there, instance, 3, apart=1800) == []

    assert status(instance, run) is FAILURE


def test_a_run_that_ended_before_its_machine_was_lost_stays_as_it_ended(machines, instance):
    here, there = machines
    run = begun(instance)
    with hold(there, run):
        event = dg.DagsterEvent(dg.DagsterEventType.PIPELINE_SUCCESS.value, job_name="retail_daily")
        instance.report_dagster_event(event, run)
        assert looks(here, instance, 3, apart=1800) == []
        assert at_work(here) == (False, [], [])

    assert status(instance, run) is dg.DagsterRunStatus.SUCCESS


def test_a_run_that_never_got_its_lease_is_failed_after_ten_minutes_of_looks(machines, instance):
    here, there = machines
    scope = Scope(instance, here, TABLES)
    lost, alive, others = begun(instance), begun(instance), begun(instance, "reports")
    with hold(there, alive):
        assert fail_lost_runs(scope, NOW) == []  # whatever the time is on this machine
        assert looks(here, instance, 2, apart=250) == []
        assert fail_lost_runs(scope, NOW) == []
        assert looks(here, instance, 1, apart=250) == [lost]

    assert status(instance, lost) is FAILURE
    assert {status(instance, run) for run in (alive, others)} == {dg.DagsterRunStatus.STARTED}


def test_a_killed_run_of_this_machine_is_failed_at_once_and_can_write_no_more(machines, instance):
    here, there = machines
    run = begun(instance)
    assert here.leases
    lease = here.leases.take(lease_of(run), "a killed process")
    (here.settings.home / "running").mkdir()
    (here.settings.home / "running" / run).write_text(f"{lease.epoch} a killed process")

    assert [each.run_id for each in fail_dead_runs(instance, here)] == [run]
    assert at_work(there) == (False, [], [])


def test_killed_runs_of_this_machine_lose_their_leases_in_one_transaction(
    machines: tuple[Platform, Platform],
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here, there = machines
    assert here.leases
    (here.settings.home / "running").mkdir()
    dead = sorted(begun(instance) for _ in range(3))
    for run in dead:
        lease = here.leases.take(lease_of(run), "a killed process")
        (here.settings.home / "running" / run).write_text(f"{lease.epoch} a killed process")
    alive, withdrawn = begun(instance), []
    withdraw = Leases.withdraw

    def counted(leases: Leases, gone: Collection[HeldLease]) -> None:
        withdrawn.append(gone)
        withdraw(leases, gone)

    monkeypatch.setattr(Leases, "withdraw", counted)
    with hold(here, alive):
        assert [each.run_id for each in fail_dead_runs(instance, here)] == dead
        assert fail_dead_runs(instance, here) == []
        assert at_work(there) == (False, [alive], [])

    assert [len(gone) for gone in withdrawn] == [3]


def test_a_driver_that_counts_as_gone_asks_for_no_more_runs(machines, instance):
    here, there = machines
    with driving(instance, there):
        require_driving()
        assert here.leases
        epoch, _, of_it = (there.settings.home / "driver.lock").read_text().partition(" ")
        here.leases.withdraw([HeldLease("driver", int(epoch), of_it)])

        with pytest.raises(LeaseLost, match=r"^driver: the lease of this process expired"):
            require_driving()


def test_a_driver_that_has_ended_leaves_no_number_behind(machines, instance):
    here, _ = machines
    with driving(instance, here):
        assert (here.settings.home / "driver.lock").read_text()

    assert (here.settings.home / "driver.lock").read_text() == ""


@pytest.mark.parametrize("name", ["driver", "run/of-another-machine"])
def test_a_number_left_by_a_killed_driver_ends_no_lease_of_another_database(
    machines, instance, name: str
):
    here, there = machines
    assert there.leases
    lease = there.leases.take(name, "another machine, process 7")
    left = "this machine, process 7"  # on the database that the home had before
    (here.settings.home / "driver.lock").write_text(f"{lease.epoch} {left}")
    (here.settings.home / "running").mkdir()
    (here.settings.home / "running" / "of-another-machine").write_text(f"{lease.epoch} {left}")

    fail_dead_runs(instance, here)
    waited: list[bool] = []
    if name == "driver":
        with pytest.raises(KeyboardInterrupt), driving(instance, here, waiting=interrupt):
            pytest.fail("it drives beside another")
    else:
        with driving(instance, here, waiting=lambda: waited.append(True)):
            pass

    assert not waited
    assert there.leases.beat(lease)


def test_a_job_can_write_for_its_run_while_that_has_its_lease(machines):
    here, job = machines
    assert here.leases and job.leases
    lease = here.leases.take(lease_of("a"), "Dagster's process")
    asked = StepRequest("silver/shop/sales", "a", ["2011-03-04"], epoch=lease.epoch)
    with run_leased(job, asked), fenced(lease_of("a")):
        job.leases.expect(["run/b"])
        here.leases.withdraw([HeldLease(lease_of("a"), lease.epoch, "Dagster's process")])
        with pytest.raises(LeaseLost):
            job.leases.expect(["run/c"])
