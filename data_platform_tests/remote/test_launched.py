"""Steps that run as jobs of a service do what they do in Dagster's process."""

import io
import os
import re
import signal
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from data_platform.lake.upkeep import browse
from data_platform.runs.stopping import cancel_run
from data_platform.tables.identity import TableId
from data_platform_tests.support.corner_shop.tables import LANDED, TABLES
from data_platform_tests.support.homes import Home, rows_of_a_load
from data_platform_tests.support.job_service import ENVIRONMENT, JobService
from data_platform_tests.support.remote_jobs import ROLE, RemoteJobs

pytestmark = [pytest.mark.system, pytest.mark.integration]

NAMES = (
    "bronze/corner/sales",
    "silver/corner/sales",
    "quarantine/corner/sales",
    "duplicates/corner/sales",
    "gold/corner/totals",
)
_OF_THE_RUN = {"attempt", "snapshot_id", "size_kib", "files"}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC")
_KINDS = {
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.ASSET_OBSERVATION,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_SUCCESS,
}


def test_jobs_of_emr_serverless_build_the_tables_and_log_the_events_of_runs_in_this_process(
    remote: RemoteJobs,
) -> None:
    with remote.home("here", SPARK="sail") as home:
        runs_here = [(ran.state, ran.failures) for ran in home.run()]
        here, rows = _events(home), _rows(home)

    with (
        remote.home("there", TABLES, **remote.serverless()) as home,
        remote.service(home) as service,
    ):
        runs_there = [(ran.state, ran.failures) for ran in home.run()]
        there = _events(home)
        assert runs_there == runs_here, _output(service)
        assert _rows(home) == rows
        assert there == here
        secret = remote.password
        assert not any(secret in word for command in service.commands for word in command)
        assert not any(secret in value for each in service.environments for value in each.values())
        assert not any(secret in path.read_text() for path in service.outputs)
        written = home.place.files("/pipes")
        assert written
        assert not any(secret.encode() in home.place.read(uri) for uri in written)


@pytest.mark.parametrize(
    "service", [pytest.param("emr-containers", marks=pytest.mark.soak), "glue"]
)
def test_a_job_of_another_service_is_given_the_same(remote: RemoteJobs, service: str) -> None:
    spark = remote.glue_job() if service == "glue" else remote.cluster()
    more = {} if service == "glue" else {"REMOTE_ROLE": ROLE, "REMOTE_RELEASE": "emr-8.0.0-latest"}
    with (
        remote.home("there", TABLES[:1], **{"SPARK": spark, **more}) as home,
        remote.service(home) as jobs,
    ):
        (ran,) = home.run()

        assert ran.state == "done", (ran.failures, _output(jobs))
        assert home.counts("bronze/corner/sales") == {
            day: len(each) for day, each in LANDED.items()
        }
        assert set(home.materialized("bronze/corner/sales")) == set(LANDED)


def test_a_job_that_is_killed_fails_its_step_and_the_next_run_builds_what_is_due(
    remote: RemoteJobs,
) -> None:
    with remote.home("there", TABLES[:1], **remote.serverless()) as home:
        with remote.service(home) as jobs:
            killing = threading.Thread(target=_once_running, args=(jobs, jobs.kill))
            killing.start()
            (ran,) = home.run()
            killing.join()

        assert ran.state == "failed"
        (why,) = ran.failures
        assert "bronze/corner/sales: the job ended without reporting a result" in why
        assert "EMR Serverless job failed" in why
        assert not _contexts(home)
        assert not home.versions()["bronze/corner/sales"]
        with remote.service(home):
            (again,) = home.run()
        assert again.state == "done"
        assert set(home.versions()["bronze/corner/sales"]) == set(LANDED)


@pytest.mark.soak  # waits for three jobs
def test_a_job_that_was_overtaken_publishes_nothing(remote: RemoteJobs) -> None:
    """Dagster's process is killed while its job writes; the next run starts a second job of the
    same partitions, which publishes them; then the first one goes on."""
    with (
        remote.home("there", TABLES[:1], **remote.serverless()) as home,
        remote.service(home) as jobs,
    ):
        dagster = subprocess.Popen([ENVIRONMENT / "bin/data-platform", "run"])
        try:
            first = _stopped_while_writing(home, jobs)
        finally:
            dagster.kill()
            dagster.wait()
        assert not home.versions()["bronze/corner/sales"]

        (ran,) = home.run()
        assert ran.state == "done", (ran.failures, _output(jobs))
        published = home.versions()["bronze/corner/sales"]
        os.killpg(first.pid, signal.SIGCONT)

        assert first.wait(120) == 1, _output(jobs)
        assert len(jobs.running) == 2
        said = [home.place.read(uri).decode() for uri in home.place.files("/pipes")]
        assert [text for text in said if "PartitionConflict" in text], said
        assert home.versions()["bronze/corner/sales"] == published
        assert home.counts("bronze/corner/sales") == {
            day: len(lines) for day, lines in LANDED.items()
        }


def _stopped_while_writing(home: Home, jobs: JobService) -> "subprocess.Popen[bytes]":
    """The only job, which has planned and written files, and stands still before it publishes."""
    data = f"{home.settings.warehouse_uri.removeprefix(home.place.root)}/bronze/corner/sales/data"
    _wait(lambda: home.place.files(data), 0.01)
    (job,) = jobs.running.values()
    os.killpg(job.pid, signal.SIGSTOP)
    return job


def test_a_package_with_other_code_than_dagsters_process_is_refused(remote: RemoteJobs) -> None:
    with (
        remote.home("there", TABLES[:1], **remote.serverless()) as home,
        remote.service(home) as jobs,
    ):
        package = f"{home.settings.remote_package}/packages.tar.gz"
        changed = _changed(home.place.read(package), "data_platform/assets.py", "# changed")
        home.place.write(package, changed)
        (ran,) = home.run()

        (why,) = ran.failures
        assert (
            "bronze/corner/sales: the job's package has a different version of data_platform's code"
            in why
        )
        assert "set DATA_PLATFORM_REMOTE_PACKAGE" in why
        assert len(jobs.running) == 1
        assert not home.versions()["bronze/corner/sales"]


def test_an_unexpected_error_in_a_job_is_the_error_of_its_step(remote: RemoteJobs) -> None:
    with (
        remote.home("there", TABLES[:1], **remote.serverless()) as home,
        remote.service(home),
    ):
        package = f"{home.settings.remote_package}/packages.tar.gz"
        failing = "def _run(*_): raise ValueError('of the job')"
        changed = _changed(home.place.read(package), "data_platform/remote/job.py", failing)
        home.place.write(package, changed)
        (ran,) = home.run()

        assert ran.failures == ("ValueError: of the job",)


def _changed(archive: bytes, name: str, line: str) -> bytes:
    """The archive with a line at the end of one of its files."""
    changed = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(archive)) as old,
        tarfile.open(fileobj=changed, mode="w:gz") as new,
    ):
        for entry in old:
            content = b"".join(old.extractfile(entry) or ())
            content += f"{line}\n".encode() if entry.name == name else b""
            entry.size = len(content)
            new.addfile(entry, io.BytesIO(content))
    return changed.getvalue()


def test_canceling_a_run_cancels_its_job(remote: RemoteJobs) -> None:
    with (
        remote.home("there", TABLES[:1], **remote.serverless()) as home,
        remote.service(home) as jobs,
    ):

        def cancel() -> None:
            (record,) = home.instance.get_run_records()
            cancel_run(home.instance, record.dagster_run.run_id)

        canceling = threading.Thread(target=_once_running, args=(jobs, cancel))
        canceling.start()
        (ran,) = home.run()
        canceling.join()

        assert ran.state == "canceled"
        application = home.settings.spark.text.partition(":")[2]
        listed = remote.client("emr-serverless").list_job_runs(applicationId=application)
        assert [job["state"] for job in listed["jobRuns"]] == ["CANCELLED"]
        # All four days or none: a quick job may have committed before it was canceled.
        assert len(home.versions()["bronze/corner/sales"]) in (0, 4)
        (record,) = home.instance.get_run_records()
        logged = [each.message for each in home.instance.all_logs(record.dagster_run.run_id)]
        about = [text for text in logged if "its job" in text]
        assert about == ["bronze/corner/sales: its job was canceled"], logged
        assert not _contexts(home)


def _once_running(jobs: JobService, then: Callable[[], object]) -> None:
    _wait(lambda: jobs.running, 0.05)
    then()


def _wait(until: Callable[[], object], every: float) -> None:
    end = time.monotonic() + 300
    while not until():
        assert time.monotonic() < end
        time.sleep(every)


def _contexts(home: Home) -> list[str]:
    """What is left of the jobs' contexts."""
    return [uri for uri in home.place.files("/pipes") if uri.endswith("/context.json")]


def _output(jobs: JobService) -> str:
    return "\n".join(path.read_text()[-3000:] for path in jobs.outputs)


def _rows(home: Home) -> dict[str, list[dict]]:
    found = {}
    for name in NAMES:
        table = home.platform.lake.find(TableId.parse(name))
        found[name] = rows_of_a_load(browse.rows(table).read_all()) if table else []
    return found


def _events(home: Home) -> list[str]:
    """What the runs logged, without what differs between two runs of the same work."""
    found = []
    for record in reversed(home.instance.get_run_records()):
        for entry in home.instance.all_logs(record.dagster_run.run_id):
            event = entry.dagster_event
            if event and event.event_type in _KINDS:
                said = repr((event.event_type.value, event.step_key, *_said(event)))
                found.append(_MOMENT.sub("(time)", said))
    return found


def _said(event: dg.DagsterEvent) -> tuple[Any, ...]:
    data: Any = event.event_specific_data
    match event.event_type:
        case dg.DagsterEventType.ASSET_MATERIALIZATION:
            return (data.materialization.partition, _metadata(data.materialization.metadata))
        case dg.DagsterEventType.ASSET_OBSERVATION:
            of = data.asset_observation
            return (of.partition, of.description, _metadata(of.metadata))
        case dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            severity, found = data.severity.value, _metadata(data.metadata)
            about = data.target_materialization_data is not None
            said = (data.check_name, data.partition, data.passed, severity, data.description)
            return (*said, about, found)
        case dg.DagsterEventType.STEP_FAILURE:
            failure = data.user_failure_data
            return (failure.description, _metadata(failure.metadata)) if failure else (data.error,)
    return ()


def _metadata(metadata: Any) -> dict[str, str]:
    return {name: repr(each) for name, each in metadata.items() if name not in _OF_THE_RUN}
