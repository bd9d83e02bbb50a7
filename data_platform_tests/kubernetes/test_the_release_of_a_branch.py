"""The release of a branch beside the other: it works in tables of its own, and leaves nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from data_platform.databases.connections import Database
from data_platform.databases.urls import with_driver
from data_platform.lake.builds import BUILDS
from data_platform.landing.ledger.tables import objects
from data_platform.settings.virtual import FOLDER, schema_of
from data_platform_tests.support.deployment import Deployment, as_values
from data_platform_tests.support.homes import SILVER
from data_platform_tests.support.landed_month import LandedMonth
from tools import kubernetes_programs, release, smoke

BRANCH = "pr-7"


@pytest.fixture
def branch(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """Where nothing is installed yet; make's commands find the cluster."""
    monkeypatch.setenv("KUBECONFIG", str(deployment.cluster.kubeconfig))
    monkeypatch.setenv("PATH", kubernetes_programs.environment()["PATH"])
    return deployment.of_branch(BRANCH)


def state(deployment: Deployment) -> dict[str, Any]:
    """What a deployment has: its tables' metadata, another file after each commit; its ledger and
    register; its runs and its files."""
    platform = deployment.platform
    files = platform.storage.files(deployment.settings.warehouse_uri)
    with Database(deployment.settings.ledger_uri).read() as connection:
        rows = [
            sorted(str(tuple(row)) for row in connection.execute(sa.select(table)))
            for table in (objects, BUILDS)
        ]
    return {
        "tables": platform.lake.metadata_locations(platform.lake.tables()),
        "rows": rows,
        "runs": {run.run_id for run in deployment.runs()},
        "files": {file.path for file in files if f"/{FOLDER}/" not in file.path},
    }


def differences(branch: Deployment) -> dict[str, Any]:
    """What `environment diff` says in the branch's code location, by table."""
    command = ("data-platform", "environment", "diff", branch.environment, "--json")
    found = json.loads(branch.within("code", *command))
    return {each["table"]: each for each in found["tables"]}


def test_a_branch_works_in_its_own_tables_and_ends_with_nothing_left(
    deployment: Deployment, branch: Deployment, landed: LandedMonth, tmp_path: Path
) -> None:
    before = state(deployment)

    branch.prepare_namespace()
    branch.install()

    assert smoke.main(["--branch", BRANCH]) == 0
    assert differences(branch) == {}
    assert branch.runs() == []

    day = landed.days()[0]
    backfill = branch.backfill(SILVER, [day])
    assert branch.end_of_backfill(backfill) == "COMPLETED_SUCCESS"
    branch.wait_until_built()
    branch.install({"image": as_values(branch.another_image())})  # the branch's next commit

    [built] = differences(branch)[SILVER]["built"]
    assert (built["first"], built["last"]) == (day, day)
    pods = {pod["metadata"]["labels"]["dagster/run-id"] for pod in branch.pods("runs")}
    assert pods == {run.run_id for run in branch.runs()}
    assert state(deployment) == before

    branch.backfill(SILVER, landed.days())
    branch.pod_at_work()
    assert release.main(["remove", "laptop", "--branch", BRANCH]) == 0

    platform = deployment.platform
    assert platform.environments.find(branch.environment) is None
    assert not list(platform.storage.files(branch.settings.warehouse_uri))
    engine = sa.create_engine(with_driver(deployment.database.url), poolclass=sa.NullPool)
    assert schema_of(branch.environment) not in sa.inspect(engine).get_schema_names()
    assert branch.namespace not in deployment.cluster.kubectl("get", "namespaces", "-o", "name")
    assert state(deployment) == before
    landed.land_a_day_more(tmp_path)
    landed.require_right()
