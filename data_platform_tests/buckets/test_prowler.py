"""An outside auditor agrees: prowler's checks of the buckets and queues that `apply` made, and of
wrong ones."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from data_platform.buckets.standard import Purpose, QueuePurpose
from data_platform.settings.model import Environment
from data_platform_tests.support.bucket_breaks import (
    Break,
    add_statement,
    give_objects_to_writers,
    set_versioning,
    without_statement,
)
from data_platform_tests.support.cloud import OTHER_ACCOUNT, REGION, Cloud
from data_platform_tests.support.queue_breaks import Break as QueueBreak
from data_platform_tests.support.queue_breaks import add_statement as add_queue_statement
from data_platform_tests.support.queue_breaks import set_attributes

pytestmark = pytest.mark.timeout(900)  # it reads every bucket for every check, on two cores

Findings = Mapping[tuple[str, str], str]
"""Status (PASS, FAIL) by check and bucket or queue."""

# In what prowler says of each check that it makes, whether or not there is something to look at.
CHECK_ID = re.compile(r"^Check ID: (\w+)", re.MULTILINE)


def unencrypted(cloud: Cloud, name: str) -> None:
    cloud.client.delete_bucket_encryption(Bucket=name)


def unblocked(cloud: Cloud, name: str) -> None:
    cloud.client.delete_public_access_block(Bucket=name)


def forever(cloud: Cloud, name: str) -> None:
    cloud.client.delete_bucket_lifecycle(Bucket=name)


def unlogged(cloud: Cloud, name: str) -> None:
    cloud.client.put_bucket_logging(Bucket=name, BucketLoggingStatus={})


def without_tls(cloud: Cloud, name: str) -> None:
    without_statement(cloud, name, "DataPlatformTlsOnly")


def allow(principal: str, action: str) -> Break:
    def wrong(cloud: Cloud, name: str) -> None:
        unblocked(cloud, name)
        resource = cloud.account.arn(f"{name}/*")
        statement = {"Effect": "Allow", "Action": action, "Resource": resource, "Sid": "Wrong"}
        add_statement(cloud, name, {**statement, "Principal": {"AWS": principal}})

    return wrong


def granted_to_all(grant: str) -> Break:
    def wrong(cloud: Cloud, name: str) -> None:
        unblocked(cloud, name)
        give_objects_to_writers(cloud, name)
        everybody = 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'
        cloud.client.put_bucket_acl(Bucket=name, **{grant: everybody})

    return wrong


# What the standard covers, and what makes a bucket wrong in that respect.
COVERED: Mapping[str, Break] = {
    "s3_bucket_acl_prohibited": give_objects_to_writers,
    "s3_bucket_cross_account_access": allow(OTHER_ACCOUNT, "s3:GetObject"),
    "s3_bucket_default_encryption": unencrypted,
    "s3_bucket_level_public_access_block": unblocked,
    "s3_bucket_lifecycle_enabled": forever,
    "s3_bucket_object_versioning": set_versioning("Suspended"),
    "s3_bucket_policy_public_write_access": allow("*", "s3:PutObject"),
    "s3_bucket_public_access": allow("*", "s3:GetObject"),
    "s3_bucket_public_list_acl": granted_to_all("GrantRead"),
    "s3_bucket_public_write_acl": granted_to_all("GrantWrite"),
    "s3_bucket_secure_transport_policy": without_tls,
    "s3_bucket_server_access_logging_enabled": unlogged,
}

QUEUES_COVERED: Mapping[str, QueueBreak] = {
    "sqs_queues_not_publicly_accessible": add_queue_statement(Principal="*", Condition={}),
    "sqs_queues_server_side_encryption_enabled": set_attributes(SqsManagedSseEnabled="false"),
}

NOT_COVERED = {
    "s3_access_point_public_access_block": "the platform has no access points",
    "s3_account_level_public_access_blocks": "the account is not one project's to configure",
    "s3_bucket_cross_region_replication": "a copy elsewhere is a choice of cost and of law; what "
    "is lost in a region is landed, and built, again",
    "s3_bucket_event_notifications_enabled": "only landing has somebody to tell",
    "s3_bucket_kms_encryption": "SSE-S3 is the least that the standard asks for; SSE-KMS may stand "
    "in for it, and log delivery cannot write to it",
    "s3_bucket_no_mfa_delete": "only the root user can switch it on, and nobody could clean then",
    "s3_bucket_object_lock": "tables are cleaned and old versions expire: locked ones cannot be; "
    "versions are kept instead",
    "s3_bucket_object_public": "ACLs of objects mean nothing where the owner is enforced, which "
    "s3_bucket_acl_prohibited looks at",
    "s3_bucket_shadow_resource_vulnerability": "about names that other AWS services make up",
    "s3_multi_region_access_point_public_access_block": "the platform has no access points",
}

# Where the standard says otherwise for a purpose.
EXCEPTIONS = {
    ("s3_bucket_object_versioning", Purpose.LOGS): "written once by the service, gone in 90 days",
    ("s3_bucket_object_versioning", Purpose.TEMP): "intermediate work, gone in 7 days",
    ("s3_bucket_server_access_logging_enabled", Purpose.LOGS): "into itself it would never end",
}

# Every wrong bucket is one of its own, in an environment where the others are as they should be.
WRONG_ENVIRONMENTS = (Environment.LOCAL, Environment.STAGING, Environment.PROD)


@dataclass(frozen=True)
class Account:
    """`right` buckets and `queues` are as applied; `wrong` ones break the check that they stand
    under."""

    endpoint: str
    right: Mapping[Purpose, str]
    queues: tuple[str, ...]
    wrong: Mapping[str, str]


@pytest.fixture(scope="module")
def account(standing: Cloud) -> Account:
    others = [
        replace(standing, settings=replace(standing.settings, environment=environment))
        for environment in WRONG_ENVIRONMENTS
    ]
    for cloud in others:
        cloud.apply()
    places = [
        (cloud, spec.name)
        for cloud in others
        for spec in cloud.specs
        if spec.purpose is not Purpose.LOGS
    ]
    wrong = {}
    for (check, break_), (cloud, name) in zip(COVERED.items(), places, strict=True):
        break_(cloud, name)
        wrong[check] = name
    for (check, break_), cloud in zip(QUEUES_COVERED.items(), others, strict=False):
        break_(cloud, QueuePurpose.ARRIVALS)
        wrong[check] = cloud.name(QueuePurpose.ARRIVALS)
    right = {spec.purpose: spec.name for spec in standing.specs}
    queues = tuple(spec.name for spec in standing.queues)
    return Account(standing.account.endpoint, right, queues, wrong)


@dataclass(frozen=True)
class Audit:
    """The checks that prowler has of the services, and what they found."""

    checks: frozenset[str]
    findings: Findings


@pytest.fixture(scope="module")
def audit(
    account: Account, auditor: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Audit:
    """In one run: prowler takes most of its time to start."""
    folder = tmp_path_factory.mktemp("prowler")
    options = ["--services", "s3", "sqs", "--region", REGION, "--ignore-exit-code-3", "--no-banner"]
    output = ["--output-formats", "json-ocsf", "--output-directory", str(folder)]
    output += ["--output-filename", "found", "--verbose"]
    done = prowler(auditor, [*options, *output], account, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((folder / "found.ocsf.json").read_text("utf-8"))
    findings = {
        (each["metadata"]["event_code"], _name(each["resources"][0]["name"])): each["status_code"]
        for each in found
    }
    return Audit(frozenset(CHECK_ID.findall(done.stdout)), findings)


@pytest.fixture(scope="module")
def findings(audit: Audit) -> Findings:
    return audit.findings


def _name(resource: str) -> str:
    """A bucket's, or the end of a queue's URL."""
    return resource.rpartition("/")[2]


def prowler(
    auditor: Callable[[str], Path], options: list[str], account: Account, home: Path
) -> "subprocess.CompletedProcess[str]":
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AWS_ENDPOINT_URL": account.endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
    }
    command = [str(auditor("prowler")), "aws", *options]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, cwd=home)


def test_every_check_is_covered_or_not_for_a_reason(audit: Audit) -> None:
    assert sorted(audit.checks) == sorted({*COVERED, *QUEUES_COVERED, *NOT_COVERED})


@pytest.mark.parametrize("check", COVERED)
def test_what_apply_made_passes(findings: Findings, account: Account, check: str) -> None:
    for purpose, name in account.right.items():
        expected = "FAIL" if (check, purpose) in EXCEPTIONS else "PASS"
        assert findings[check, name] == expected, name


@pytest.mark.parametrize("check", QUEUES_COVERED)
def test_the_queues_that_apply_made_pass(findings: Findings, account: Account, check: str) -> None:
    assert [findings[check, name] for name in account.queues] == ["PASS", "PASS"]


@pytest.mark.parametrize("check", [*COVERED, *QUEUES_COVERED])
def test_a_bucket_or_queue_that_is_wrong_in_that_respect_fails(
    findings: Findings, account: Account, check: str
) -> None:
    assert findings[check, account.wrong[check]] == "FAIL"
