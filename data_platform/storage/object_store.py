"""How to connect to S3, as one value without credentials.

Credentials come from where AWS's own tools look for them, on each machine: the environment, a
role of the pod or of the instance. Python workers import this module.
"""

import datetime as dt
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from pyarrow import fs

from data_platform.storage.s3_errors import about

SCHEME = "s3://"
_TRIED = "may-be-written"  # the key of an object that is never made


@dataclass(frozen=True)
class ObjectStore:
    """A region, and the endpoint of a store that is not AWS's own (`http://127.0.0.1:9000`).

    A request is tried `attempts` times, with backoff and jitter, so that half a minute of refusals
    does not fail a run.
    """

    region: str = ""
    endpoint: str = ""
    attempts: int = 8

    def filesystem(self) -> fs.S3FileSystem:
        """PyArrow's file system; its paths are those of `path_of`."""
        return _filesystem(self)

    def client(self) -> Any:
        """boto3's client, for operations that PyArrow lacks."""
        return _client(self)

    def time(self, uri: str) -> dt.datetime:
        """The store's time, to a second, as a listing of the place's first key says it.

        Raises StoreError if the place cannot be listed.
        """
        bucket, prefix = split(uri)
        with about(uri):
            found = self.client().list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)
        return parsedate_to_datetime(found["ResponseMetadata"]["HTTPHeaders"]["date"])

    def require_writable(self, uri: str) -> None:
        """Begin an upload of an object below the place and abort it, which leaves nothing.

        Raises StoreError if objects cannot be written there.
        """
        bucket, prefix = split(uri)
        key = f"{prefix.rstrip('/')}/{_TRIED}".lstrip("/")
        with about(f"{SCHEME}{bucket}/{key}"):
            begun = self.client().create_multipart_upload(Bucket=bucket, Key=key)
            upload = begun["UploadId"]
            self.client().abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)


def is_object(uri: str) -> bool:
    return uri.startswith(SCHEME)


def split(uri: str) -> tuple[str, str]:
    """`s3://bucket/a/key` -> `bucket`, `a/key`."""
    bucket, _, key = uri.removeprefix(SCHEME).partition("/")
    return bucket, key


class AmbiguousKey(ValueError):
    """A key that a client would resolve to another object."""


def why_ambiguous(key: str) -> str | None:
    """Why PyArrow would not read exactly this key; None if it would.

    Its HTTP client resolves the parts `.` and `..` as a path's, so that `a/./b` gives the bytes of
    `a/b`; and its file system knows no empty part. Nor do file systems that stand in for a bucket.
    """
    if not {"", ".", ".."} & set(key.split("/")):
        return None
    return (
        f"its key {key!r} has a part between slashes that is empty, '.' or '..', which readers "
        "take for another key's; copy it to a key without"
    )


def path_of(uri: str) -> str:
    """What PyArrow is to be given: `s3://bucket/a/key` -> `bucket/a/key`. Raises AmbiguousKey."""
    bucket, key = split(uri)
    if not key:
        return bucket
    if why := why_ambiguous(key):
        raise AmbiguousKey(f"{uri}: {why}")
    return f"{bucket}/{key}"


@lru_cache
def _filesystem(store: ObjectStore) -> fs.S3FileSystem:
    endpoint = urlsplit(store.endpoint)
    return fs.S3FileSystem(
        region=store.region or None,
        scheme=endpoint.scheme or "https",
        endpoint_override=endpoint.netloc or None,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=store.attempts),
        # A small file is then one request, instead of the three of a multipart upload.
        allow_delayed_open=True,
    )


@lru_cache
def _client(store: ObjectStore) -> Any:
    import boto3  # slow to import, and most tasks need none
    from botocore.config import Config

    # A bucket's name in front of an emulator's host would have to be resolved.
    style = {"addressing_style": "path" if store.endpoint else "auto"}
    retries: Any = {"mode": "standard", "max_attempts": store.attempts}
    config = Config(retries=retries, s3=style, connect_timeout=5, read_timeout=30)
    return boto3.Session().client(
        "s3",
        region_name=store.region or None,
        endpoint_url=store.endpoint or None,
        config=config,
    )
