"""An account with buckets, as tests use it, and what makes a bucket wrong in one respect."""

import json
import shlex
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3

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
OWN_RULE = {
    "ID": "somebody-elses",
    "Filter": {"Prefix": "reports/"},
    "Status": "Enabled",
    "NoncurrentVersionExpiration": {"NoncurrentDays": 3},
}
OWN_STATEMENT = {
    "Sid": "SomebodyElses",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:DeleteBucket",
    "Resource": "*",
}


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


def without_statement(cloud: Cloud, name: str, sid: str) -> None:
    policy = dict(cloud.state(name).policy)
    policy["Statement"] = [s for s in policy["Statement"] if s["Sid"] != sid]
    if policy["Statement"]:
        cloud.client.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))
    else:
        cloud.client.delete_bucket_policy(Bucket=name)


def add_statement(cloud: Cloud, name: str, statement: dict[str, Any]) -> None:
    policy = dict(cloud.state(name).policy) or {"Version": "2012-10-17", "Statement": []}
    policy["Statement"] = [*policy["Statement"], statement]
    cloud.client.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))


def add_lifecycle_rule(cloud: Cloud, name: str, rule: dict[str, Any]) -> None:
    rules = [*cloud.state(name).lifecycle, rule]
    cloud.client.put_bucket_lifecycle_configuration(
        Bucket=name, LifecycleConfiguration={"Rules": rules}
    )


def set_versioning(status: str) -> "Break":
    def wrong(cloud: Cloud, name: str) -> None:
        cloud.client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": status})

    return wrong


def set_encryption(algorithm: str) -> "Break":
    def wrong(cloud: Cloud, name: str) -> None:
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}}
        cloud.client.put_bucket_encryption(
            Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]}
        )

    return wrong


def log_to(target: str, prefix: str = "access/") -> "Break":
    def wrong(cloud: Cloud, name: str) -> None:
        enabled = {"TargetBucket": target, "TargetPrefix": prefix}
        cloud.client.put_bucket_logging(
            Bucket=name, BucketLoggingStatus={"LoggingEnabled": enabled}
        )

    return wrong


def add_rule(**actions: Any) -> "Break":
    def wrong(cloud: Cloud, name: str) -> None:
        rule = {"ID": "somebody-elses", "Filter": {"Prefix": ""}, "Status": "Enabled", **actions}
        add_lifecycle_rule(cloud, name, rule)

    return wrong


def change_own_rule(cloud: Cloud, name: str) -> None:
    """The standard's rule by name, deleting what it should keep."""
    [rule] = cloud.state(name).lifecycle
    changed = {**rule, "Expiration": {"Days": 1}, "Transitions": []}
    cloud.client.put_bucket_lifecycle_configuration(
        Bucket=name, LifecycleConfiguration={"Rules": [changed]}
    )


def let_everybody_log(cloud: Cloud, name: str) -> None:
    """The service may write for any account's buckets."""
    policy = json.loads(json.dumps(cloud.state(name).policy))
    for statement in policy["Statement"]:
        if statement["Effect"] == "Allow":
            del statement["Condition"]
    cloud.client.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))


def open_half(cloud: Cloud, name: str) -> None:
    blocks = {"BlockPublicAcls": True, "IgnorePublicAcls": True}
    blocks |= {"BlockPublicPolicy": False, "RestrictPublicBuckets": False}
    cloud.client.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=blocks)


def give_objects_to_writers(cloud: Cloud, name: str) -> None:
    cloud.client.put_bucket_ownership_controls(
        Bucket=name, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    )


def tell(*topics: str) -> "Break":
    """These are told of what lands, and nobody else."""

    def wrong(cloud: Cloud, name: str) -> None:
        told = [
            {
                "Id": topic,
                "TopicArn": cloud.account.regional_arn("sns", topic),
                "Events": ["s3:ObjectCreated:*"],
            }
            for topic in topics
        ]
        cloud.client.put_bucket_notification_configuration(
            Bucket=name, NotificationConfiguration={"TopicConfigurations": told}
        )

    return wrong


def retag(cloud: Cloud, name: str) -> None:
    tags = {**cloud.state(name).tags, "purpose": "something else"}
    tag_set = [{"Key": key, "Value": value} for key, value in tags.items()]
    cloud.client.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tag_set})


Break = Callable[[Cloud, str], None]
