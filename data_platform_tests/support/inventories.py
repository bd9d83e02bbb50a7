"""Reports in the format of S3 Inventory, of a bucket of a store that writes none itself.

As in Amazon S3's user guide, "Locating your inventory list": a manifest in a folder of the report's
moment, the lists beside it; CSV without a header, its keys encoded as in a URL.
"""

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote_plus

import pyarrow as pa
from pyarrow import orc
from pyarrow import parquet as pq

from data_platform.storage.object_store import ObjectStore, split

KINDS = ("CSV", "ORC", "Parquet")
_CSV_NAMES = {
    "bucket": "Bucket",
    "key": "Key",
    "version_id": "VersionId",
    "is_latest": "IsLatest",
    "is_delete_marker": "IsDeleteMarker",
    "size": "Size",
    "last_modified_date": "LastModifiedDate",
    "e_tag": "ETag",
}
Row = dict[str, Any]


def rows_of(store: ObjectStore, bucket: str) -> list[Row]:
    """What an inventory of the current versions holds of each object."""
    pages = store.client().get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [
        {
            "bucket": bucket,
            "key": found["Key"],
            "size": found["Size"],
            "last_modified_date": found["LastModified"],
            "e_tag": found["ETag"].strip('"'),
        }
        for found in pages.search("Contents[]")
        if found
    ]


def deliver(
    store: ObjectStore, place: str, taken: datetime, rows: Sequence[Row], kind: str, *, source: str
) -> str:
    """Put a report below `place`, in two files; the URI of its manifest."""
    half = len(rows) // 2
    destination, prefix = split(place)
    files = []
    for number, some in enumerate((rows[:half], rows[half:])):
        if some:
            content = _file(some, kind)
            key = f"{prefix}/data/{taken:%H%M%S}-{number}.{kind.lower()}"
            store.client().put_object(Bucket=destination, Key=key, Body=content)
            md5 = hashlib.md5(content).hexdigest()
            files.append({"key": key, "size": len(content), "MD5checksum": md5})
    manifest = {
        "sourceBucket": source,
        "destinationBucket": f"arn:aws:s3:::{destination}",
        "version": "2016-11-30",
        "creationTimestamp": str(int(taken.timestamp() * 1000)),
        "fileFormat": kind,
        "fileSchema": ", ".join(_CSV_NAMES[name] for name in rows[0]) if kind == "CSV" else "",
        "files": files,
    }
    key = f"{prefix}/{taken:%Y-%m-%dT%H-%MZ}/manifest.json"
    store.client().put_object(Bucket=destination, Key=key, Body=json.dumps(manifest).encode())
    return f"s3://{destination}/{key}"


def _file(rows: Sequence[Row], kind: str) -> bytes:
    if kind == "CSV":
        text = io.StringIO()
        csv.writer(text, quoting=csv.QUOTE_ALL).writerows(map(_csv_line, rows))
        return gzip.compress(text.getvalue().encode())
    stream, table = io.BytesIO(), pa.Table.from_pylist([_zoneless(row) for row in rows])
    write = orc.write_table if kind == "ORC" else pq.write_table
    write(table, stream)
    return stream.getvalue()


def _zoneless(row: Row) -> Row:
    """Its moments are in UTC by S3's word, not by the file's."""
    return {
        name: value.replace(tzinfo=None) if isinstance(value, datetime) else value
        for name, value in row.items()
    }


def _csv_line(row: Row) -> list[str]:
    line = {**row, "key": quote_plus(row["key"], safe="/")}
    return [_csv_text(value) for value in line.values()]


def _csv_text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case datetime():
            return f"{value:%Y-%m-%dT%H:%M:%S}.000Z"
        case _:
            return str(value)
