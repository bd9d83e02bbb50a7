"""The request with which each service starts a job: the package's entry script and libraries.

Nothing here is secret: the settings and what to build are in the Pipes context in S3.
"""

from typing import Any

from data_platform.engine.session import job_config
from data_platform.settings.engine import Service
from data_platform.settings.model import Settings
from data_platform.tables.identity import TableId

ENTRY, PACKAGES, WHEELS = "entry.py", "packages.tar.gz", "data-platform.gluewheels.zip"
"""The names of a package's files."""

_UNPACKED = "packages"  # a directory beside the driver and each executor
_LONGEST_NAME = 64  # of a job of EMR on EKS


def job_name(table: TableId, run_id: str) -> str:
    """The name of a table's job in a run, which ends with the start of the run's id."""
    end = f"-{run_id[:8]}"
    return str(table).replace("/", "-")[: _LONGEST_NAME - len(end)] + end


def job(settings: Settings, name: str) -> dict[str, Any]:
    """The arguments of `start_job_run` for a job with this name."""
    assert settings.spark.service is not None
    service, target = settings.spark.service
    return _JOBS[service](settings, target, name)


def _emr_serverless(settings: Settings, target: str, name: str) -> dict[str, Any]:
    return {
        "applicationId": target,
        "executionRoleArn": settings.remote_role,
        "name": name,
        "jobDriver": {"sparkSubmit": _submitted(settings, "spark.emr-serverless.driverEnv")},
    }


def _emr_containers(settings: Settings, target: str, name: str) -> dict[str, Any]:
    return {
        "virtualClusterId": target,
        "executionRoleArn": settings.remote_role,
        "releaseLabel": settings.remote_release,
        "name": name,
        "jobDriver": {"sparkSubmitJobDriver": _submitted(settings, "spark.kubernetes.driverEnv")},
    }


def _glue(settings: Settings, target: str, name: str) -> dict[str, Any]:
    package = settings.remote_package
    configured = [f"{key}={value}" for key, value in job_config().items()]
    return {
        "JobName": target,
        "Arguments": {
            "--scriptLocation": f"{package}/{ENTRY}",
            "--additional-python-modules": f"{package}/{WHEELS}",
            "--python-modules-installer-option": "--no-index --no-deps",  # pip would look for Spark
            "--conf": " --conf ".join(configured),
        },
    }


_JOBS: dict[Service, Any] = {
    "emr-serverless": _emr_serverless,
    "emr-containers": _emr_containers,
    "glue": _glue,
}


def _submitted(settings: Settings, driver: str) -> dict[str, str]:
    package = settings.remote_package
    config = {
        **job_config(),
        "spark.archives": f"{package}/{PACKAGES}#{_UNPACKED}",
        f"{driver}.PYTHONPATH": f"./{_UNPACKED}",
        "spark.executorEnv.PYTHONPATH": f"./{_UNPACKED}",
    }
    return {
        "entryPoint": f"{package}/{ENTRY}",
        "sparkSubmitParameters": " ".join(f"--conf {key}={value}" for key, value in config.items()),
    }
