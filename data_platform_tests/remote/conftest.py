"""Platforms on a store and a database server, whose steps may run as jobs of a service."""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from data_platform.assets import Table
from data_platform.build.platform import Platform
from data_platform.engine.warm.place import reserved_port
from data_platform.operations.packaging import package
from data_platform.operations.repair import instance_of
from data_platform.platform_defs import launching
from data_platform.runs.home import prepare_home
from data_platform.settings.environment import environment_kept, settings_from_env
from data_platform_tests.support.corner_shop.tables import LANDED, TABLES
from data_platform_tests.support.databases import Databases
from data_platform_tests.support.homes import Home
from data_platform_tests.support.job_service import (
    ENVIRONMENT,
    JobService,
    endpoints,
    start_no_job_as_ended,
)
from data_platform_tests.support.places import Place
from tools.servers import Postgres, S3Server

ROLE = "arn:aws:iam::123456789012:role/transform"


@dataclass(frozen=True)
class RemoteJobs:
    """Homes with the shop's tables, of which nothing is on this machine but Dagster's own state."""

    directory: Path
    place: Place
    moto: str
    region: str
    databases: Databases
    package: Path
    password: str

    @contextmanager
    def home(self, name: str, tables: Sequence[Table] = TABLES, **settings: str) -> Iterator[Home]:
        """A home in whose landing place the shop's files are; `settings` are variables without
        their prefix."""
        place = Place(f"{self.place.root}/{name}", self.place.store)
        variables = {
            "DATA_PLATFORM_ENV": "test",
            "DATA_PLATFORM_HOME": str(self.directory / name),
            "DATA_PLATFORM_DATABASE": self.databases.migrated(),
            "DATA_PLATFORM_DATABASE_PASSWORD": "secretsmanager:database#password",
            "DATA_PLATFORM_DOMAINS": "data_platform_tests.support.corner_shop",
            "DATA_PLATFORM_REMOTE_MESSAGES": f"{place.root}/pipes",
            "DATA_PLATFORM_REMOTE_PACKAGE": f"{place.root}/package",
            **place.environment,
            **{f"DATA_PLATFORM_{key}": value for key, value in settings.items()},
        }
        with pytest.MonkeyPatch.context() as patched:
            for variable, value in variables.items():
                patched.setenv(variable, value)
            opened = settings_from_env()
            prepare_home(opened)
            with environment_kept(), instance_of(Platform(opened)) as instance:
                home = Home(opened, instance, tuple(tables), place)
                for day, lines in LANDED.items():
                    home.land(f"till/{day}.csv", "\n".join(["sku,amount", *lines, ""]).encode())
                for file in self.package.iterdir():
                    place.write(f"{place.root}/package/{file.name}", file.read_bytes())
                yield home

    @contextmanager
    def service(self, home: Home, **how: Any) -> Iterator[JobService]:
        """The services at work for a home."""
        directory = self.directory / "jobs"
        with JobService(home.settings, home.place, directory, **how).at_work() as service:
            yield service

    def client(self, service: str) -> Any:
        """boto3's client of a service of moto's."""
        return boto3.Session().client(service, region_name=self.region, endpoint_url=self.moto)

    def application(self) -> str:
        """The setting of a new application of EMR Serverless."""
        made = self.client("emr-serverless").create_application(
            name="data-platform", releaseLabel="emr-7.0.0", type="SPARK"
        )
        return f"emr-serverless:{made['applicationId']}"

    def serverless(self) -> dict[str, str]:
        """The settings for jobs of a new application of EMR Serverless."""
        return {"SPARK": self.application(), "REMOTE_ROLE": ROLE}

    def cluster(self) -> str:
        """The setting of a new virtual cluster of EMR on EKS."""
        made = self.client("emr-containers").create_virtual_cluster(
            name="data-platform",
            containerProvider={
                "type": "EKS",
                "id": "cluster",
                "info": {"eksInfo": {"namespace": "data-platform"}},
            },
        )
        return f"emr-containers:{made['id']}"

    def glue_job(self) -> str:
        """The setting of a new job of Glue."""
        self.client("glue").create_job(
            Name="data-platform",
            Role=ROLE,
            Command={"Name": "glueetl", "ScriptLocation": "s3://bucket/entry.py"},
        )
        return "glue:data-platform"


@pytest.fixture(scope="session")
def made_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `data-platform package` makes, without what this environment has."""
    return package(tmp_path_factory.mktemp("package"), dependencies=False).directory


@pytest.fixture
def standalone(tmp_path: Path) -> Iterator[str]:
    """The address of a standalone master of Spark on the loopback address, with one worker."""
    java, python = str(ENVIRONMENT / "java"), str(ENVIRONMENT / "bin/python")
    environment = {**os.environ, "JAVA_HOME": java, "PYSPARK_PYTHON": python}
    with ExitStack() as stack, (tmp_path / "standalone.txt").open("wb") as output:
        port = stack.enter_context(reserved_port())
        master = f"spark://127.0.0.1:{port}"
        of = "org.apache.spark.deploy"
        here = ["-h", "127.0.0.1", "--webui-port", "0"]
        commands = (
            [f"{of}.master.Master", *here, "-p", str(port)],
            [f"{of}.worker.Worker", *here, *("-c", "1", "-m", "1g", "-d", str(tmp_path)), master],
        )
        for command in commands:
            process = stack.enter_context(
                subprocess.Popen(
                    [str(ENVIRONMENT / "bin/spark-class"), *command],
                    env=environment,
                    stdout=output,
                    stderr=output,
                )
            )
            stack.callback(process.terminate)
        yield master


@pytest.fixture
def remote(
    tmp_path: Path,
    made_package: Path,
    versitygw: S3Server,
    postgres: Postgres,
    databases: Databases,
    moto_endpoint: str,
    monkeypatch: pytest.MonkeyPatch,
) -> RemoteJobs:
    for variable, value in endpoints(moto_endpoint).items():
        monkeypatch.setenv(variable, value)
    start_no_job_as_ended(monkeypatch)
    monkeypatch.setattr(launching, "SECONDS", 0.2)  # moto answers for nothing
    place = Place.bucket(versitygw)
    _reset(moto_endpoint)
    found = RemoteJobs(
        tmp_path, place, moto_endpoint, versitygw.region, databases, made_package, postgres.password
    )
    found.client("secretsmanager").create_secret(
        Name="database", SecretString=json.dumps({"password": postgres.password})
    )
    return found


def _reset(moto: str) -> None:
    import urllib.request

    urllib.request.urlopen(urllib.request.Request(f"{moto}/moto-api/reset", method="POST"))
