"""A queue's present configuration, read from SQS into plain values."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from data_platform.buckets.account import Account
from data_platform.buckets.errors import refused

_MISSING = ("NonExistentQueue", "QueueDoesNotExist")


@dataclass(frozen=True, kw_only=True)
class QueueState:
    """A queue's configuration. `managed` says whether SQS encrypts with its own key (SSE-SQS);
    `key` is the KMS key used instead. `visibility` and `retention` are in seconds.
    """

    url: str
    managed: bool = False
    key: str = ""
    visibility: int = 30
    retention: int = 0
    policy: Mapping[str, Any] = field(default_factory=dict)
    redrive: Mapping[str, Any] = field(default_factory=dict)
    redrive_allow: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


def read_queue(client: Any, account: Account, name: str) -> QueueState | None:
    """The queue's configuration, None if it does not exist; BucketError if it may not be read."""
    url = queue_url(client, account, name)
    if not url:
        return None
    try:
        asked = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        tags = client.list_queue_tags(QueueUrl=url).get("Tags", {})
    except (BotoCoreError, ClientError) as error:
        raise refused(name, error, "sqs", account.endpoint) from error
    found = asked["Attributes"]
    return QueueState(
        url=url,
        managed=found.get("SqsManagedSseEnabled") == "true",
        key=found.get("KmsMasterKeyId", ""),
        visibility=int(found["VisibilityTimeout"]),
        retention=int(found["MessageRetentionPeriod"]),
        policy=json.loads(found.get("Policy") or "{}"),
        redrive=json.loads(found.get("RedrivePolicy") or "{}"),
        redrive_allow=json.loads(found.get("RedriveAllowPolicy") or "{}"),
        tags=tags,
    )


def queue_url(client: Any, account: Account, name: str) -> str:
    """The queue's URL, empty if it does not exist; BucketError if that cannot be determined."""
    try:
        return client.get_queue_url(QueueName=name)["QueueUrl"]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code", "").endswith(_MISSING):
            return ""
        raise refused(name, error, "sqs", account.endpoint) from error
    except BotoCoreError as error:
        raise refused(name, error, "sqs", account.endpoint) from error
