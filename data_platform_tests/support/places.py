"""Where files live in a test: a directory, or a bucket of a real store."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from data_platform.engine.connect import store_variables
from data_platform.settings.environment import export
from data_platform.storage.files import Storage
from data_platform.storage.object_store import ObjectStore, is_object, split
from tools.servers import S3Server

# For tests that take long: what the stores differ in, the others show.
SOME_PLACES = ("directory", "versitygw", pytest.param("minio", marks=pytest.mark.soak))
# For tests that take longest, and have shorter ones beside them in a directory.
A_BUCKET = (
    "versitygw",
    *(pytest.param(place, marks=pytest.mark.soak) for place in ("directory", "minio")),
)


@dataclass(frozen=True)
class Place:
    """`root` is the URI of a directory or of a bucket, empty at first."""

    root: str
    store: ObjectStore = field(default_factory=ObjectStore)

    @classmethod
    def directory(cls, path: Path) -> "Place":
        return cls(f"file://{path}")

    @classmethod
    def bucket(cls, server: S3Server) -> "Place":
        """A new bucket there."""
        store = ObjectStore(server.region, server.endpoint)
        name = f"test-{uuid.uuid4().hex[:12]}"
        store.client().create_bucket(Bucket=name)
        return cls(f"s3://{name}", store)

    @property
    def storage(self) -> Storage:
        return Storage(store=self.store)

    def tell(self, spark: SparkSession) -> None:
        """Where the bucket is: a deployment's session has one endpoint, that of the tests many."""
        if is_object(self.root):
            bucket, _ = split(self.root)
            spark.conf.set(f"fs.s3a.bucket.{bucket}.endpoint", self.store.endpoint)
            export(**store_variables(self.store.region, self.store.endpoint))

    @property
    def settings(self) -> dict[str, Any]:
        """What differs from `settings_at` there."""
        here = {"landing_uri": f"{self.root}/landing", "warehouse_uri": f"{self.root}/warehouse"}
        cloud = {"aws_region": self.store.region, "aws_endpoint": self.store.endpoint}
        return here | (cloud if is_object(self.root) else {})

    @property
    def catalog(self) -> dict[str, str]:
        """What a catalog must know of it."""
        if not is_object(self.root):
            return {}
        return {"s3.region": self.store.region, "s3.endpoint": self.store.endpoint}

    @property
    def environment(self) -> dict[str, str]:
        """The settings, as a process of the platform is told them."""
        names = {"landing_uri": "LANDING", "warehouse_uri": "WAREHOUSE"}
        return {
            f"DATA_PLATFORM_{names.get(name, name.upper())}": value
            for name, value in self.settings.items()
        }

    def read(self, uri: str) -> bytes:
        if is_object(uri):
            bucket, key = split(uri)
            return self.store.client().get_object(Bucket=bucket, Key=key)["Body"].read()
        return _path(uri).read_bytes()

    def write(self, uri: str, content: bytes) -> None:
        if is_object(uri):
            bucket, key = split(uri)
            self.store.client().put_object(Bucket=bucket, Key=key, Body=content)
            return
        _path(uri).parent.mkdir(parents=True, exist_ok=True)
        _path(uri).write_bytes(content)

    def delete(self, uri: str) -> None:
        if is_object(uri):
            bucket, key = split(uri)
            self.store.client().delete_object(Bucket=bucket, Key=key)
        else:
            _path(uri).unlink()

    def save(self, before: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
        """Everything that is there, to be restored. What a bucket had `before` is not read again:
        objects are never written twice, and appear when they are complete."""
        known = before if before and is_object(self.root) else {}
        return {uri: known[uri] if uri in known else self.read(uri) for uri in self.files()}

    def restore(self, saved: Mapping[str, bytes]) -> None:
        present = self.files()
        for uri in present - saved.keys():
            self.delete(uri)
        kept = present if is_object(self.root) else set()  # a file may be there in part
        for uri in saved.keys() - kept:
            self.write(uri, saved[uri])

    def files(self, below: str = "") -> set[str]:
        """The URIs of all files there."""
        return {file.path for file in self.storage.files(self.root + below)}


def _path(uri: str) -> Path:
    return Path(uri.removeprefix("file://"))


def place_of(request: pytest.FixtureRequest, kind: str, directory: Path) -> Place:
    """`directory`, or a new bucket of the store whose fixture `kind` names."""
    if kind == "directory":
        return Place.directory(directory)
    place = Place.bucket(request.getfixturevalue(kind))
    if "spark" in request.fixturenames:
        place.tell(request.getfixturevalue("spark"))
    return place
