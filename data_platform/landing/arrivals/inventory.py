"""Reconcile from S3 Inventory reports instead of a nightly listing of the bucket.

A report is hours old and may miss objects that were new when S3 wrote it. So it is only a hint,
like an event: every key on which report and ledger disagree is looked up in the store, which
decides. Keys that the ledger recorded after the report was taken are left to the next report.
"""

import hashlib
import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from urllib.parse import unquote_plus

import pyarrow as pa
from pyarrow import csv, orc
from pyarrow import parquet as pq

from data_platform.landing.arrivals.listing import Inspected, Reconciliation, inspect, reconcile
from data_platform.landing.ledger.ledger import Ledger
from data_platform.landing.places.objects import EPOCH, Bucket, LandedObject
from data_platform.landing.places.s3_bucket import landed_object
from data_platform.landing.source import Source
from data_platform.storage.object_store import SCHEME, ObjectStore, split
from data_platform.storage.s3_errors import StoreError, about
from data_platform.telemetry.wording import counted

_log = logging.getLogger(__name__)

OLDEST = timedelta(days=9)  # a weekly report, and the two days in which S3 delivers it
KEYS_A_REQUEST = 1000  # of a listing

# What PyArrow and the decompressors raise for a file that is not in the format it claims.
_SENSELESS = (
    pa.ArrowException, OSError, ValueError, TypeError, AttributeError, OverflowError,
)  # fmt: skip
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}-\d{2}Z")
_NEEDED = ("key", "size", "last_modified_date", "e_tag")
# The column names in ORC and Parquet reports; CSV reports use other names.
_NAMES = {
    "lastmodifieddate": "last_modified_date",
    "etag": "e_tag",
    "islatest": "is_latest",
    "isdeletemarker": "is_delete_marker",
}


class InventoryError(RuntimeError):
    """No report can be used; the message says where it looked and what to do."""


class Report(Protocol):
    """A listing of the bucket as of about `taken` (UTC)."""

    @property
    def taken(self) -> datetime: ...

    @property
    def uri(self) -> str: ...

    def list(self) -> Iterator[LandedObject]:
        """The current objects, in no order. InventoryError for a damaged or unexpected file."""
        ...


class Inventory(Protocol):
    """Reports on the landing bucket."""

    def newest(self, now: datetime) -> Report:
        """The newest report that was delivered. InventoryError if none can be used."""
        ...


@dataclass(frozen=True)
class S3Inventory:
    """The reports below `place`, `s3://DESTINATION/PREFIX/SOURCE-BUCKET/CONFIGURATION`, on the
    bucket of `landing`, `s3://bucket/prefix`."""

    place: str
    landing: str
    store: ObjectStore

    def newest(self, now: datetime) -> "S3Report":
        """The newest report that was delivered. Raises InventoryError, StoreError."""
        bucket, prefix = split(self.place)
        pages = self.store.client().get_paginator("list_objects_v2")
        with about(self.place):
            listing = pages.paginate(Bucket=bucket, Prefix=f"{prefix}/", Delimiter="/")
            found = [each["Prefix"] for each in listing.search("CommonPrefixes[]") if each]
        moments = sorted(key for key in found if _MOMENT.fullmatch(key.split("/")[-2]))
        for key in reversed(moments):
            text = _read(self.store, f"{SCHEME}{bucket}/{key}manifest.json")
            if text is not None:  # otherwise it is still being delivered
                return self._report(f"{SCHEME}{bucket}/{key}manifest.json", text, now)
        raise InventoryError(
            f"{self.place} (DATA_PLATFORM_INVENTORY) has no report yet; it should hold folders "
            "like 2024-05-01T01-00Z with a manifest.json: the destination's prefix, the name of "
            "the source bucket and the configuration's name"
        )

    def _report(self, uri: str, text: bytes, now: datetime) -> "S3Report":
        try:
            found = json.loads(text)
            taken = EPOCH + timedelta(milliseconds=int(found["creationTimestamp"]))
            schema, kind = str(found["fileSchema"]), str(found["fileFormat"])
            files = [(str(each["key"]), str(each["MD5checksum"])) for each in found["files"]]
            source = str(found["sourceBucket"])
        except (*_SENSELESS, KeyError) as error:
            raise InventoryError(f"{uri} is not a manifest of S3 Inventory: {error!r}") from error
        if source != split(self.landing)[0]:
            raise InventoryError(
                f"{uri} is about bucket {source}, and DATA_PLATFORM_LANDING is {self.landing}"
            )
        if now - taken > OLDEST:
            raise InventoryError(
                f"{uri} is of {taken:%Y-%m-%d} and there is none since: is the inventory still "
                "switched on, and may S3 write to its destination?"
            )
        return S3Report(uri, taken, kind, schema, files, self.landing, self.store)


@dataclass(frozen=True)
class S3Report:
    """The report whose manifest is at `uri`; `files` are its keys with the MD5 of each file."""

    uri: str
    taken: datetime
    kind: str
    schema: str
    files: Sequence[tuple[str, str]]
    landing: str
    store: ObjectStore

    def list(self) -> Iterator[LandedObject]:
        """The current objects; costs one request per file of the report."""
        _, prefix = split(self.landing)
        below = f"{prefix}/" if prefix else ""
        destination = split(self.uri)[0]
        for key, digest in self.files:
            uri = f"{SCHEME}{destination}/{key}"
            content = _read(self.store, uri)
            if content is None or hashlib.md5(content, usedforsecurity=False).hexdigest() != digest:
                raise InventoryError(f"{uri} is not what {self.uri} says; wait for the next report")
            try:
                yield from self._objects(content, uri, below)
            except _SENSELESS as error:
                raise InventoryError(f"{uri} is no {self.kind} file of S3's: {error}") from error

    def _objects(self, content: bytes, uri: str, below: str) -> Iterator[LandedObject]:
        for batch in _batches(self.kind, content, self.schema):
            columns = [_NAMES.get(name.lower(), name.lower()) for name in batch.schema.names]
            if missing := [name for name in _NEEDED if name not in columns]:
                raise InventoryError(
                    f"{uri} lacks {', '.join(missing)}; add the optional fields Size, "
                    "LastModifiedDate and ETag to the inventory"
                )
            for row in batch.rename_columns(columns).to_pylist():
                key = unquote_plus(row["key"]) if self.kind == "CSV" else row["key"]
                if key.startswith(below) and (landed := _current(row, key.removeprefix(below))):
                    yield landed


def reconcile_with(
    inventory: Inventory | None,
    bucket: Bucket,
    sources: Sequence[Source],
    ledger: Ledger,
    now: datetime,
    *,
    keys_a_request: int = KEYS_A_REQUEST,
) -> Reconciliation:
    """Compare the newest report with the ledger, look up each difference in the bucket, and record
    what is there now.

    The bucket is listed where there is no inventory or no report of use, and where the differences
    are so many that a listing takes fewer requests: a first time, after long trouble with the
    queue. The reconciliation says so. StoreError where no object could be looked at.
    """
    if inventory is None:
        return reconcile(bucket, sources, ledger, now)
    try:
        report = inventory.newest(now)
        listed, differing = differences(report, bucket, sources, ledger, now)
    except (InventoryError, StoreError) as error:
        why = str(error)
    else:
        if len(differing) * keys_a_request <= listed:
            looked = inspect(bucket, differing, sources, ledger, now)
            return _reconciliation(report, listed, looked, len(differing))
        why = f"{report.uri} differs in {counted(len(differing), 'object')} of {listed}"
        differing.clear()  # may be millions of keys
    _log.warning("the bucket is listed, since %s", why)
    return replace(reconcile(bucket, sources, ledger, now), by=f"its listing, since {why}")


def differences(
    report: Report, bucket: Bucket, sources: Sequence[Source], ledger: Ledger, now: datetime
) -> tuple[int, set[str]]:
    """How many objects the report lists, and the keys on which it disagrees with the ledger, except
    those that the ledger recorded since. Raises InventoryError, StoreError."""
    known = ledger.present(bucket.name, until=report.taken)
    newer = ledger.changed_since(bucket.name, report.taken)
    differing: set[str] = set()
    listed = 0

    def familiar() -> Iterator[LandedObject]:
        nonlocal listed
        for landed in report.list():
            listed += 1
            if known.pop(landed.key, None) is not None:
                yield landed
            elif landed.key not in newer:
                differing.add(landed.key)

    changed = ledger.differing(familiar(), bucket, sources, now)
    return listed, differing | changed | known.keys()


def _reconciliation(report: Report, listed: int, looked: Inspected, keys: int) -> Reconciliation:
    if looked.failed and len(looked.failed) == keys:
        [error, *_] = looked.failed.values()
        raise StoreError(f"none of {keys} objects could be looked at; the first: {error}")
    return Reconciliation(
        listed=listed,
        missed=looked.recorded.new,
        changed=looked.recorded.reopened,
        vanished=looked.vanished,
        unknown=looked.recorded.unknown,
        failed=looked.reasons,
        by=report.uri,
    )


def _read(store: ObjectStore, uri: str) -> bytes | None:
    """The object's bytes; None if it does not exist. Raises StoreError."""
    bucket, key = split(uri)
    client = store.client()
    with about(uri):
        try:
            return client.get_object(Bucket=bucket, Key=key)["Body"].read()
        except client.exceptions.NoSuchKey:
            return None


def _batches(kind: str, content: bytes, schema: str) -> Iterator[pa.RecordBatch]:
    """The file's rows; for CSV, whose columns only the manifest names, every value is text."""
    if kind == "CSV":
        names = [name.strip() for name in schema.split(",")]
        stream = pa.CompressedInputStream(pa.BufferReader(content), "gzip")
        yield from csv.open_csv(
            stream,
            csv.ReadOptions(column_names=names),
            convert_options=csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )
    elif kind == "ORC":
        yield from orc.ORCFile(pa.BufferReader(content)).read().to_batches()
    elif kind == "Parquet":
        yield from pq.ParquetFile(pa.BufferReader(content)).iter_batches()
    else:
        raise InventoryError(f"files of the format {kind!r} are not known; use CSV, ORC or Parquet")


def _current(row: Mapping[str, Any], key: str) -> LandedObject | None:
    """The object of a row; None for an old version."""
    if _is(row, "is_delete_marker") or not _is(row, "is_latest", otherwise=True):
        return None
    modified = row["last_modified_date"]
    if isinstance(modified, str):
        modified = datetime.fromisoformat(modified)
    return landed_object(key, int(row["size"]), modified.replace(tzinfo=UTC), row["e_tag"] or "")


def _is(row: Mapping[str, Any], name: str, *, otherwise: bool = False) -> bool:
    """A boolean column, which only an inventory of all versions has; text in a CSV report."""
    return str(row.get(name, otherwise)).lower() == "true"
