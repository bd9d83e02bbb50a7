"""An S3 bucket, or a prefix of one, as a landing bucket."""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from data_platform.landing.places.objects import LandedObject
from data_platform.storage.object_store import SCHEME, ObjectStore, split, why_ambiguous
from data_platform.storage.s3_errors import about


class S3Bucket:
    """`uri` is `s3://bucket` or `s3://bucket/prefix`; keys are relative to it.

    Empty objects whose key ends in a slash are the S3 console's folders, and not listed.
    """

    starts_after = True

    def __init__(self, uri: str, store: ObjectStore) -> None:
        self.name = uri.rstrip("/")
        self._bucket, prefix = split(self.name)
        self._prefix = f"{prefix}/" if prefix else ""
        self._store = store

    def list(self, prefix: str = "", start_after: str | None = None) -> Iterator[LandedObject]:
        pages = self._store.client().get_paginator("list_objects_v2")
        after = {"StartAfter": self._prefix + start_after} if start_after else {}
        listing = pages.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix, **after)
        with about(self.name):
            for found in listing.search("Contents[]"):
                if found:
                    key = found["Key"].removeprefix(self._prefix)
                    modified, etag = found["LastModified"], found["ETag"]
                    if landed := landed_object(key, found["Size"], modified, etag):
                        yield landed

    def head(self, key: str) -> LandedObject | None:
        """The object as it is now; None if there is none."""
        client = self._store.client()
        with about(self.uri(key)):
            try:
                found = client.head_object(Bucket=self._bucket, Key=self._prefix + key)
            except client.exceptions.ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                    return None
                raise
        return landed_object(key, found["ContentLength"], found["LastModified"], found["ETag"])

    def uri(self, key: str) -> str:
        return f"{SCHEME}{self._bucket}/{self._prefix}{key}"

    def content_hash(self, key: str) -> str:
        client = self._store.client()
        try:
            found: Any = client.get_object(Bucket=self._bucket, Key=self._prefix + key)
        except client.exceptions.NoSuchKey as error:
            raise FileNotFoundError(self.uri(key)) from error
        digest = hashlib.sha256()
        for chunk in found["Body"].iter_chunks(1 << 20):
            digest.update(chunk)
        return digest.hexdigest()

    def put(self, key: str, source: Path) -> None:
        """Land a file. The same bytes: no change, if the ETag is their MD5 (not so with KMS)."""
        there = self.head(key)
        with source.open("rb") as stream:
            if there and there.etag == hashlib.file_digest(stream, "md5").hexdigest():
                return
        with about(self.uri(key)), source.open("rb") as stream:
            self._store.client().put_object(
                Bucket=self._bucket, Key=self._prefix + key, Body=stream
            )


def landed_object(key: str, size: int, modified: datetime, etag: str) -> LandedObject | None:
    """The listed object; None for a console's folder, and for the prefix itself."""
    if size == 0 and (not key or key.endswith("/")):
        return None
    # A listing may have fractions of a second, which a HEAD response does not have.
    modified = modified.replace(microsecond=0)
    return LandedObject(key, size, modified, etag.strip('"'), why_ambiguous(key))
