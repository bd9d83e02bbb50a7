"""On Spark a run is the driver, and its executors are pods: the tables are the same."""

from typing import Any

from data_platform_tests.support.deployment import Deployment, as_values
from data_platform_tests.support.landed_month import LandedMonth


def test_executors_of_a_run_are_pods_and_its_tables_the_same(
    deployment: Deployment, landed: LandedMonth
) -> None:
    def executors_of(run: str) -> list[dict[str, Any]]:
        return [
            executor
            for executor in deployment.pods("executors")
            if run in {owner["uid"] for owner in executor["metadata"].get("ownerReferences", ())}
        ]

    deployment.install(
        {
            "image": as_values(deployment.spark_image),
            "settings": {"SPARK": "k8s://https://kubernetes.default.svc"},
        }
    )
    try:
        with landed.during_a_run() as pod:
            run = pod["metadata"]["uid"]
            deployment.wait_for("executors", lambda: bool(executors_of(run)), every=0.5)
        found = executors_of(run)
    finally:
        deployment.install()

    assert found
    assert {executor["status"]["phase"] for executor in found} == {"Succeeded"}
