"""Runs are pods: what lands is in gold, no row lost or doubled, whatever is killed meanwhile."""

import dagster as dg

from data_platform.databases.migration import HEAD
from data_platform_tests.support.deployment import Deployment, as_values
from data_platform_tests.support.homes import SILVER
from data_platform_tests.support.landed_month import LandedMonth
from tools.release_tables import Tables
from tools.smoke import smoke


def test_what_lands_is_in_gold_by_runs_that_are_pods(
    deployment: Deployment, landed: LandedMonth
) -> None:
    smoke(deployment.web)
    landed.require_right()
    runs = {run.run_id for run in deployment.runs()}
    pods = {pod["metadata"]["labels"]["dagster/run-id"] for pod in deployment.pods("runs")}
    assert runs == pods


def test_a_backfills_runs_are_pods_and_its_tables_the_same(
    deployment: Deployment, landed: LandedMonth
) -> None:
    before = {run.run_id for run in deployment.runs()}

    backfill = deployment.backfill(SILVER, landed.days())

    assert deployment.end_of_backfill(backfill) == "COMPLETED_SUCCESS"
    deployment.wait_until_built()  # by runs of sensors that follow, which are pods as well
    made = {run.run_id for run in deployment.runs()} - before
    pods = {pod["metadata"]["labels"]["dagster/run-id"] for pod in deployment.pods("runs")}
    assert made
    assert made <= pods
    landed.require_right()


def test_a_run_whose_pod_is_killed_is_failed_and_its_work_done_again(
    deployment: Deployment, landed: LandedMonth
) -> None:
    with landed.during_a_run() as pod:
        deployment.kill(pod)

    assert landed.run_of(pod).status is dg.DagsterRunStatus.FAILURE


def test_a_canceled_run_loses_its_pod_and_publishes_nothing_more(
    deployment: Deployment, landed: LandedMonth
) -> None:
    with landed.during_a_run() as pod:
        deployment.cancel(landed.run_of(pod))
        deployment.wait_for("the end of the run", lambda: landed.run_of(pod).is_finished)

    assert landed.run_of(pod).status is dg.DagsterRunStatus.CANCELED
    name = pod["metadata"]["name"]
    phases = {each["metadata"]["name"]: each["status"] for each in deployment.pods("runs")}
    assert phases.get(name, {}).get("phase") != "Running"


def test_a_run_goes_on_while_its_node_has_no_kubelet(
    deployment: Deployment, landed: LandedMonth
) -> None:
    with landed.during_a_run() as pod:
        deployment.cluster.kill("kubelet")
        deployment.wait_for("the end of the run", lambda: landed.run_of(pod).is_finished)
        deployment.cluster.start_kubelet()

    assert landed.run_of(pod).status is dg.DagsterRunStatus.SUCCESS


def test_a_run_goes_on_while_there_is_no_daemon(
    deployment: Deployment, landed: LandedMonth
) -> None:
    with landed.during_a_run() as pod:
        [daemon] = deployment.pods("daemon")
        deployment.kill(daemon)

    assert landed.run_of(pod).status is dg.DagsterRunStatus.SUCCESS
    names = {each["metadata"]["name"] for each in deployment.pods("daemon")}
    assert daemon["metadata"]["name"] not in names


def test_an_upgrade_leaves_a_run_its_image_and_a_rollback_returns_to_the_old_one(
    deployment: Deployment, landed: LandedMonth
) -> None:
    old, new = deployment.image, deployment.another_image()

    with landed.during_a_run() as under_way:
        deployment.install({"image": as_values(new)})
    upgrade = deployment.release.history()[-1].number
    assert deployment.release.tables(upgrade) == Tables(HEAD, migrated=True)
    with landed.during_a_run() as upgraded:
        deployment.release.roll_back()
    with landed.during_a_run() as rolled_back:
        pass

    images = [pod["spec"]["containers"][0]["image"] for pod in (under_way, upgraded, rolled_back)]
    assert images == [old, new, old]
    for pod in (under_way, upgraded):
        assert landed.run_of(pod).status is dg.DagsterRunStatus.SUCCESS
