"""On Spark a run is the driver, and its executors are pods: the tables are the same."""

from data_platform_tests.support.deployment import Deployment, as_values
from data_platform_tests.support.landed_month import LandedMonth


def test_executors_of_a_run_are_pods_and_its_tables_the_same(
    deployment: Deployment, landed: LandedMonth
) -> None:
    deployment.install(
        {
            "image": as_values(deployment.spark_image),
            "settings": {"SPARK": "k8s://https://kubernetes.default.svc"},
        }
    )
    try:
        with landed.during_a_run() as pod:
            deployment.wait_for("executors", lambda: bool(deployment.pods("executors")), every=0.5)
            owners = {
                owner["uid"]
                for executor in deployment.pods("executors")
                for owner in executor["metadata"].get("ownerReferences", ())
            }
        deployment.wait_for("that executors end", lambda: not deployment.pods("executors"))
    finally:
        deployment.install()

    assert owners == {pod["metadata"]["uid"]}
