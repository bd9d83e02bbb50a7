"""A table's step as a job of EMR, Glue or any `spark-submit`, launched through Dagster's Pipes.

It builds and publishes what Dagster's process requests, with the settings of that process and in
the service's session, and reports the results to Dagster.
"""

import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import IO, Any

import dagster as dg
from dagster_pipes import (
    PipesCliArgsParamsLoader,
    PipesContext,
    PipesEnvVarParamsLoader,
    PipesParamsLoader,
    PipesS3ContextLoader,
    PipesS3MessageWriter,
    PipesS3MessageWriterChannel,
    open_dagster_pipes,
)

from data_platform.assets import Table
from data_platform.build.failures import failures_explained
from data_platform.build.platform import Platform
from data_platform.build.reports import Sent
from data_platform.build.table_code import code_of
from data_platform.databases.fencing import held, lease_of
from data_platform.engine.session import submitted_session
from data_platform.platform_defs.discovery import discovered, packages
from data_platform.platform_defs.step import (
    StepRequest,
    built,
    nothing_to_build,
    planned,
    published,
    table_named,
)
from data_platform.settings.environment import named_domains, settings_from_env
from data_platform.storage.object_store import ObjectStore
from data_platform.storage.services import retried
from data_platform.telemetry.logs import log_as
from data_platform.telemetry.running import begin
from data_platform.telemetry.tracing import step_key

SECONDS = 5  # between uploads of messages


def main() -> int:
    """Run the step that the Pipes context requests; returns the process's exit code.

    Unexpected errors are reported and raised, so that the job's log has the stack trace; failures
    with an explanation are only reported.
    """
    loader = _loader()
    found = loader.load_context_params()
    client = ObjectStore(found["region"], found["endpoint"]).client()
    with (
        TemporaryDirectory(prefix="data-platform-") as home,
        open_dagster_pipes(
            params_loader=loader,
            context_loader=PipesS3ContextLoader(client),
            message_writer=MessageWriter(client),
        ) as pipes,
    ):
        reports = Sent(pipes.report_custom_message)
        try:
            _run(pipes, home, reports)
        except (dg.Failure, dg.RetryRequested) as failure:
            reports.failed(failure)
            return 1
        except Exception as error:
            reports.failed(error)
            raise
        reports.done()
    return 0


def _run(pipes: PipesContext, home: str, reports: Sent) -> None:
    variables = {**pipes.get_extra("settings"), "DATA_PLATFORM_HOME": home}
    asked = StepRequest(**pipes.get_extra("asked"))
    table = _table(asked.table, pipes.get_extra("code"), variables)
    platform = Platform(settings_from_env(variables))
    log_as(platform.settings.log_format)
    partitions = tuple(dict.fromkeys([*asked.keys[:1], *asked.keys[-1:]]))
    begin(asked.run_id, partitions, step=step_key(table.id))
    say = pipes.log.info
    with run_leased(platform, asked):
        with failures_explained():
            due = planned(table, platform, asked)
            if not due.keys:  # another run has built them in the meantime
                nothing_to_build(table, platform, asked, reports, say)
                return
            result = built(table, due, platform, submitted_session(), asked.run_id)
        published(platform.lake, platform.builds, platform.ledger, result, reports, say)


@contextmanager
def run_leased(platform: Platform, asked: StepRequest) -> Iterator[None]:
    """Within the block this process holds the lease of Dagster's, which beats for it: once that is
    lost, it can publish nothing."""
    if platform.leases is None or asked.epoch is None:
        yield
        return
    with held(platform.leases.known(lease_of(asked.run_id), asked.epoch)):
        yield


def _table(name: str, code: Mapping[str, str], variables: dict[str, Any]) -> Table:
    """The table as this package declares it. Raises Failure if its code is not that of Dagster's
    process."""
    table = table_named(name, discovered(packages(named_domains(variables))).tables)
    has = _differs(code_of(table), code) if table else "does not have it"
    if table is None or has:
        raise dg.Failure(
            description=f"{name}: the job's package {has}; build a new one with `data-platform "
            "package`, upload it, and set DATA_PLATFORM_REMOTE_PACKAGE to it",
            allow_retries=False,
        )
    return table


def _differs(ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """Which part of this package differs from Dagster's process; empty if none."""
    said = {
        "table": "another version of it: its contract or its function was changed",
        "modules": "a different version of its module's code, or of what that imports",
        "platform": "a different version of data_platform's code",
    }
    found = [what for part, what in said.items() if ours[part] != theirs[part]]
    return f"has {found[0]}" if found else ""


class MessageWriter(PipesS3MessageWriter):
    """Uploads messages to S3. An upload that fails because of the network or throttling is retried
    for as long as the job runs: Dagster's own writer would upload no more."""

    def __init__(self, client: Any) -> None:
        super().__init__(client, interval=SECONDS)
        self._s3 = client

    def make_channel(self, params: Mapping[str, Any]) -> PipesS3MessageWriterChannel:
        """See `PipesBlobStoreMessageWriter`."""
        return _Channel(self._s3, params["bucket"], params["key_prefix"], interval=SECONDS)


class _Channel(PipesS3MessageWriterChannel):
    def upload_messages_chunk(self, payload: IO[str], index: int) -> None:
        def upload() -> None:
            payload.seek(0)
            super(_Channel, self).upload_messages_chunk(payload, index)

        retried(upload, patience=math.inf)


def _loader() -> PipesParamsLoader:
    """Glue passes parameters as arguments, the others as environment variables."""
    arguments = PipesCliArgsParamsLoader()
    if arguments.is_dagster_pipes_process():
        return arguments
    found = PipesEnvVarParamsLoader()
    if not found.is_dagster_pipes_process():
        sys.exit("data_platform.remote has no Pipes parameters: it can be started only by Dagster")
    return found
