"""Clients of AWS's services that run jobs."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

from data_platform.storage.errors import LakeError

PATIENCE = 300.0  # seconds for which a request is retried
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
_T = TypeVar("_T")


class StartUnknown(LakeError):
    """No answer says whether a job was started."""


class JobClient:
    """boto3's client of a service that runs jobs, which starts one job.

    `look` is called before each request for the job's state and may raise. Requests that fail
    because of throttling or the network are retried for PATIENCE seconds.
    """

    def __init__(self, service: str, region: str, look: Callable[[], None]) -> None:
        import boto3  # slow to import, and most processes launch nothing
        from botocore.config import Config

        made = partial(boto3.Session().client, service, region_name=region or None)
        self._client: Any = made()
        # Requests to start a job of Glue have no token: if repeated, they may start another one.
        self._has_tokens = service != "glue"
        once = Config(retries={"total_max_attempts": 1})
        self._starting: Any = self._client if self._has_tokens else made(config=once)
        self._look = look
        self._canceling, self._named = _CANCELING[service]
        self._job: dict[str, Any] | None = None  # the arguments that cancel it, while it may run

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def start_job_run(self, **asked: Any) -> Any:
        """Start the job. Raises StartUnknown if it may have been started without an answer."""
        token = {"clientToken": uuid4().hex} if self._has_tokens else {}
        lost: list[Exception] = []

        def may_repeat(error: Exception) -> bool:
            lost.extend([error] if _is_lost(error) else [])
            return is_transient(error) if self._has_tokens else _is_undone(error)

        try:
            started = retried(lambda: self._starting.start_job_run(**asked, **token), may_repeat)
        except Exception as error:
            if not lost:
                raise
            raise StartUnknown(
                "the answer to the request to start its job was lost, so the job may be running: "
                f"look in the service's console before you run it again ({error})"
            ) from error
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
        answer = retried(lambda: getattr(self._client, self._canceling)(**job))
        if errors := answer.get("Errors"):  # Glue's, in an answer of success
            raise RuntimeError(errors[0].get("ErrorDetail", {}).get("ErrorMessage") or errors)
        return True

    def _state(self, ask: Callable[..., Any], asked: dict[str, Any]) -> Any:
        def look_and_ask() -> Any:
            self._look()
            return ask(**asked)

        answer = retried(look_and_ask)
        run = answer.get("jobRun") or answer["JobRun"]
        state = run.get("state") or run["JobRunState"]
        if state not in _UNDER_WAY:
            self._job = None
        if state == "EXPIRED":  # Glue's, after which Dagster's client would ask for ever
            raise RuntimeError("the job run expired before it started")
        return answer


@contextmanager
def errors_ignored() -> Iterator[None]:
    """A request that fails ends the context, without an error."""
    from botocore.exceptions import BotoCoreError, ClientError

    with suppress(BotoCoreError, ClientError):
        yield


def is_transient(error: Exception) -> bool:
    """Whether the same request may succeed later: there was no answer, or the service throttles, or
    had an error of its own."""
    return _is_undone(error) or _is_lost(error)


def retried(
    ask: Callable[[], _T],
    may_repeat: Callable[[Exception], bool] = is_transient,
    patience: float | None = None,
) -> _T:
    """The answer to a request that is repeated after such errors, for `patience` seconds, or
    PATIENCE. Raises the last error."""
    end, pause = time.monotonic() + (PATIENCE if patience is None else patience), PAUSE
    while True:
        try:
            return ask()
        except Exception as error:
            if not may_repeat(error) or time.monotonic() + pause > end:
                raise
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def _is_undone(error: Exception) -> bool:
    """Whether the request was certainly not executed: the service could not be reached, or
    throttles."""
    from botocore.exceptions import ClientError, ConnectionError, SSLError

    if not isinstance(error, ClientError):
        return isinstance(error, ConnectionError) and not isinstance(error, SSLError)
    code = error.response.get("Error", {}).get("Code", "")
    return _status(error) == 429 or "Throttl" in code or "TooManyRequests" in code


def _is_lost(error: Exception) -> bool:
    """Whether the service may have executed the request although no answer arrived."""
    from botocore.exceptions import HTTPClientError, SSLError

    return isinstance(error, HTTPClientError | SSLError) or _status(error) >= 500


def _status(error: Exception) -> int:
    """The HTTP status of a service's error; 0 of any other."""
    from botocore.exceptions import ClientError

    if not isinstance(error, ClientError):
        return 0
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
