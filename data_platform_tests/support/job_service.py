"""A service that runs jobs: moto's, which starts none, with a thread that does.

A job is what the service was asked to start: its entry script is taken from the store and given to
`spark-submit` with the job's own parameters. The service gives it a master and S3, as EMR does, and
of this process's environment only the credentials. Its Python is that of this environment, as in
an image with the locked packages; the job's archive is unpacked before it, with the platform.
On a cluster of hosts the executors have a Python without the platform.
"""

import os
import shlex
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.emrcontainers.models import emrcontainers_backends
from moto.emrserverless.models import emrserverless_backends
from moto.glue.models import glue_backends
from moto.moto_api import state_manager

from data_platform.engine.s3a import s3a_config
from data_platform.engine.session import CLASS_ARCHIVE
from data_platform.settings.model import Settings
from data_platform_tests.support.places import Place

ENVIRONMENT = Path(sys.prefix)
SERVICES = ("EMR_SERVERLESS", "EMR_CONTAINERS", "GLUE", "SECRETS_MANAGER")
# For a few rows.
_LIGHT = {
    "spark.driver.memory": "512m",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC "
    f"-XX:SharedArchiveFile={CLASS_ARCHIVE} -Xshare:auto",
    "spark.sql.shuffle.partitions": "1",
    "spark.ui.enabled": "false",
}
_DRIVER = "spark.emr-serverless.driverEnv."
_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_SECRETS_MANAGER")


def start_no_job_as_ended(patched: pytest.MonkeyPatch) -> None:
    """moto's jobs of EMR Serverless have succeeded when they start, those of Glue soon after."""
    patched.setattr("moto.emrserverless.models.JOB_STATUS", "SUBMITTED")
    state_manager.set_transition("glue::job_run", {"progression": "manual", "times": 10**9})


def endpoints(moto: str) -> dict[str, str]:
    """Where AWS's own libraries find moto's services, and nothing else of it."""
    return {f"AWS_ENDPOINT_URL_{name}": moto for name in SERVICES}


@dataclass
class JobService:
    """Runs what it is asked to below `directory`, on `master`; `commands` is what it ran."""

    settings: Settings
    place: Place
    directory: Path
    master: str = "local[1]"
    config: Mapping[str, str] = field(default_factory=dict)
    commands: list[list[str]] = field(default_factory=list)
    environments: list[dict[str, str]] = field(default_factory=list)
    outputs: list[Path] = field(default_factory=list)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def at_work(self) -> Iterator["JobService"]:
        """Jobs are run until the context ends, which kills those that are left."""
        thread = threading.Thread(target=self._work, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            thread.join()
            for process in self.running.values():
                _kill(process)

    def kill(self) -> None:
        """Kill what runs, as a lost host would."""
        for process in list(self.running.values()):
            _kill(process)

    def _work(self) -> None:
        while not self._ended.wait(0.1):
            for job in self._jobs():
                self._tend(job)

    def _jobs(self) -> list["_Job"]:
        region = self.settings.aws_region
        serverless = emrserverless_backends[DEFAULT_ACCOUNT_ID][region]
        containers = emrcontainers_backends[DEFAULT_ACCOUNT_ID][region]
        glue = glue_backends[DEFAULT_ACCOUNT_ID][region]
        return [
            *(_Serverless(job) for jobs in list(serverless.job_runs.values()) for job in [*jobs]),
            *(_Containers(job) for job in list(containers.job_runs.values())),
            *(_Glue(run) for job in list(glue.jobs.values()) for run in [*job.job_runs]),
        ]

    def _tend(self, job: "_Job") -> None:
        process = self.running.get(job.id)
        if process is None:
            if not job.is_over:
                self.running[job.id] = self._start(job)
                job.state("RUNNING")
        elif job.is_over:
            _kill(process)
        elif (code := process.poll()) is not None:
            job.state(job.succeeded if code == 0 else "FAILED")

    def _start(self, job: "_Job") -> subprocess.Popen[bytes]:
        place = self.directory / job.id
        place.mkdir(parents=True)
        self._unpack(job, place)
        (place / "entry.py").write_bytes(self.place.read(job.entry))
        config = {**_LIGHT, **s3a_config(self.settings), **self.config, **job.config}
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(place),
            "JAVA_HOME": str(ENVIRONMENT / "java"),
            "PYSPARK_PYTHON": str(ENVIRONMENT / "bin/python"),
            **{name: os.environ[name] for name in _CREDENTIALS},
            **job.variables,
        }
        command = [str(ENVIRONMENT / "bin/spark-submit"), "--master", self.master]
        for name, value in config.items():
            command += ["--conf", f"{name}={value}"]
        command += ["entry.py", *job.arguments]
        self.commands.append(command)
        self.environments.append(variables)
        self.outputs.append(place / "output.txt")
        with self.outputs[-1].open("wb") as output:
            return subprocess.Popen(
                command, cwd=place, env=variables, stdout=output, stderr=output, process_group=0
            )

    def _unpack(self, job: "_Job", place: Path) -> None:
        """Put the job's archive beside its driver; Spark does it for executors, which
        get it from the driver instead of S3."""
        uri, _, name = job.config.get("spark.archives", "").partition("#")
        if uri:
            file = place / Path(uri).name
            file.write_bytes(self.place.read(uri))
            with tarfile.open(file) as archive:
                archive.extractall(place / name, filter="data")
            job.config["spark.archives"] = f"{file}#{name}"


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _conf(parameters: str) -> dict[str, str]:
    words = shlex.split(parameters)
    assert words[::2] == ["--conf"] * (len(words) // 2), words
    return dict(word.split("=", 1) for word in words[1::2])


class _Job:
    """A job of a service, as moto keeps it."""

    succeeded = "SUCCESS"
    id: str
    entry: str
    config: dict[str, str]
    variables: dict[str, str]
    arguments: tuple[str, ...] = ()

    def __init__(self, job: Any) -> None:
        self._job = job

    @property
    def is_over(self) -> bool:
        return self._job.state not in ("SUBMITTED", "PENDING", "RUNNING")

    def state(self, name: str) -> None:
        self._job.state = name


class _Serverless(_Job):
    def __init__(self, job: Any) -> None:
        super().__init__(job)
        submitted = job.job_driver["sparkSubmit"]
        found = _conf(submitted["sparkSubmitParameters"])
        self.id, self.entry = job.id, submitted["entryPoint"]
        self.config = {k: v for k, v in found.items() if not k.startswith(_DRIVER)}
        self.variables = {
            k.removeprefix(_DRIVER): v for k, v in found.items() if k.startswith(_DRIVER)
        }


class _Containers(_Job):
    succeeded = "COMPLETED"

    def __init__(self, job: Any) -> None:
        super().__init__(job)
        submitted = job.job_driver["sparkSubmitJobDriver"]
        self.id, self.entry = job.id, submitted["entryPoint"]
        found = _conf(submitted["sparkSubmitParameters"])
        driver = "spark.kubernetes.driverEnv."
        self.config = {k: v for k, v in found.items() if not k.startswith(driver)}
        configured = job.configuration_overrides["applicationConfiguration"]
        exported = [
            inner["properties"]
            for each in configured
            if each["classification"] == "spark-env"
            for inner in each["configurations"]
        ]
        (self.variables,) = map(dict, exported)
        self.variables |= {
            k.removeprefix(driver): v for k, v in found.items() if k.startswith(driver)
        }


class _Glue(_Job):
    succeeded = "SUCCEEDED"

    def __init__(self, run: Any) -> None:
        super().__init__(run)
        given = run.arguments
        self.id, self.entry = run.job_run_id, given["--scriptLocation"]
        self.config = _conf(f"--conf {given['--conf']}")
        self.variables = {}
        self.arguments = tuple(
            word
            for name, value in given.items()
            if name not in ("--scriptLocation", "--conf")
            for word in (name, value)
        )

    @property
    def is_over(self) -> bool:
        return self._job.status not in ("STARTING", "RUNNING")

    def state(self, name: str) -> None:
        self._job.status = name
