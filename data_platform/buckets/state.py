"""A bucket's present configuration, read from S3 into plain values."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from data_platform.buckets.account import Account
from data_platform.buckets.errors import ForeignBucketError, refused

# S3's error codes for configurations that were never set.
_UNSET = frozenset(
    {
        "NoSuchLifecycleConfiguration",
        "ServerSideEncryptionConfigurationNotFoundError",
        "NoSuchBucketPolicy",
        "NoSuchPublicAccessBlockConfiguration",
        "OwnershipControlsNotFoundError",
        "NoSuchTagSet",
    }
)


@dataclass(frozen=True, kw_only=True)
class BucketState:
    """A bucket's configuration; without arguments, that of a bucket where nothing is set.

    `versioning` is `Enabled`, `Suspended` or empty, `encryption` the algorithm of the default
    encryption (`AES256`, `aws:kms`). Lifecycle rules are in boto3's form, each with a `Filter`;
    `minimum_size` says which objects are too small to move between storage classes. `logging` is
    S3's `LoggingEnabled`, `notifications` the whole notification configuration.
    """

    versioning: str = ""
    lifecycle: tuple[Mapping[str, Any], ...] = ()
    minimum_size: str = ""
    encryption: str = ""
    policy: Mapping[str, Any] = field(default_factory=dict)
    public_access: Mapping[str, bool] = field(default_factory=dict)
    ownership: str = ""
    logging: Mapping[str, Any] = field(default_factory=dict)
    notifications: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


def list_buckets(client: Any, prefix: str) -> list[str]:
    """The names of the account's own buckets that start with `prefix`, sorted."""
    try:
        pages = client.get_paginator("list_buckets").paginate(Prefix=prefix)
        names = [bucket["Name"] for page in pages for bucket in page.get("Buckets", ())]
    except (BotoCoreError, ClientError) as error:
        raise refused(f"{prefix}*", error) from error
    return sorted(name for name in names if name.startswith(prefix))


def require_unowned(client: Any, account: Account, name: str) -> None:
    """Raises ForeignBucketError if another account's bucket has the name."""
    try:
        client.head_bucket(Bucket=name)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in ("404", "NoSuchBucket"):
            return
    except BotoCoreError as error:
        raise refused(name, error) from error
    raise ForeignBucketError(name, account.id)


def read_state(client: Any, account: Account, name: str) -> BucketState:
    """The configuration of an existing bucket; BucketError if it may not be read."""

    def get(operation: Callable[..., Mapping[str, Any]]) -> Mapping[str, Any]:
        try:
            return operation(Bucket=name, ExpectedBucketOwner=account.id)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _UNSET:
                return {}
            raise refused(name, error) from error
        except BotoCoreError as error:
            raise refused(name, error) from error

    lifecycle = get(client.get_bucket_lifecycle_configuration)
    policy = get(client.get_bucket_policy).get("Policy")
    ownership = get(client.get_bucket_ownership_controls).get("OwnershipControls", {})
    tags = get(client.get_bucket_tagging).get("TagSet", ())
    notifications = get(client.get_bucket_notification_configuration)
    blocks = get(client.get_public_access_block).get("PublicAccessBlockConfiguration", {})
    return BucketState(
        versioning=get(client.get_bucket_versioning).get("Status", ""),
        lifecycle=tuple(_with_filter(rule) for rule in lifecycle.get("Rules", ())),
        minimum_size=lifecycle.get("TransitionDefaultMinimumObjectSize", ""),
        encryption=next(_algorithms(get(client.get_bucket_encryption)), ""),
        policy=json.loads(policy) if policy else {},
        public_access=blocks,
        ownership=next((rule["ObjectOwnership"] for rule in ownership.get("Rules", ())), ""),
        logging=get(client.get_bucket_logging).get("LoggingEnabled", {}),
        notifications={k: v for k, v in notifications.items() if k != "ResponseMetadata"},
        tags={tag["Key"]: tag["Value"] for tag in tags},
    )


def _algorithms(encryption: Mapping[str, Any]) -> Iterator[str]:
    for rule in encryption.get("ServerSideEncryptionConfiguration", {}).get("Rules", ()):
        if default := rule.get("ApplyServerSideEncryptionByDefault"):
            yield default["SSEAlgorithm"]


def _with_filter(rule: Mapping[str, Any]) -> dict[str, Any]:
    """The rule in the present form: S3 does not store rules of the old form (`Prefix` without
    `Filter`) with new ones."""
    prefix = rule.get("Prefix", "")
    rest = {name: value for name, value in rule.items() if name != "Prefix"}
    return {**rest, "Filter": rule.get("Filter") or {"Prefix": prefix}}
