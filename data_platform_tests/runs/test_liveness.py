"""Runs whose process died are found and failed; all others are left alone."""

import datetime as dt
import subprocess
import sys
import threading
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import EngineEventData

from data_platform.build.platform import Platform
from data_platform.platform_defs.resources import resources
from data_platform.runs.liveness import (
    BEGINS_WITHIN,
    at_work,
    driving,
    fail_dead_runs,
    fail_lost_runs,
    hold,
    hold_until_exit,
)
from data_platform.runs.scope import Scope
from data_platform.settings.environment import settings_at
from data_platform_tests.support.tables import TABLES

STARTED, FAILURE = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE

# Takes the file of run argv[2] in home argv[1], and has a child, as a run has its JVM, which it
# lets inherit what it can and which lives until its standard input ends.
RUN = """
import subprocess, sys
from data_platform.runs.liveness import hold
from data_platform.build.platform import Platform
from data_platform.settings.environment import settings_at
lock = hold(Platform(settings_at(sys.argv[1])), sys.argv[2])
subprocess.Popen([sys.executable, "-c", "input()"], close_fds=False)
print("holds it", flush=True)
input()
"""


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(settings_at(tmp_path))


def begun(instance: dg.DagsterInstance, job: str = "retail_daily", **more) -> str:
    """A run that has just started."""
    run = instance.add_run(dg.DagsterRun(job_name=job, **more))
    event = dg.DagsterEvent(dg.DagsterEventType.PIPELINE_START.value, job_name=job)
    instance.report_dagster_event(event, run.run_id)
    return run.run_id


def status(instance: dg.DagsterInstance, run: str) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run)
    assert found
    return found.status


def files(platform: Platform) -> list[str]:
    return [file.name for file in (platform.settings.home / "running").glob("*")]


def test_a_run_whose_process_was_killed_is_failed_though_its_children_live(instance, platform):
    dead, other = begun(instance), begun(instance)
    arguments = [sys.executable, "-c", RUN, str(platform.settings.home), dead]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin and process.stdout
        assert process.stdout.readline() == "holds it\n"
        assert fail_dead_runs(instance, platform) == []
        assert status(instance, dead) is STARTED

        process.kill()
        process.wait()
        [buried] = fail_dead_runs(instance, platform)

    assert (buried.run_id, status(instance, dead)) == (dead, FAILURE)
    assert status(instance, other) is STARTED
    assert files(platform) == []


def test_a_run_that_ends_while_others_look_is_not_at_work(platform):
    with hold(platform, "r1"):
        gone = platform.settings.home / "running" / "r2"
        gone.symlink_to(gone.with_name("removed"))  # listed, and cannot be opened

        assert at_work(platform) == (False, ["r1"], [])


def test_a_run_that_ended_by_itself_only_leaves_a_file_to_be_removed(instance, platform):
    run = begun(instance)
    with hold(platform, run):
        event = dg.DagsterEvent(dg.DagsterEventType.PIPELINE_SUCCESS.value, job_name="retail_daily")
        instance.report_dagster_event(event, run)

    assert fail_dead_runs(instance, platform) == []
    assert status(instance, run) is dg.DagsterRunStatus.SUCCESS
    assert files(platform) == []


def test_what_needs_the_platform_holds_the_file_of_its_run_beyond_its_resources(platform):
    @dg.op(required_resource_keys={"platform"})
    def look(context: dg.OpExecutionContext) -> None:
        assert files(platform) == [context.run_id]

    @dg.job(resource_defs={"platform": resources(platform.settings)["platform"]})  # type: ignore[dict-item]
    def looking() -> None:
        look()

    with dg.DagsterInstance.ephemeral() as instance:
        result = looking.execute_in_process(instance=instance)

        fail_dead_runs(instance, platform)
        assert files(platform) == [result.run_id]


def test_a_sensor_holds_nothing(platform):
    with dg.build_resources({"platform": resources(platform.settings)["platform"]}):
        assert files(platform) == []


def test_a_run_whose_steps_have_processes_of_their_own_has_no_file(instance, platform):
    run = begun(instance)
    event = dg.DagsterEvent(
        dg.DagsterEventType.STEP_WORKER_STARTING.value,
        job_name="retail_daily",
        event_specific_data=EngineEventData(),
    )
    instance.report_dagster_event(event, run)

    hold_until_exit(platform, instance, instance.get_run_by_id(run))

    assert files(platform) == []


@pytest.mark.parametrize("later", [2, -2], ids=["later", "the clock was set back"])
def test_a_run_that_never_got_its_file_is_failed_when_it_should_long_have_it(
    instance, platform, later: int
):
    scope = Scope(instance, platform, TABLES)
    early = begun(instance)
    asset = begun(instance, "__ASSET_JOB", asset_selection={TABLES[0].key})
    others = begun(instance, "reports"), begun(instance, "__ASSET_JOB", asset_selection=set())
    alive = begun(instance)

    with hold(platform, alive):
        now = dt.datetime.now(dt.UTC)
        assert fail_lost_runs(scope, now) == []
        lost = fail_lost_runs(scope, now + later * BEGINS_WITHIN)

    assert {run.run_id for run in lost} == {early, asset}
    assert {status(instance, run) for run in (early, asset)} == {FAILURE}
    assert {status(instance, run) for run in (*others, alive)} == {STARTED}


def test_a_driver_learns_which_runs_died_before_it(instance, platform):
    dead = begun(instance)
    hold(platform, dead).close()

    with driving(instance, platform) as buried:
        assert [run.run_id for run in buried] == [dead]
        assert status(instance, dead) is FAILURE


def test_a_run_that_its_driver_was_interrupted_in_does_not_stay_under_way(instance, platform):
    run = begun(instance)

    with pytest.raises(KeyboardInterrupt), driving(instance, platform), hold(platform, run):
        raise KeyboardInterrupt

    assert status(instance, run) is FAILURE
    assert files(platform) == []


def test_a_second_driver_says_that_it_waits_and_waits_for_the_first(instance, platform):
    order: list[str] = []
    waits = threading.Event()

    def waiting() -> None:
        order.append("waits")
        waits.set()

    def second() -> None:
        with driving(instance, platform, waiting=waiting):
            order.append("drives")

    thread = threading.Thread(target=second)
    with driving(instance, platform, waiting=lambda: order.append("never")):
        thread.start()
        assert waits.wait(60)
        order.append("first ends")
    thread.join()

    assert order == ["waits", "first ends", "drives"]
