"""Runs are pods: what lands is in gold, no row lost or doubled, whatever is killed meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from data_platform.demo.generator import Manifest, generate
from data_platform_tests.support.deployment import Deployment
from data_platform_tests.support.homes import BRONZE, SILVER
from data_platform_tests.support.retail.whole import require_balance, require_the_rules


@pytest.fixture(scope="module")
def landed(
    deployment: Deployment, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Manifest]:
    """A month of files, which the sensors find."""
    folder = tmp_path_factory.mktemp("files")
    manifest = generate(folder, seed=3, months=1)
    deployment.land(sorted((folder / "online_retail").iterdir()), folder)
    deployment.wait_until_built()
    return folder, manifest


def days(landed: tuple[Path, Manifest]) -> list[str]:
    """The most days in a row that have files and are not held back: the partitions of one run."""
    folder, manifest = landed
    found = {path.name[:10] for path in (folder / "online_retail").glob("2*.csv")}
    row, longest = [], []
    for day in sorted(found - set(map(str, manifest.held_back))):
        follows = row and date.fromisoformat(day) - date.fromisoformat(row[-1]) == timedelta(1)
        row = [*row, day] if follows else [day]
        longest = max(longest, row, key=len)
    return longest


def require_right(deployment: Deployment, landed: tuple[Path, Manifest]) -> None:
    folder, manifest = landed
    require_balance(deployment.platform, manifest)
    require_the_rules(deployment.platform, folder, manifest.failed, manifest.held_back)


@contextmanager
def during_a_run(deployment: Deployment, landed: tuple[Path, Manifest]) -> Iterator[dict[str, Any]]:
    """A run of some days is at work; yields its pod. Afterwards every table is as it must be."""
    deployment.backfill(BRONZE, days(landed))
    yield deployment.pod_at_work()
    deployment.wait_until_built()
    require_right(deployment, landed)


def run_of(deployment: Deployment, pod: dict[str, Any]) -> dg.DagsterRun:
    run_id = pod["metadata"]["labels"]["dagster/run-id"]
    [run] = [run for run in deployment.runs() if run.run_id == run_id]
    return run


def test_what_lands_is_in_gold_by_runs_that_are_pods(
    deployment: Deployment, landed: tuple[Path, Manifest]
) -> None:
    require_right(deployment, landed)
    runs = {run.run_id for run in deployment.runs()}
    pods = {pod["metadata"]["labels"]["dagster/run-id"] for pod in deployment.pods("runs")}
    assert runs == pods


def test_a_backfills_runs_are_pods_and_its_tables_the_same(
    deployment: Deployment, landed: tuple[Path, Manifest]
) -> None:
    before = {run.run_id for run in deployment.runs()}

    backfill = deployment.backfill(SILVER, days(landed))

    assert deployment.end_of_backfill(backfill) == "COMPLETED_SUCCESS"
    made = {run.run_id for run in deployment.runs()} - before
    pods = {pod["metadata"]["labels"]["dagster/run-id"] for pod in deployment.pods("runs")}
    assert made
    assert made <= pods
    deployment.wait_until_built()
    require_right(deployment, landed)


def test_a_run_whose_pod_is_killed_is_failed_and_its_work_done_again(
    deployment: Deployment, landed: tuple[Path, Manifest]
) -> None:
    with during_a_run(deployment, landed) as pod:
        deployment.kill(pod)

    assert run_of(deployment, pod).status is dg.DagsterRunStatus.FAILURE


def test_a_run_goes_on_while_its_node_has_no_kubelet(
    deployment: Deployment, landed: tuple[Path, Manifest]
) -> None:
    with during_a_run(deployment, landed) as pod:
        deployment.cluster.kill("kubelet")
        deployment.wait_for("the end of the run", lambda: run_of(deployment, pod).is_finished)
        deployment.cluster.start_kubelet()

    assert run_of(deployment, pod).status is dg.DagsterRunStatus.SUCCESS


def test_a_run_goes_on_while_there_is_no_daemon(
    deployment: Deployment, landed: tuple[Path, Manifest]
) -> None:
    with during_a_run(deployment, landed) as pod:
        [daemon] = deployment.pods("daemon")
        deployment.kill(daemon)

    assert run_of(deployment, pod).status is dg.DagsterRunStatus.SUCCESS
    names = {each["metadata"]["name"] for each in deployment.pods("daemon")}
    assert daemon["metadata"]["name"] not in names


def test_an_upgrade_leaves_a_run_its_image_and_a_rollback_returns_to_the_old_one(
    deployment: Deployment, landed: tuple[Path, Manifest]
) -> None:
    old, new = deployment.image, deployment.another_image()

    with during_a_run(deployment, landed) as under_way:
        deployment.install({"image": new})
    with during_a_run(deployment, landed) as upgraded:
        deployment.helm("rollback", "data-platform", "--wait", "--timeout", "15m")
    with during_a_run(deployment, landed) as rolled_back:
        pass

    images = [pod["spec"]["containers"][0]["image"] for pod in (under_way, upgraded, rolled_back)]
    assert images == [old, ":".join(new.values()), old]
    for pod in (under_way, upgraded):
        assert run_of(deployment, pod).status is dg.DagsterRunStatus.SUCCESS
