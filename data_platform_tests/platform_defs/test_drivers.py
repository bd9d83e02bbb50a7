from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from data_platform.platform_defs.drivers import DRIVEN, bury_dead_runs, driving
from data_platform.platform_defs.platform import Platform
from data_platform.settings import Settings

STARTED, FAILURE = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(Settings.at(tmp_path))


def begun(instance: dg.DagsterInstance, tags: dict[str, str]) -> str:
    return instance.add_run(
        dg.DagsterRun(job_name="retail_daily", status=STARTED, tags=tags)
    ).run_id


def status(instance: dg.DagsterInstance, run: str) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run)
    assert found
    return found.status


def test_the_next_driver_fails_the_runs_that_the_last_one_died_in(instance, platform):
    dead, launched = begun(instance, {**DRIVEN}), begun(instance, {})
    with driving(instance, platform):
        assert status(instance, dead) is FAILURE
        assert status(instance, launched) is STARTED  # the daemon's business


def test_runs_of_a_driver_at_work_are_left_alone(instance, platform):
    with driving(instance, platform):
        alive = begun(instance, {**DRIVEN})
        bury_dead_runs(instance, platform)
        assert status(instance, alive) is STARTED
    bury_dead_runs(instance, platform)
    assert status(instance, alive) is FAILURE
