"""What makes a queue wrong in one respect, and what somebody else set on it."""

import json
from collections.abc import Callable
from typing import Any

from data_platform.buckets.standard import QueuePurpose
from data_platform_tests.support.cloud import Cloud

OWN_STATEMENT = {
    "Sid": "SomebodyElses",
    "Effect": "Allow",
    "Principal": {"Service": "events.amazonaws.com"},
    "Action": "sqs:SendMessage",
    "Resource": "*",
    "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}},
}

Break = Callable[[Cloud, QueuePurpose], None]


def set_attributes(**attributes: Any) -> Break:
    """Text as it is, everything else as JSON."""

    def wrong(cloud: Cloud, purpose: QueuePurpose) -> None:
        given = {k: v if isinstance(v, str) else json.dumps(v) for k, v in attributes.items()}
        cloud.sqs.set_queue_attributes(QueueUrl=cloud.queue(purpose).url, Attributes=given)

    return wrong


def change_policy(change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Break:
    """`change` makes new statements of those that are there."""

    def wrong(cloud: Cloud, purpose: QueuePurpose) -> None:
        policy = json.loads(json.dumps(cloud.queue(purpose).policy))
        policy["Statement"] = change(policy["Statement"])
        set_attributes(Policy=policy)(cloud, purpose)

    return wrong


def without_statement(sid: str) -> Break:
    return change_policy(lambda there: [s for s in there if s["Sid"] != sid])


def without_conditions(sid: str) -> Break:
    def change(there: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**s, "Condition": {}} if s["Sid"] == sid else s for s in there]

    return change_policy(change)


def add_statement(**changes: Any) -> Break:
    return change_policy(lambda there: [*there, {**OWN_STATEMENT, **changes}])


def dead_letters_elsewhere(cloud: Cloud, purpose: QueuePurpose) -> None:
    cloud.sqs.create_queue(QueueName="somebody-elses-dead")
    target = cloud.account.regional_arn("sqs", "somebody-elses-dead")
    redrive = {"deadLetterTargetArn": target, "maxReceiveCount": 10}
    set_attributes(RedrivePolicy=redrive)(cloud, purpose)


def few_receives(cloud: Cloud, purpose: QueuePurpose) -> None:
    redrive = {**cloud.queue(purpose).redrive, "maxReceiveCount": 2}
    set_attributes(RedrivePolicy=redrive)(cloud, purpose)


def dead_letters_of(*others: str) -> Break:
    def wrong(cloud: Cloud, purpose: QueuePurpose) -> None:
        arns = [cloud.account.regional_arn("sqs", name) for name in others]
        allowed = {"redrivePermission": "byQueue", "sourceQueueArns": arns}
        set_attributes(RedriveAllowPolicy=allowed)(cloud, purpose)

    return wrong


def untag(cloud: Cloud, purpose: QueuePurpose) -> None:
    cloud.sqs.untag_queue(QueueUrl=cloud.queue(purpose).url, TagKeys=["owner"])


def retag(cloud: Cloud, purpose: QueuePurpose) -> None:
    cloud.sqs.tag_queue(QueueUrl=cloud.queue(purpose).url, Tags={"owner": "somebody else"})
