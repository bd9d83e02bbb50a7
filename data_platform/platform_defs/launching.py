"""Launch a table's step as a job of EMR Serverless, EMR on EKS or Glue, and log what it reports.

Dagster's Pipes clients start the job and wait for it. The job's context and its messages are
objects below `DATA_PLATFORM_REMOTE_MESSAGES`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import dagster as dg
from dagster_aws.pipes import (
    PipesEMRContainersClient,
    PipesGlueClient,
    PipesS3ContextInjector,
    PipesS3MessageReader,
)

from data_platform.assets import Table
from data_platform.build.events import Log
from data_platform.build.remote_jobs import job, job_name
from data_platform.build.reports import JobError, Message, NoResult, repeat
from data_platform.build.table_code import code_of
from data_platform.platform_defs.dagster_aws_internals import EMRServerlessClient
from data_platform.platform_defs.step import StepRequest
from data_platform.runs.stopping import require_going_on
from data_platform.settings.engine import Service
from data_platform.settings.environment import passed_on
from data_platform.settings.model import Settings
from data_platform.storage.object_store import ObjectStore, split
from data_platform.storage.services import JobClient, StartUnknown, errors_ignored

SECONDS = 5  # between checks of a job's state, and of its messages
STORE = ("region", "endpoint")  # where the job finds the Pipes context


def launched(
    table: Table, settings: Settings, asked: StepRequest, context: dg.AssetExecutionContext
) -> None:
    """Build and publish in a job, and log what it reports.

    Raises the error that the step raised in the job, and Failure if the job ended without a result,
    was canceled because its state could not be requested, or may have been started unanswered.
    """
    store = ObjectStore(settings.aws_region, settings.aws_endpoint)
    place = f"{settings.remote_messages}/{asked.run_id}"
    messages = MessageReader(store, place)
    look = partial(require_going_on, context.instance, context.run.run_id)
    assert settings.spark.service is not None
    service, _ = settings.spark.service
    jobs = JobClient(service, settings.aws_region, look)
    run = partial(
        _client(service, jobs, _Context(store, place), messages).run,
        context=context,
        extras={"asked": asked.values(), "settings": passed_on(), "code": code_of(table)},
    )
    failed: Exception | None = None
    try:
        run(**{_PARAMETERS: job(settings, job_name(table.id, asked.run_id))})
    except dg.DagsterExecutionInterruptedError:
        if left := _abandoned(jobs):
            context.log.warning(f"{table.id}: its job {left}")
        raise
    except StartUnknown as error:
        raise dg.Failure(f"{table.id}: {error}", allow_retries=False) from error
    except Exception as error:  # the service reports a failure; the job may have sent the reason
        failed = error
    left = _abandoned(jobs)
    abandoned = f"its job cannot be followed and {left}" if left else ""
    _repeat(messages.received, Log.of(context, table.key), failed, table, abandoned)


_PARAMETERS = "start_job_run_params"  # of each client


def _abandoned(jobs: JobClient) -> str:
    """Cancel the job if it may still be running. Returns what to tell the user, or '' if it has
    ended. A job that nobody follows would publish without events, and the next run would start
    another."""
    try:
        return "was canceled" if jobs.cancel() else ""
    except Exception as error:
        return f"cannot be canceled ({error}): stop it in the service's console"


def _repeat(
    received: list[Message], log: Log, failed: Exception | None, table: Table, abandoned: str
) -> None:
    """Log what the job reported. Raises the error that its step raised; without one, a Failure that
    says why it has no result, or that it was not followed to its end."""
    try:
        repeat(received, log)
    except NoResult as error:
        if failed is None:
            raise
        raise dg.Failure(
            f"{table.id}: {abandoned or error} ({failed}); its log in the service's console "
            "has more. What was published before is as it was, unless this run's log says that it "
            "published."
        ) from failed
    except JobError as error:
        if not abandoned:
            raise
        raise dg.Failure(f"{table.id}: {error}; {abandoned}") from error
    if failed is not None and abandoned:
        raise dg.Failure(f"{table.id}: {abandoned} ({failed})") from failed
    if failed is not None:
        raise failed


def _client(service: Service, jobs: JobClient, given: "_Context", messages: "MessageReader") -> Any:
    through: dict[str, Any] = {
        "client": jobs,
        "context_injector": given,
        "message_reader": messages,
        "forward_termination": False,  # `launched` cancels the job, at whatever moment
    }
    match service:
        case "emr-serverless":
            return EMRServerlessClient(**through, poll_interval=SECONDS)
        case "emr-containers":
            waits = {"Delay": SECONDS, "MaxAttempts": 10**6}
            return PipesEMRContainersClient(**through, waiter_config=waits)  # type: ignore[arg-type]
        case "glue":
            return PipesGlueClient(**through)


class _Context(PipesS3ContextInjector):
    """The context in S3, with the location of the store; deleted when the step ends."""

    def __init__(self, store: ObjectStore, place: str) -> None:
        bucket, prefix = split(place)
        super().__init__(bucket=bucket, client=store.client(), key_prefix=f"{prefix}/")
        self._store = store

    @contextmanager
    def inject_context(self, context: Any) -> Iterator[Any]:
        """See `PipesContextInjector`."""
        given = super().inject_context(context)
        found = given.__enter__()
        try:
            yield {**found, **{name: getattr(self._store, name) for name in STORE}}
        finally:  # also after an error, at which Dagster's injector would leave the object
            with errors_ignored():  # it expires with the messages
                given.__exit__(None, None, None)


class MessageReader(PipesS3MessageReader):
    """The messages below an S3 prefix; `received` are the platform's own, in order."""

    def __init__(self, store: ObjectStore, place: str) -> None:
        bucket, self._prefix = split(place)
        super().__init__(bucket=bucket, client=store.client(), interval=SECONDS)
        self._handler: Any = None

    @contextmanager
    def get_params(self) -> Iterator[Any]:
        """See `PipesBlobStoreMessageReader`."""
        with super().get_params() as found:
            yield {**found, "key_prefix": f"{self._prefix}/{found['key_prefix']}"}

    @contextmanager
    def read_messages(self, handler: Any) -> Iterator[Any]:
        """See `PipesMessageReader`."""
        self._handler = handler
        with super().read_messages(handler) as found:
            yield found

    def messages_are_readable(self, params: Any) -> bool:
        """See `PipesThreadedMessageReader`, which would stop reading after a network error."""
        with errors_ignored():
            return super().messages_are_readable(params)
        return False

    def download_messages_chunk(self, index: int, params: Any) -> str | None:
        """See `PipesBlobStoreMessageReader`; None also after a network error."""
        with errors_ignored():
            return super().download_messages_chunk(index, params)
        return None

    def download_messages(self, cursor: int | None, params: Any) -> tuple[int, str] | None:
        """See `PipesThreadedMessageReader`: all chunks there are, since after the job Dagster reads
        for ten seconds only."""
        chunks: list[str] = []
        while found := super().download_messages(cursor, params):
            cursor, chunk = found
            chunks.append(chunk)
        return (cursor, "\n".join(chunks)) if cursor is not None and chunks else None

    @property
    def received(self) -> list[Message]:
        """The messages of `build.reports`."""
        return list(self._handler.get_custom_messages()) if self._handler else []
