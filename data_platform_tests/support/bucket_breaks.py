"""What makes a bucket wrong in one respect, and what somebody else set on it."""

import json
from collections.abc import Callable
from typing import Any

from data_platform_tests.support.cloud import Cloud

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

Break = Callable[[Cloud, str], None]


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


def set_versioning(status: str) -> Break:
    def wrong(cloud: Cloud, name: str) -> None:
        cloud.client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": status})

    return wrong


def set_encryption(algorithm: str) -> Break:
    def wrong(cloud: Cloud, name: str) -> None:
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}}
        cloud.client.put_bucket_encryption(
            Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]}
        )

    return wrong


def log_to(target: str, prefix: str = "access/") -> Break:
    def wrong(cloud: Cloud, name: str) -> None:
        enabled = {"TargetBucket": target, "TargetPrefix": prefix}
        cloud.client.put_bucket_logging(
            Bucket=name, BucketLoggingStatus={"LoggingEnabled": enabled}
        )

    return wrong


def add_rule(**actions: Any) -> Break:
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


def tell(*topics: str) -> Break:
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
