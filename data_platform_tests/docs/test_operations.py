"""The runbook's commands do what they are there for: all of them, in their order, on stand-ins.

moto is AWS; PostgreSQL is itself. What `aws`, `kubectl` and `helm` are asked for is not run.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import pytest

from data_platform.demo.generator import generate
from data_platform_tests.support.cloud import PROJECT, REGION
from data_platform_tests.support.databases import Databases
from data_platform_tests.support.pages import blocks

pytestmark = [pytest.mark.system, pytest.mark.integration, pytest.mark.timeout(900)]

PAGE = "docs/operations.md"
LANDING = f"{PROJECT}-raw-landing-prod"
NOT_RUN = frozenset({"aws", "helm", "kubectl"})
# Exit code 3: the files have an unreadable one, and a day that is held back.
_MAIN = "from data_platform.cli.main import main; main()"
DECISIONS = frozenset({"run"})


@dataclass
class Shell:
    """Runs commands one after the other; `export` lasts, as in a shell."""

    folder: Path
    given: dict[str, str]
    instead: dict[str, str]  # of the page's values
    exported: dict[str, str] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)

    def run(self, program: str, *arguments: str) -> str:
        if program == "export":
            named = dict(each.split("=", 1) for each in arguments)
            self.exported |= {name: self.instead.get(v, v) for name, v in named.items()}
        elif program == "data-platform":
            return self.ask(*arguments)
        else:
            assert program in NOT_RUN, program
        return ""

    def ask(self, *arguments: str) -> str:
        """The output of `data-platform`."""
        done = subprocess.run(
            [sys.executable, "-c", _MAIN, *arguments],
            cwd=self.folder,
            env={**os.environ, **self.given, **self.exported},
            capture_output=True,
            text=True,
            check=False,
        )
        expected = {0, 3} if arguments[0] in DECISIONS else {0}
        said = f"{done.stdout}\n{done.stderr}"
        assert done.returncode in expected, f"{shlex.join(arguments)}:\n{said}"
        assert said.strip(), f"{shlex.join(arguments)} said nothing"
        self.ran.append(shlex.join(arguments))
        return done.stdout


def commands() -> Iterator[list[str]]:
    for block in blocks(PAGE):
        for line in block.text.splitlines():
            yield shlex.split(line.removeprefix("$ "))


@pytest.fixture
def shell(tmp_path: Path, moto_endpoint: str, databases: Databases) -> Shell:
    """On an account whose Secrets Manager has the database's password, with two databases."""
    secrets = boto3.client("secretsmanager", endpoint_url=moto_endpoint, region_name=REGION)
    password = json.dumps({"password": os.environ["PGPASSWORD"]})
    secrets.create_secret(Name="acme/prod/db", SecretString=password)
    server, queue = "postgresql://platform@db.prod.internal", f"{PROJECT}-arrivals-prod"
    instead = {
        f"{server}/{PROJECT}": databases.empty(),
        f"{server}/restored": databases.empty(),
        f"https://sqs.{REGION}.amazonaws.com/123456789012/{queue}": (
            f"{moto_endpoint}/123456789012/{queue}"
        ),
        "/var/lib/data-platform": str(tmp_path / "home"),
        "/var/lib/restored": str(tmp_path / "restored"),
    }
    given = {
        "DATA_PLATFORM_AWS_ENDPOINT": moto_endpoint,
        "AWS_ENDPOINT_URL": moto_endpoint,
        "PGPASSWORD": "",
    }
    s3 = boto3.client("s3", endpoint_url=moto_endpoint, region_name=REGION)
    for bucket in ("backups", "rehearsal"):  # beside those of the standard
        place = {"LocationConstraint": REGION}
        s3.create_bucket(Bucket=f"{bucket}-of-{PROJECT}", CreateBucketConfiguration=place)
    return Shell(tmp_path, given, instead)


def test_the_runbooks_commands_work_in_their_order(shell: Shell, tmp_path: Path) -> None:
    landed = False
    for program, *arguments in commands():
        if program == "aws" and arguments[:2] == ["s3", "sync"]:
            copy_bucket(shell, *arguments[2:])
        if program == "aws" and arguments[:2] == ["s3", "cp"]:
            allow_plain_http(shell)
            land(shell, tmp_path / "files")
            landed = True
        if arguments == ["doctor"]:
            allow_plain_http(shell)  # it asks whether it may write
        audits = [program, *arguments] == ["data-platform", "buckets", "audit"]
        if landed and audits:
            shell.ask("buckets", "apply")  # the policies again
        if "--to" in arguments:
            table, partition = arguments[1], arguments[arguments.index("--partition") + 1]
            shell.ask("run", table, "--partition", partition)
            history = json.loads(shell.ask("history", table, "--partition", partition, "--json"))
            arguments[arguments.index("--to") + 1] = history[-1]["snapshot"]
        shell.run(program, *arguments)
        if landed and audits:
            allow_plain_http(shell)
    assert landed
    assert len(shell.ran) > 20


def allow_plain_http(shell: Shell) -> None:
    """moto is asked without TLS, which the policies of the standard deny."""
    s3 = boto3.client("s3", endpoint_url=shell.given["AWS_ENDPOINT_URL"], region_name=REGION)
    for bucket in s3.list_buckets()["Buckets"]:
        s3.delete_bucket_policy(Bucket=bucket["Name"])


def land(shell: Shell, folder: Path) -> None:
    """A month of files, in the landing bucket."""
    generate(folder, seed=3, months=1)
    s3 = boto3.client("s3", endpoint_url=shell.given["AWS_ENDPOINT_URL"], region_name=REGION)
    for file in sorted(each for each in folder.rglob("*") if each.is_file()):
        s3.upload_file(str(file), LANDING, file.relative_to(folder).as_posix())


def copy_bucket(shell: Shell, source: str, target: str) -> None:
    """As `aws s3 sync` does."""
    s3 = boto3.client("s3", endpoint_url=shell.given["AWS_ENDPOINT_URL"], region_name=REGION)
    bucket, below = source.removeprefix("s3://"), target.removeprefix("s3://").split("/", 1)
    for found in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket).search("Contents[]"):
        key = f"{below[1]}/{found['Key']}"
        s3.copy({"Bucket": bucket, "Key": found["Key"]}, below[0], key)
