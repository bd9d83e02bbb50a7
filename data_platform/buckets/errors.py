"""Errors of buckets and queues: each names the bucket or queue and says what to do."""

from botocore.exceptions import BotoCoreError, ClientError

# IAM's names where they differ from the operation's.
_PERMISSIONS = {
    "HeadBucket": "ListBucket",
    "ListBuckets": "ListAllMyBuckets",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
}
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "403", "Forbidden"})
_WAYS_OUT = {
    "OperationAborted": "another change of it is under way; try again in a minute",
    "BucketAlreadyExists": "the name is taken by another account; choose another "
    "DATA_PLATFORM_PROJECT",
    "InvalidBucketAclWithObjectOwnership": "its ACL grants access to others; write those grants "
    "as a bucket policy, then `aws s3api put-bucket-acl --acl private --bucket` with its name",
    "CrossLocationLoggingProhibited": "it is in another region than the logs bucket",
    "QueueDeletedRecently": "SQS frees a deleted queue's name after a minute: try again then",
}
_UNTOLD = (
    "; a queue, topic or function in it is not there, is in another region than the bucket, or "
    "does not let S3 send, or its KMS key does not let S3 encrypt; a queue's new policy counts "
    "after a minute at most: try again then"
)
_UNKNOWN_DEAD = "Dead letter target does not exist"
_UNSETTLED = "; SQS takes a moment to know a queue that was just made: try again in a minute"
_KINDS = {"s3": ("bucket", "S3"), "sqs": ("queue", "SQS")}


class BucketError(Exception):
    """A bucket or queue cannot be read or changed; the message names it and says what to do."""


class ForeignBucketError(BucketError):
    """Another account has a bucket with a name of the standard: bucket names are global."""

    def __init__(self, bucket: str, account: str) -> None:
        super().__init__(
            f"bucket {bucket} belongs to another account than {account}, and bucket names are "
            "global; set DATA_PLATFORM_PROJECT to another name, or use that account's credentials"
        )


def permission(operation: str, service: str = "s3") -> str:
    """The IAM permission that an operation needs: `s3:PutEncryptionConfiguration` for
    `PutBucketEncryption`."""
    return f"{service}:{_PERMISSIONS.get(operation, operation)}"


def lacking(service: str, endpoint: str) -> str:
    """A hint to add to an error: an `endpoint` that is not AWS's may lack the service."""
    if not endpoint:
        return ""
    return (
        f"; does {endpoint} (DATA_PLATFORM_AWS_ENDPOINT) have {service}? The standard asks for S3, "
        "SQS and STS's GetCallerIdentity at one address"
    )


def refused(
    name: str, error: ClientError | BotoCoreError, service: str = "s3", endpoint: str = ""
) -> BucketError:
    """The service's error for a bucket or queue, with the missing permission or what to do.

    `endpoint` is named if it is not AWS's and may lack the service.
    """
    kind, called = _KINDS[service]
    if isinstance(error, BotoCoreError):
        return BucketError(f"{kind} {name}: {called} gave no answer: {error}")
    operation = error.operation_name
    answer = error.response.get("Error", {})
    code, message = answer.get("Code", ""), answer.get("Message", "")
    if code not in _DENIED:
        short = code.rpartition(".")[2]  # SQS: AWS.SimpleQueueService.QueueDeletedRecently
        way_out = f"; {_WAYS_OUT[short]}" if short in _WAYS_OUT else ""
        if (operation, code) == ("PutBucketNotificationConfiguration", "InvalidArgument"):
            way_out = _UNTOLD
        elif _UNKNOWN_DEAD in message:
            way_out = _UNSETTLED
        way_out += lacking(called, endpoint)
        return BucketError(f"{kind} {name}: {operation} failed: {code}: {message}{way_out}")
    hint = ""
    if operation == "PutBucketPolicy":
        hint = ", and no statement of its policy may grant public access"
    return BucketError(f"{kind} {name}: {operation} needs {permission(operation, service)}{hint}")
