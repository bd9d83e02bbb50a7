"""What errors of S3 mean, from their text: three libraries speak to it, and Spark's errors have
no types of their own.

PyArrow: "When reading information for key 'k' in bucket 'b': AWS Error ACCESS_DENIED during
HeadObject operation: ...". s3a: "java.nio.file.AccessDeniedException: s3://b/k: getFileStatus on
...". boto3 names neither bucket nor key, so `about` puts them before.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from data_platform.storage.errors import LakeError

# A refused look at an object may mean that it is not there: only who may list is told so.
_READ = "s3:GetObject on it, and s3:ListBucket on the bucket where it may be gone"
_WRITE = "s3:PutObject on it"
_LIST = "s3:ListBucket on the bucket"
_DELETE = "s3:DeleteObject on it"
_PERMISSIONS = {
    "HeadObject": _READ,
    "GetObject": _READ,
    "PutObject": _WRITE,
    "CreateMultipartUpload": _WRITE,
    "UploadPart": _WRITE,
    "CompleteMultipartUpload": _WRITE,
    "DeleteObject": _DELETE,
    "ListObjectsV2": _LIST,
    "HeadBucket": _LIST,
    "ListMultipartUploads": "s3:ListBucketMultipartUploads on the bucket",
    "AbortMultipartUpload": "s3:AbortMultipartUpload on it",
    # What s3a calls it.
    "getFileStatus": _READ,
    "open": _READ,
    "read": _READ,
    "listObjects": _LIST,
    "PUT": _WRITE,
    "initiate": _WRITE,
    "upload": _WRITE,
    "delete": _DELETE,
}
_DENIED = (
    re.compile(
        r"key '(?P<key>[^']*)' in bucket '(?P<bucket>[^']*)': "
        r"AWS Error ACCESS_DENIED during (?P<operation>\w+) operation"
    ),
    re.compile(
        r"bucket '(?P<bucket>[^']*)'.*?AWS Error ACCESS_DENIED during (?P<operation>\w+) operation"
    ),
    re.compile(
        r"s3://(?P<bucket>[^/\s:]+)/?(?P<key>[^\n]*?): (?:An error occurred "
        r"\((?:AccessDenied|403)\) when calling the|AWS Error ACCESS_DENIED during) "
        r"(?P<operation>\w+) operation"
    ),
    re.compile(
        r"AccessDeniedException: (?:s3a?://(?P<bucket>[^/\s]+)/)?(?P<key>[^\s:]*): "
        r"(?P<operation>[A-Za-z]+)"
    ),
)
_NO_BUCKET = re.compile(
    r"bucket '(?P<bucket>[^']*)'.*?AWS Error NO_SUCH_BUCKET"
    r"|s3a?://(?P<bucket2>[^/\s:]+).*?(?:NoSuchBucket|UnknownStoreException)"
)
_PASSING = re.compile(
    r"AWS Error (SLOW_DOWN|SERVICE_UNAVAILABLE|INTERNAL_FAILURE|REQUEST_TIMEOUT|THROTTLING"
    r"|NETWORK_CONNECTION|UNKNOWN \(HTTP status 5\d\d\))"
    r"|\((SlowDown|ServiceUnavailable|InternalError|RequestTimeout|ThrottlingException|50[0234])\)"
    r"|InternalServiceException"
    r"|Could not connect to the endpoint|Connection was closed before|(Read|Connect) timeout on end"
    r"|AWSServiceThrottledException|AWSServiceIOException|AWSStatus5\d\dException"
    r"|AWSClientIOException|AWSBadRequestException.*RequestTimeout"
    r"|s3a?://\S+.*(SocketTimeout|ConnectTimeout|NoHttpResponse|Connection (reset|refused))"
)


# What a person sees to, by what the three libraries say.
_WAYS_OUT = (
    (
        re.compile(
            r"Could not connect to the endpoint|(Connect|Read) timeout on end"
            r"|AWS Error NETWORK_CONNECTION"
        ),
        "see that the store is up, and that DATA_PLATFORM_AWS_ENDPOINT, if set, is its address",
    ),
    (
        re.compile(
            r"SignatureDoesNotMatch|InvalidAccessKeyId|Unable to locate credentials"
            r"|INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH"
        ),
        "see that the environment (AWS_ACCESS_KEY_ID, AWS_PROFILE ...) or the role of this machine "
        "has credentials that the store knows",
    ),
    (
        re.compile(r"RequestTimeTooSkewed|RequestExpired|REQUEST_TIME_TOO_SKEWED"),
        "set this machine's clock: let it follow a time server (chrony, systemd-timesyncd)",
    ),
)


class StoreError(LakeError):
    """A store refused what was asked of it, or does not answer; the message names the object."""


@contextmanager
def about(uri: str) -> Iterator[None]:
    """Errors of boto3's clients name what they were about. Raises StoreError."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        text = f"{uri}: {error}"
        raise StoreError(explanation(text) or text) from error


def explanation(text: str) -> str | None:
    """What an error means that time does not heal, with the way out; None for other errors."""
    for pattern in _DENIED:
        if found := pattern.search(text):
            return _denied(**found.groupdict())
    if found := _NO_BUCKET.search(text):
        name = found["bucket"] or found["bucket2"]
        return f"s3://{name}: there is no such bucket; make it with `data-platform buckets apply`"
    return None


def way_out(text: str) -> str:
    """What a person who waits for an answer may see to; empty where nothing is known."""
    return next((advice for known, advice in _WAYS_OUT if known.search(text)), "")


def is_passing(text: str) -> bool:
    """Whether the store, or the way to it, had no answer this time."""
    return _PASSING.search(text) is not None


def _denied(operation: str, bucket: str | None = None, key: str | None = None) -> str:
    place = f"s3://{bucket}/{key or ''}" if bucket else f"the object {key}"
    needed = _PERMISSIONS.get(operation, f"the permission for {operation}")
    return (
        f"{place}: access denied; the credentials of this process need {needed} (as their own "
        "policy, the bucket's and that of the encryption key have it)"
    )
