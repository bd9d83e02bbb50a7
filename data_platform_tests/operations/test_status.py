"""The status of runs: which have a process, and which failures no success has followed."""

import datetime as dt
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

from data_platform.build.platform import Platform
from data_platform.operations.repair import instance_of
from data_platform.operations.status import Status, status
from data_platform.runs.home import prepare_home
from data_platform.runs.liveness import hold
from data_platform.settings.environment import environment_kept, settings_at

STARTED = dg.DagsterEventType.PIPELINE_START
SUCCESS, FAILURE = dg.DagsterEventType.PIPELINE_SUCCESS, dg.DagsterEventType.PIPELINE_FAILURE
CODE = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("code"), "code")
LATER = dt.timedelta(days=7, minutes=1)


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    settings = settings_at(tmp_path)
    prepare_home(settings)
    return Platform(settings)


def ran(
    platform: Platform,
    *ends: tuple[str, dg.DagsterEventType],
    assets: frozenset[dg.AssetKey] | None = None,
) -> list[str]:
    """The ids of runs of these jobs that ended so, one after the other."""
    ids = []
    with environment_kept(), instance_of(platform) as instance:
        for job, end in ends:
            run = instance.add_run(dg.DagsterRun(job_name=job, asset_selection=assets))
            for kind in (STARTED, end):
                event = dg.DagsterEvent(kind.value, job_name=job)
                instance.report_dagster_event(event, run.run_id)
            ids.append(run.run_id)
    return ids


def seen(platform: Platform, after: dt.timedelta = dt.timedelta()) -> Status:
    with environment_kept():
        return status(platform, (), dt.datetime.now(dt.UTC) + after)


def test_a_failed_run_is_listed_until_its_job_succeeds(platform):
    first, other = ran(platform, ("daily", FAILURE), ("monthly", FAILURE))
    assert [each.run for each in seen(platform).failed] == [other, first]
    assert seen(platform).needs_attention

    ran(platform, ("daily", SUCCESS))
    assert [each.run for each in seen(platform).failed] == [other]

    (last,) = ran(platform, ("daily", FAILURE))
    assert [each.run for each in seen(platform).failed] == [last, other]


def test_a_run_that_failed_before_a_weekend_is_listed_after_it_and_not_for_ever(platform):
    ran(platform, ("daily", FAILURE))
    assert seen(platform, dt.timedelta(days=3)).needs_attention
    assert not seen(platform, LATER).needs_attention


def test_a_success_with_other_assets_does_not_count(platform):
    a, b = (frozenset({dg.AssetKey(name)}) for name in "ab")
    (failed,) = ran(platform, ("daily", FAILURE), assets=a)
    ran(platform, *[("daily", SUCCESS)] * 60, assets=b)
    assert [each.run for each in seen(platform).failed] == [failed]

    ran(platform, ("daily", SUCCESS), assets=a)
    assert not seen(platform).failed


@pytest.mark.parametrize("state", ["QUEUED", "NOT_STARTED", "STARTING"])
def test_runs_that_have_not_begun_wait_since_the_oldest_was_requested(platform, state: str):
    ran(platform, ("daily", SUCCESS))
    assert "runs waiting: none" in list(seen(platform).lines)

    with environment_kept(), instance_of(platform) as instance:
        for _ in range(2):
            instance.add_run(
                dg.DagsterRun(
                    job_name="daily",
                    status=dg.DagsterRunStatus(state),
                    remote_job_origin=RemoteJobOrigin(CODE, "daily"),
                )
            )
        records = instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus(state)]))

    found = seen(platform)
    oldest = min(record.create_timestamp for record in records)
    assert (found.waiting.runs, found.waiting.since) == (2, oldest)
    assert f"runs waiting: 2, the oldest since {oldest:%Y-%m-%d %H:%M} UTC" in list(found.lines)


def test_a_run_with_a_process_is_at_work(platform):
    with hold(platform, "a-run"):
        assert seen(platform).at_work == ["a-run"]
        assert "runs at work: a-run" in list(seen(platform).lines)
    assert "runs at work: none" in list(seen(platform).lines)


def test_a_failure_is_listed_however_many_other_runs_succeeded_since(platform):
    failed, *_ = ran(platform, ("daily", FAILURE), *[("monthly", SUCCESS)] * 25)
    assert [each.run for each in seen(platform).failed] == [failed]
