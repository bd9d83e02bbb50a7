"""An account with buckets on the server of `moto_endpoint`, empty for each test."""

import json
import shlex
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from data_platform.buckets.account import Account, Clients, connect
from data_platform.buckets.actions import Action
from data_platform.buckets.audit import Audit, audit
from data_platform.buckets.full_standard import standard_specs
from data_platform.buckets.provision import apply, plan, read_states
from data_platform.buckets.queue_standard import QueueSpec, queue_specs
from data_platform.buckets.queue_state import QueueState, read_queue
from data_platform.buckets.standard import (
    BucketSpec,
    Purpose,
    QueuePurpose,
    TableTiers,
    bucket_specs,
    name_of,
)
from data_platform.buckets.state import BucketState, list_buckets, read_state
from data_platform.settings.environment import settings_at
from data_platform.settings.model import Settings

REGION = "eu-west-1"
PROJECT = "acme"
OTHER_ACCOUNT = "222222222222"


@dataclass(frozen=True)
class Cloud:
    settings: Settings
    account: Account
    clients: Clients
    tables: tuple[TableTiers, ...] = ()

    @property
    def client(self) -> Any:
        return self.clients.s3

    @property
    def sqs(self) -> Any:
        return self.clients.sqs

    @property
    def specs(self) -> list[BucketSpec]:
        return bucket_specs(self.settings.project, self.settings.environment, self.tables)

    @property
    def queues(self) -> list[QueueSpec]:
        return queue_specs(self.settings.project, self.settings.environment)

    def name(self, purpose: Purpose | QueuePurpose) -> str:
        return name_of(self.settings.project, purpose, self.settings.environment)

    def names(self) -> list[str]:
        return list_buckets(self.client, "")

    def state(self, name: str) -> BucketState:
        return read_state(self.client, self.account, name)

    def queue(self, purpose: QueuePurpose) -> QueueState:
        found = read_queue(self.sqs, self.account, self.name(purpose))
        assert found, f"there is no queue {self.name(purpose)}"
        return found

    def plan(self) -> list[Action]:
        settings = self.settings
        specs = standard_specs(settings.project, settings.environment, self.tables)
        own = list_buckets(self.client, f"{settings.project}-")
        return plan(specs, read_states(self.clients, self.account, specs, own), self.account)

    def apply(self) -> list[Action]:
        """What was done."""
        done: list[Action] = []
        apply(self.clients, self.plan(), done.append)
        return done

    def audit(self) -> Audit:
        settings = self.settings
        project, environment = settings.project, settings.environment
        return audit(self.clients, self.account, project, environment, self.tables)

    def broken(self) -> set[tuple[str, str]]:
        """Name and rule of every failure."""
        return {(failure.name, failure.rule) for failure in self.audit().failures}

    def run(self, command: str) -> None:
        """What the `aws` command of a failure asks for."""
        tool, api, operation, *options = shlex.split(command)
        given = dict(zip(options[::2], options[1::2], strict=True))
        assert tool == "aws"
        client = {"s3api": self.client, "sqs": self.sqs}[api]
        assert given["--region"] == self.account.region
        assert given["--endpoint-url"] == self.account.endpoint
        method = getattr(client, operation.replace("-", "_"))
        method(**json.loads(given["--cli-input-json"]))


def cloud_at(endpoint: str, home: Path, *, region: str = REGION, project: str = PROJECT) -> Cloud:
    settings = replace(settings_at(home), project=project, aws_region=region, aws_endpoint=endpoint)
    return Cloud(settings, *connect(settings))


def post(url: str, body: str = "") -> None:
    """To the server's own API, which forgets and authenticates."""
    headers = {"Content-Type": "text/plain"}  # else the body is taken for a form
    request = urllib.request.Request(url, body.encode(), headers, method="POST")
    without_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    without_proxy.open(request).close()


def other_account(cloud: Cloud):
    """An S3 client of another account."""
    role = f"arn:aws:iam::{OTHER_ACCOUNT}:role/other"
    sts = boto3.client("sts", endpoint_url=cloud.account.endpoint, region_name=REGION)
    given = sts.assume_role(RoleArn=role, RoleSessionName="other")["Credentials"]
    return boto3.client(
        "s3",
        endpoint_url=cloud.account.endpoint,
        region_name=REGION,
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )


@pytest.fixture
def cloud(moto_endpoint: str, tmp_path: Path) -> Iterator[Cloud]:
    """An empty account; the credentials at hand are its own."""
    with _empty(moto_endpoint, tmp_path) as cloud:
        yield cloud


@pytest.fixture
def empty_glue(moto_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A Glue without tables, as the setting of the catalog."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", moto_endpoint)
    post(f"{moto_endpoint}/moto-api/reset")
    return "glue"


@pytest.fixture(scope="module")
def standing(moto_endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Buckets and queues of the standard for all tests of a module, each of which leaves them so.

    Not for a module that has tests with `cloud`, which empties the account.
    """
    with _empty(moto_endpoint, tmp_path_factory.mktemp("standing")) as cloud:
        cloud.apply()
        yield cloud


@contextmanager
def _empty(endpoint: str, home: Path) -> Iterator[Cloud]:
    with pytest.MonkeyPatch.context() as patched:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"):
            patched.delenv(name, raising=False)
        patched.setenv("AWS_ACCESS_KEY_ID", "testing")
        patched.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patched.setenv("NO_PROXY", "127.0.0.1")
        post(f"{endpoint}/moto-api/reset")
        yield cloud_at(endpoint, home)
        post(f"{endpoint}/moto-api/reset-auth", "inf")
