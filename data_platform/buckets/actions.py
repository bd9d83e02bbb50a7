"""Changes to a bucket as data: the S3 operation, its arguments, and the equivalent command.

Changes to a queue are in `queue_actions.py`.

S3 replaces a configuration as a whole, so an action's arguments include what others wrote into it.
"""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data_platform.buckets.account import Account
from data_platform.buckets.standard import (
    ACCESS_LOGS,
    LIFECYCLE_ID,
    LOG_DELIVERY_SID,
    TABLE_LIFECYCLE_ID,
    TLS_ONLY_SID,
    BucketSpec,
    Purpose,
    TableTiers,
)
from data_platform.buckets.state import BucketState
from data_platform.buckets.statements import merged, tls_only

US_EAST_1 = "us-east-1"  # the one region for which S3 takes no LocationConstraint
BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
OWNER_ENFORCED = "BucketOwnerEnforced"


@dataclass(frozen=True)
class Action:
    """`operation` is a method of boto3's client of `service`, `request` its arguments; `change`
    says what it does to the bucket or queue `name`."""

    name: str
    change: str
    operation: str
    request: Mapping[str, Any]
    service: str = "s3"

    def command(self, account: Account) -> str:
        """The shell command (AWS CLI) that does the same."""
        tool = "s3api" if self.service == "s3" else self.service
        words = ["aws", tool, self.operation.replace("_", "-"), "--region", account.region]
        if account.endpoint:
            words += ["--endpoint-url", account.endpoint]
        request = json.dumps(self.request, default=lambda value: value.isoformat())
        return shlex.join([*words, "--cli-input-json", request])


def creation(spec: BucketSpec, account: Account) -> Action:
    """Creates the bucket in the account's region."""
    request: dict[str, Any] = {"Bucket": spec.name, "ObjectOwnership": OWNER_ENFORCED}
    if account.region != US_EAST_1:
        request["CreateBucketConfiguration"] = {"LocationConstraint": account.region}
    return Action(spec.name, f"make it in {account.region}", "create_bucket", request)


def deletion(name: str, account: Account) -> Action:
    """Deletes the bucket; S3 refuses while it holds an object."""
    return bucket_action(name, account, "delete it, if it is empty", "delete_bucket")


def versioning(spec: BucketSpec, account: Account, status: str) -> Action:
    """Sets versioning to `status`: `Enabled` or `Suspended`."""
    return bucket_action(
        spec.name,
        account,
        f"versioning {status}",
        "put_bucket_versioning",
        VersioningConfiguration={"Status": status},
    )


def encryption(spec: BucketSpec, account: Account) -> Action:
    """Sets SSE-S3 as the default encryption."""
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    return bucket_action(
        spec.name,
        account,
        "encrypt with SSE-S3",
        "put_bucket_encryption",
        ServerSideEncryptionConfiguration={"Rules": [rule]},
    )


def public_access(spec: BucketSpec, account: Account) -> Action:
    """Sets all four blocks of public access."""
    return bucket_action(
        spec.name,
        account,
        "block public access",
        "put_public_access_block",
        PublicAccessBlockConfiguration=dict.fromkeys(BLOCKS, True),
    )


def ownership(spec: BucketSpec, account: Account) -> Action:
    """Turns ACLs off (BucketOwnerEnforced)."""
    return bucket_action(
        spec.name,
        account,
        "the bucket owner owns every object, without ACLs",
        "put_bucket_ownership_controls",
        OwnershipControls={"Rules": [{"ObjectOwnership": OWNER_ENFORCED}]},
    )


def tags(spec: BucketSpec, state: BucketState, account: Account) -> Action:
    """Sets the cost allocation tags and keeps the others."""
    merged = {**state.tags, **spec.tags}
    return bucket_action(
        spec.name,
        account,
        "set the cost allocation tags",
        "put_bucket_tagging",
        Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in merged.items()]},
    )


def access_logging(spec: BucketSpec, account: Account) -> Action:
    """Sends access logs to the logs bucket."""
    enabled = {
        "TargetBucket": spec.logs,
        "TargetPrefix": ACCESS_LOGS,
        # After the prefix come account, region, bucket and day, which log queries filter by.
        "TargetObjectKeyFormat": {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}},
    }
    return bucket_action(
        spec.name,
        account,
        f"log access to {spec.logs}",
        "put_bucket_logging",
        BucketLoggingStatus={"LoggingEnabled": enabled},
    )


def no_access_logging(spec: BucketSpec, account: Account) -> Action:
    """Turns access logging off."""
    return bucket_action(
        spec.name,
        account,
        "log no access",
        "put_bucket_logging",
        BucketLoggingStatus={},
    )


def lifecycle(
    spec: BucketSpec,
    state: BucketState,
    account: Account,
    *,
    without: Sequence[Mapping[str, Any]] = (),
) -> Action:
    """Sets the standard's lifecycle rules and keeps other people's, except those in `without`."""
    kept = [rule for rule in state.lifecycle if not is_own(spec, rule) and rule not in without]
    rules = [*kept, *lifecycle_rules(spec)]
    request: dict[str, Any] = {"LifecycleConfiguration": {"Rules": rules}}
    if state.minimum_size:
        request["TransitionDefaultMinimumObjectSize"] = state.minimum_size
    removed = ", ".join(str(rule.get("ID")) for rule in without)
    change = f"remove the lifecycle rule {removed}" if without else "set the lifecycle rules"
    operation = "put_bucket_lifecycle_configuration"
    return bucket_action(spec.name, account, change, operation, **request)


def is_own(spec: BucketSpec, rule: Mapping[str, Any]) -> bool:
    """Whether a lifecycle rule is the standard's, by its name; a table's rule counts only if the
    spec knows which tables there are."""
    name = str(rule.get("ID"))
    of_table = spec.tables is not None and name.startswith(TABLE_LIFECYCLE_ID)
    return of_table or name == LIFECYCLE_ID


def lifecycle_rules(spec: BucketSpec) -> list[dict[str, Any]]:
    """The standard's rules in boto3's form: one for the bucket and one for each table in it."""
    return [lifecycle_rule(spec), *(_table_rule(table) for table in spec.tables or ())]


def _table_rule(table: TableTiers) -> dict[str, Any]:
    """Moves objects and never deletes any: only the table knows what it refers to."""
    return {
        "ID": f"{TABLE_LIFECYCLE_ID}{table.table}",
        "Filter": {"Prefix": table.prefix},
        "Status": "Enabled",
        "Transitions": _moves("Days", table.tiers),
    }


def _moves(days: str, tiers: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{days: day, "StorageClass": tier} for tier, day in tiers.items()]


def lifecycle_rule(spec: BucketSpec) -> dict[str, Any]:
    """The standard's lifecycle for all objects of a bucket, as one rule."""
    days = spec.standard.lifecycle
    rule: dict[str, Any] = {
        "ID": LIFECYCLE_ID,
        "Filter": {"Prefix": ""},
        "Status": "Enabled",
        # Without days it only removes delete markers that have no versions left.
        "Expiration": {"Days": days.expire} if days.expire else {"ExpiredObjectDeleteMarker": True},
        "NoncurrentVersionExpiration": {"NoncurrentDays": days.expire_noncurrent},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": days.abort_uploads},
    }
    if days.tiers:
        rule["Transitions"] = _moves("Days", days.tiers)
    if days.noncurrent_tiers:
        rule["NoncurrentVersionTransitions"] = _moves("NoncurrentDays", days.noncurrent_tiers)
    return rule


def policy(spec: BucketSpec, state: BucketState, account: Account) -> Action:
    """Sets the standard's statements in the bucket policy and keeps the others."""
    own = policy_statements(spec, account)
    return bucket_action(
        spec.name,
        account,
        f"set the policy statements {', '.join(own)}",
        "put_bucket_policy",
        Policy=merged(state.policy, own),
    )


def policy_statements(spec: BucketSpec, account: Account) -> dict[str, dict[str, Any]]:
    """The standard's statements of the bucket policy, by Sid."""
    bucket = account.arn(spec.name)
    found: dict[str, dict[str, Any]] = {}
    if spec.purpose is Purpose.LOGS:
        sources = account.arn(f"{spec.project}-*-{spec.environment}")
        found[LOG_DELIVERY_SID] = {
            "Sid": LOG_DELIVERY_SID,
            "Effect": "Allow",
            "Principal": {"Service": "logging.s3.amazonaws.com"},
            "Action": "s3:PutObject",
            "Resource": f"{bucket}/{ACCESS_LOGS}*",
            # The service writes on behalf of every account; without these, anybody's logs.
            "Condition": {
                "StringEquals": {"aws:SourceAccount": account.id},
                "ArnLike": {"aws:SourceArn": sources},
            },
        }
    found[TLS_ONLY_SID] = tls_only("s3", [bucket, f"{bucket}/*"])
    return found


def bucket_action(
    name: str, account: Account, change: str, operation: str, **request: Any
) -> Action:
    """An action on an existing bucket of the account."""
    # If the bucket was deleted and its name taken by another account, S3 refuses.
    owned = {"Bucket": name, "ExpectedBucketOwner": account.id}
    return Action(name, change, operation, {**owned, **request})
