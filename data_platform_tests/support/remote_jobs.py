"""Platforms on a store and a database server, whose steps may run as jobs of a service."""

import json
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from data_platform.assets import Table
from data_platform.build.platform import Platform
from data_platform.operations.packaging import package
from data_platform.operations.repair import instance_of
from data_platform.platform_defs import launching
from data_platform.runs.home import prepare_home
from data_platform.settings.environment import environment_kept, settings_from_env
from data_platform_tests.support.corner_shop.tables import LANDED, TABLES
from data_platform_tests.support.databases import Databases
from data_platform_tests.support.homes import Home
from data_platform_tests.support.job_service import (
    JobService,
    endpoints,
    start_no_job_as_ended,
)
from data_platform_tests.support.places import Place
from tools.postgres_server import Postgres
from tools.servers import S3Server

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
def remote_on(
    tmp_path: Path,
    made_package: Path,
    postgres: Postgres,
    databases: Databases,
    moto_endpoint: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[S3Server], RemoteJobs]:
    """Gives homes whose files are in a new bucket of a store."""
    for variable, value in endpoints(moto_endpoint).items():
        monkeypatch.setenv(variable, value)
    start_no_job_as_ended(monkeypatch)
    monkeypatch.setattr(launching, "SECONDS", 0.2)  # moto answers at once, at no cost
    _reset(moto_endpoint)

    def made(store: S3Server) -> RemoteJobs:
        place, secret = Place.bucket(store), {"password": postgres.password}
        found = RemoteJobs(
            tmp_path, place, moto_endpoint, store.region, databases, made_package, postgres.password
        )
        found.client("secretsmanager").create_secret(
            Name="database", SecretString=json.dumps(secret)
        )
        return found

    return made


def _reset(moto: str) -> None:
    urllib.request.urlopen(urllib.request.Request(f"{moto}/moto-api/reset", method="POST"))
