"""What can go wrong with a bucket, each with the bucket's name and the way out."""

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
}
_DENIED = frozenset({"AccessDenied", "403", "Forbidden"})
_WAYS_OUT = {
    "OperationAborted": "another change of it is under way; do it again in a minute",
    "BucketAlreadyExists": "the name is taken by another account; choose another "
    "DATA_PLATFORM_PROJECT",
    "InvalidBucketAclWithObjectOwnership": "its ACL grants access to others; write those grants "
    "as a bucket policy, then `aws s3api put-bucket-acl --acl private --bucket` with its name",
    "CrossLocationLoggingProhibited": "it is in another region than the logs bucket",
}


class BucketError(Exception):
    """A bucket cannot be read or changed; the message names it and the way out."""


class ForeignBucketError(BucketError):
    """A bucket of the standard belongs to another account: names are global."""

    def __init__(self, bucket: str, account: str) -> None:
        super().__init__(
            f"bucket {bucket} belongs to another account than {account}, and bucket names are "
            "global; set DATA_PLATFORM_PROJECT to another name, or use that account's credentials"
        )


def permission(operation: str) -> str:
    """IAM's name for what an S3 operation needs: `PutBucketEncryption` gives
    `s3:PutEncryptionConfiguration`."""
    return f"s3:{_PERMISSIONS.get(operation, operation)}"


def refused(bucket: str, error: ClientError | BotoCoreError) -> BucketError:
    """What S3 answered for `bucket`, as an error that says what is missing."""
    if isinstance(error, BotoCoreError):
        return BucketError(f"bucket {bucket}: S3 gave no answer: {error}")
    operation = error.operation_name
    answer = error.response.get("Error", {})
    code, message = answer.get("Code", ""), answer.get("Message", "")
    if code not in _DENIED:
        way_out = f"; {_WAYS_OUT[code]}" if code in _WAYS_OUT else ""
        return BucketError(f"bucket {bucket}: {operation} failed: {code}: {message}{way_out}")
    hint = ""
    if operation == "PutBucketPolicy":
        hint = ", and no statement of its policy may grant public access"
    return BucketError(f"bucket {bucket}: {operation} needs {permission(operation)}{hint}")
