"""Runs are pods: what lands is in gold, backfills and lost pods included, and no row is lost."""

from pathlib import Path

import pytest

from data_platform.demo.generator import Manifest, generate
from data_platform_tests.support.deployment import Deployment
from data_platform_tests.support.homes import SILVER
from data_platform_tests.support.retail.whole import require_balance, require_the_rules

BACKFILL = """
mutation ($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
STATE = """
query ($id: String!) {
  partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } }
}
"""


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    folder = tmp_path_factory.mktemp("files")
    return folder, generate(folder, seed=3, months=1)


def require_right(deployment: Deployment, landed: tuple[Path, Manifest]) -> None:
    folder, manifest = landed
    require_balance(deployment.platform, manifest)
    require_the_rules(deployment.platform, folder, manifest.failed, manifest.held_back)


def test_what_lands_is_in_gold_by_runs_that_are_pods(
    deployment: Deployment, landed: tuple[Path, Manifest]
) -> None:
    folder, _ = landed
    deployment.land(sorted((folder / "online_retail").iterdir()), folder)

    deployment.wait_until_built()

    require_right(deployment, landed)
    runs = {run.run_id for run in deployment.runs()}
    pods = {pod["metadata"]["labels"]["dagster/run-id"] for pod in deployment.pods("runs")}
    assert runs == pods


def test_a_backfills_runs_are_pods_and_its_tables_the_same(
    deployment: Deployment, landed: tuple[Path, Manifest]
) -> None:
    before = {run.run_id for run in deployment.runs()}
    folder, manifest = landed
    days = sorted(
        path.name[:10]
        for path in (folder / "online_retail").iterdir()
        if path.name[:10] not in map(str, manifest.held_back)
    )[:3]

    launched = deployment.ask(
        BACKFILL,
        params={"assetSelection": [{"path": SILVER.split("/")}], "partitionNames": days},
    )["launchPartitionBackfill"]

    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    backfill = launched["backfillId"]
    deployment.wait_for(
        "the backfill",
        lambda: (
            deployment.ask(STATE, id=backfill)["partitionBackfillOrError"]["status"]
            not in ("REQUESTED", "CANCELING")
        ),
    )
    state = deployment.ask(STATE, id=backfill)["partitionBackfillOrError"]["status"]
    assert state == "COMPLETED_SUCCESS", deployment.described()
    made = {run.run_id for run in deployment.runs()} - before
    pods = {pod["metadata"]["labels"]["dagster/run-id"] for pod in deployment.pods("runs")}
    assert made
    assert made <= pods
    deployment.wait_until_built()
    require_right(deployment, landed)
