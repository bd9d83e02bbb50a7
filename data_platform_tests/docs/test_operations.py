"""The runbook's commands do what they are there for: all of them, in their order, on stand-ins.

A shell runs them. moto is AWS; PostgreSQL is itself, with a user whose password is what the page
gives to RDS. What `kubectl`, `helm` and `make` are asked for is not run.
"""

import json
import os
import shlex
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import boto3
import pytest
import sqlalchemy as sa
import yaml

from data_platform.demo.generator import generate
from data_platform.settings.model import CHECKOUT
from data_platform_tests.support.chart import values_file
from data_platform_tests.support.cloud import PROJECT, REGION, Cloud
from data_platform_tests.support.databases import Databases
from data_platform_tests.support.pages import blocks

pytestmark = [pytest.mark.system, pytest.mark.integration, pytest.mark.timeout(900)]

PAGE = "docs/operations.md"
LANDING = f"{PROJECT}-raw-landing-prod"
ACCOUNT = "123456789012"
SERVER = "postgresql://platform@db.prod.internal"
PROGRAMS = {
    "aws": f'exec {sys.executable} -m data_platform_tests.support.aws_cli "$@"',
    "data-platform": (
        f"exec {sys.executable} -c 'from data_platform.cli.main import main; main()' \"$@\""
    ),
    **dict.fromkeys(("helm", "kubectl", "make"), "exit 0"),
}
DECISION = "run"  # exits with 3: the files have an unreadable one, and a day that is held back


@dataclass
class Shell:
    """Runs commands one after the other in a folder; what they export lasts."""

    folder: Path
    variables: dict[str, str]
    databases: Databases
    instead: dict[str, str]  # of the page's values
    user: str  # of the databases
    ran: list[str] = field(default_factory=list)

    def run(self, line: str) -> None:
        """A line of the page, or what stands for it."""
        match words := self.words(line):
            case ["aws", "s3", "cp", *_]:
                allow_plain_http(self.s3)
                land(self.s3, self.folder / "files")
            case ["aws", "s3", "mb", bucket]:
                make_bucket(self.s3, bucket)
            case ["aws", "s3", "sync", source, target]:
                copy_bucket(self.s3, source, target)
            case ["createdb", *_, name]:
                self.databases.give(self.instead[f"{SERVER}/{name}"], self.user)
            case ["aws", "rds", "create-db-instance", *_]:
                given = dict(pairwise(words))
                self.do(line)
                self.databases.new_user(self.user, given["--master-user-password"])
                self.databases.give(self.instead[f"{SERVER}/{given['--db-name']}"], self.user)
            case _:
                self.do(line)

    def words(self, line: str) -> list[str]:
        """A command's words, as the shell gives them to it."""
        return shlex.split(self._shell(f"printf '%q ' {line.partition(' > ')[0]}").stdout)

    def do(self, line: str) -> str:
        """What a command prints."""
        for name, own in self.instead.items():
            line = line.replace(name, own)
        done = self._shell(f"{line}\ncode=$?; export -p >exported; exit $code")
        decides = line.startswith(f"data-platform {DECISION}")
        said = f"{done.stdout}\n{done.stderr}"
        assert done.returncode in ({0, 3} if decides else {0}), f"{line}:\n{said}"
        if line.startswith("data-platform"):
            assert said.strip() or " > " in line, f"{line} said nothing"
            self.ran.append(line)
        return done.stdout

    def _shell(self, script: str) -> "subprocess.CompletedProcess[str]":
        known = "set -u; [ ! -e exported ] || . ./exported\n"
        return subprocess.run(
            ["bash", "-c", known + script],
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
        )

    def client(self, service: str) -> Any:
        endpoint = self.variables["AWS_ENDPOINT_URL"]
        return boto3.client(service, endpoint_url=endpoint, region_name=REGION)  # type: ignore[call-overload]

    @property
    def s3(self) -> Any:
        return self.client("s3")


def lines() -> Iterator[str]:
    for block in blocks(PAGE):
        for line in block.text.splitlines():
            yield line.removeprefix("$ ")


@pytest.fixture
def shell(tmp_path: Path, cloud: Cloud, databases: Databases) -> Shell:
    """In an empty account, with an OpenID Connect provider's client and a bucket elsewhere."""
    endpoint, user = cloud.settings.aws_endpoint, f"user_{uuid.uuid4().hex[:12]}"
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, script in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    queue = f"{PROJECT}-arrivals-prod"
    instead = {
        f"{SERVER}/{name}": sa.make_url(databases.empty()).set(username=user).render_as_string()
        for name in (PROJECT, "restored")
    } | {
        f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{queue}": f"{endpoint}/{ACCOUNT}/{queue}",
        "/var/lib/data-platform": str(tmp_path / "home"),
        "/var/lib/restored": str(tmp_path / "restored"),
    }
    given = {
        "CLIENT_ID": "data-platform",
        "CLIENT_SECRET": "of-the-provider",
        "DATA_PLATFORM_AWS_ENDPOINT": endpoint,
        "AWS_ENDPOINT_URL": endpoint,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(CHECKOUT),
        "PGPASSWORD": "",
    }
    shell = Shell(tmp_path, {**os.environ, **given}, databases, instead, user)
    make_bucket(shell.s3, f"s3://backups-of-{PROJECT}")
    return shell


def test_the_runbooks_commands_work_in_their_order(shell: Shell) -> None:
    landed = installed = False
    for line in lines():
        if line.startswith("helm upgrade --install"):
            has_what_the_chart_refers_to(shell)
            installed = True
        landed = landed or line.startswith("aws s3 cp")
        if line == "data-platform doctor":
            allow_plain_http(shell.s3)  # it asks whether it may write
        audits = line == "data-platform buckets audit"
        if landed and audits:
            shell.do("data-platform buckets apply")  # the policies again
        if " --to " in line:
            line = to_the_version_before(shell, line)
        shell.run(line)
        if landed and audits:
            allow_plain_http(shell.s3)
    assert landed and installed
    assert len(shell.ran) > 20


def has_what_the_chart_refers_to(shell: Shell) -> None:
    """The roles and secrets that the values for prod name, made by the page itself."""
    values = yaml.safe_load(values_file("prod").read_text("utf-8"))
    iam, secrets = shell.client("iam"), shell.client("secretsmanager")
    for account, given in values["serviceAccounts"].items():
        name = given["role"].rpartition("/")[2]
        trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
        assert f":{PROJECT}-{account}'" in str(trust)
        attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        names = {each["PolicyName"].rpartition("-")[2] for each in attached}
        assert names == {"ingest", "transform"}
    named = {(each["remote"], each["property"]) for each in values["externalSecrets"]["data"]}
    assert len(named) == 5
    for secret, key in named:
        assert json.loads(secrets.get_secret_value(SecretId=secret)["SecretString"])[key]


def to_the_version_before(shell: Shell, line: str) -> str:
    """A rollback to a version that there is, after one more was made."""
    words = shlex.split(line)
    place = f"{words[2]} --partition {words[words.index('--partition') + 1]}"
    shell.do(f"data-platform run {place}")
    history = json.loads(shell.do(f"data-platform history {place} --json"))
    return line.partition(" --to ")[0] + f" --to {history[-1]['snapshot']}"


def make_bucket(s3: Any, name: str) -> None:
    place = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket=name.removeprefix("s3://"), CreateBucketConfiguration=place)


def allow_plain_http(s3: Any) -> None:
    """moto is asked without TLS, which the policies of the standard deny."""
    for bucket in s3.list_buckets()["Buckets"]:
        s3.delete_bucket_policy(Bucket=bucket["Name"])


def land(s3: Any, folder: Path) -> None:
    """A month of files, in the landing bucket."""
    generate(folder, seed=3, months=1)
    for file in sorted(each for each in folder.rglob("*") if each.is_file()):
        s3.upload_file(str(file), LANDING, file.relative_to(folder).as_posix())


def copy_bucket(s3: Any, source: str, target: str) -> None:
    """As `aws s3 sync` does."""
    bucket, below = source.removeprefix("s3://"), target.removeprefix("s3://").split("/", 1)
    for found in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket).search("Contents[]"):
        key = f"{below[1]}/{found['Key']}"
        s3.copy({"Bucket": bucket, "Key": found["Key"]}, below[0], key)
