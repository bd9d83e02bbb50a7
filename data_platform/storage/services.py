"""Clients of AWS's services that run jobs."""

from collections.abc import Callable
from typing import Any


class JobClient:
    """boto3's client of a service that runs jobs. Each time a job's state is asked for, `look` is
    called first, and may raise; only Glue's first time is left out, when Dagster's client of Glue
    would not yet stop the job.
    """

    def __init__(self, service: str, region: str, look: Callable[[], None]) -> None:
        import boto3  # slow to import, and most processes launch nothing

        self._client = boto3.Session().client(service, region_name=region or None)  # type: ignore[call-overload]
        self._look = look
        self._free = int(service == "glue")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get_job_run(self, **asked: Any) -> Any:
        """The state of a job of EMR Serverless or Glue."""
        self._looked()
        return self._client.get_job_run(**asked)

    def describe_job_run(self, **asked: Any) -> Any:
        """The state of a job of EMR on EKS."""
        self._looked()
        return self._client.describe_job_run(**asked)

    def get_dashboard_for_job_run(self, **asked: Any) -> dict[str, str]:
        """No address of Spark's UI: AWS's own has a token in it, and Dagster's client logs it."""
        return {"url": "in EMR Studio"}

    def _looked(self) -> None:
        if self._free:
            self._free -= 1
        else:
            self._look()
