"""Clients of AWS's services that run jobs."""

import time
from collections.abc import Callable
from typing import Any

PATIENCE = 300.0  # seconds for which a state is asked for again
PAUSE, LONGEST_PAUSE = 1.0, 30.0  # between attempts, twice as long each time

# What cancels a job, and its arguments from those that started it and the answer to that. Dagster's
# clients have this only in private methods, and Glue's does not tell why the service refuses.
_CANCELING: dict[str, tuple[str, Callable[[Any, Any], dict[str, Any]]]] = {
    "emr-serverless": (
        "cancel_job_run",
        lambda asked, job: {"applicationId": asked["applicationId"], "jobRunId": job["jobRunId"]},
    ),
    "emr-containers": (
        "cancel_job_run",
        lambda asked, job: {"virtualClusterId": asked["virtualClusterId"], "id": job["id"]},
    ),
    "glue": (
        "batch_stop_job_run",
        lambda asked, job: {"JobName": asked["JobName"], "JobRunIds": [job["JobRunId"]]},
    ),
}
_UNDER_WAY = {"SUBMITTED", "PENDING", "SCHEDULED", "QUEUED", "STARTING", "WAITING", "RUNNING"}


class JobClient:
    """boto3's client of a service that runs jobs, which starts one job.

    Each time the job's state is asked for, `look` is called first, and may raise; only Glue's first
    time is left out, when Dagster's client of Glue would not yet stop the job. While the service
    cannot be asked, since it is throttled or the network is down, it is asked again for PATIENCE.
    """

    def __init__(self, service: str, region: str, look: Callable[[], None]) -> None:
        import boto3  # slow to import, and most processes launch nothing

        self._client = boto3.Session().client(service, region_name=region or None)  # type: ignore[call-overload]
        self._look = look
        self._free = int(service == "glue")
        self._canceling, self._named = _CANCELING[service]
        self._job: dict[str, Any] | None = None  # the arguments that cancel it, while it may run

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def start_job_run(self, **asked: Any) -> Any:
        """Start the job."""
        started = self._client.start_job_run(**asked)
        self._job = self._named(asked, started)
        return started

    def get_job_run(self, **asked: Any) -> Any:
        """The state of a job of EMR Serverless or Glue."""
        return self._state(self._client.get_job_run, asked)

    def describe_job_run(self, **asked: Any) -> Any:
        """The state of a job of EMR on EKS."""
        return self._state(self._client.describe_job_run, asked)

    def get_dashboard_for_job_run(self, **asked: Any) -> dict[str, str]:
        """No address of Spark's UI: AWS's own has a token in it, and Dagster's client logs it."""
        return {"url": "in EMR Studio"}

    def cancel(self) -> bool:
        """Cancel the job unless the last known state says that it has ended; False if it has.

        Raises the service's error; transient ones after PATIENCE.
        """
        if self._job is None:
            return False
        job, self._job = self._job, None
        answer = _again(lambda: getattr(self._client, self._canceling)(**job))
        if errors := answer.get("Errors"):  # Glue's, in an answer of success
            raise RuntimeError(errors[0].get("ErrorDetail", {}).get("ErrorMessage") or errors)
        return True

    def _state(self, ask: Callable[..., Any], asked: dict[str, Any]) -> Any:
        def look_and_ask() -> Any:
            if self._free:
                self._free -= 1
            else:
                self._look()
            return ask(**asked)

        answer = _again(look_and_ask)
        run = answer.get("jobRun") or answer["JobRun"]
        if (run.get("state") or run["JobRunState"]) not in _UNDER_WAY:
            self._job = None
        return answer


def _again(ask: Callable[[], Any]) -> Any:
    """The answer, asked for again after transient errors."""
    from botocore.exceptions import BotoCoreError, ClientError

    end, pause = time.monotonic() + PATIENCE, PAUSE
    while True:
        try:
            return ask()
        except (BotoCoreError, ClientError) as error:
            if not _passes(error) or time.monotonic() + pause > end:
                raise
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def _passes(error: Exception) -> bool:
    """Whether the same request may succeed later: nothing answered, or the service has too much to
    do, or an error of its own."""
    from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

    if not isinstance(error, ClientError):
        return isinstance(error, ConnectionError | HTTPClientError)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = error.response.get("Error", {}).get("Code", "")
    return status >= 500 or status == 429 or "Throttl" in code or "TooManyRequests" in code
