"""The few file operations the lake needs, on a directory or an object store.

A location is an absolute path, `file://` and such a path, or `s3://bucket/key`.
"""

import re
import shutil
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO

from pyarrow import fs

from data_platform.storage.object_store import SCHEME, ObjectStore, is_object, path_of, split
from data_platform.storage.s3_errors import about

if TYPE_CHECKING:  # Spark's workers import this module
    import pyarrow as pa
    import pyarrow.dataset as ds

_KEY_IN_NAME = 60  # characters
_COPIED = 1 << 20  # bytes at once
LISTED = 8  # from this many objects on, a folder is listed; it seldom has more than a few thousand


@dataclass(frozen=True)
class StoredFile:
    """A file below a location: its path as the metadata writes it, bytes, time of last change.

    `upload` is the id of an upload to S3 that was begun at that time and never completed: nobody
    sees a file, and the parts that came (0 bytes here; S3 does not say) are paid for.
    """

    path: str
    size: int
    modified: datetime
    upload: str = ""


@dataclass(frozen=True)
class Storage:
    """The file operations of staging and cleaning; a seam for fault tests and object stores."""

    store: ObjectStore = field(default_factory=ObjectStore, kw_only=True)

    def _resolve(self, location: str) -> tuple[fs.FileSystem, str]:
        return filesystem(location, self.store)

    def make_folder(self, location: str) -> None:
        """Create a folder so that files can be opened in it; does nothing in an object store."""
        if not is_object(location):
            found, path = self._resolve(location)
            found.create_dir(path, recursive=True)

    def open_output(self, location: str) -> BinaryIO:
        found, path = self._resolve(location)
        return found.open_output_stream(path, compression=None)  # whatever its name says

    def open_input(self, location: str) -> BinaryIO:
        found, path = self._resolve(location)
        return found.open_input_stream(path, compression=None)

    def copy(self, location: str, target: str) -> None:
        """Copy a file, through this machine; its folder is made."""
        self.make_folder(target.rpartition("/")[0])
        with self.open_input(location) as source, self.open_output(target) as sink:
            shutil.copyfileobj(source, sink, _COPIED)

    def dataset(self, locations: Sequence[str], schema: "pa.Schema") -> "ds.Dataset":
        """Parquet files of one place as one table of this schema, columns by name."""
        import pyarrow.dataset as ds

        filesystems = [self._resolve(location) for location in locations]
        paths = [path for _, path in filesystems]
        return ds.dataset(paths, schema, format="parquet", filesystem=filesystems[0][0])

    def files(self, location: str) -> Iterator[StoredFile]:
        """Every file below `location`; empty if there is no such folder."""
        found, path = self._resolve(location)
        prefix = _partitioning(location)
        selector = fs.FileSelector(path, recursive=True, allow_not_found=True)
        for info in found.get_file_info(selector):
            if info.type == fs.FileType.File:
                yield StoredFile(prefix + info.path, info.size, info.mtime)

    def uploads(self, location: str) -> Iterator[StoredFile]:
        """The uploads below `location` that were begun and neither completed nor aborted."""
        if not is_object(location):
            return
        bucket, prefix = split(location)
        pages = self.store.client().get_paginator("list_multipart_uploads")
        with about(location):
            for found in pages.paginate(Bucket=bucket, Prefix=f"{prefix}/").search("Uploads[]"):
                if found:
                    path = f"{SCHEME}{bucket}/{found['Key']}"
                    yield StoredFile(path, 0, found["Initiated"], found["UploadId"])

    def abort(self, upload: StoredFile) -> None:
        """Abort an upload; not an error if it no longer exists."""
        bucket, key = split(upload.path)
        client = self.store.client()
        with about(upload.path), suppress(client.exceptions.NoSuchUpload):
            client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload.upload)

    def sizes(self, locations: Sequence[str]) -> list[int | None]:
        """The size of each file in bytes, None for a missing one; requests run in parallel.

        Many objects of one folder are found by listing it, with one request per thousand.
        """
        known: dict[str, int | None] = {}
        for folder, files in by_folder(locations).items():
            if is_object(folder) and len(files) >= LISTED:
                listed = {file.path: file.size for file in self.files(folder)}
                known |= {file: listed.get(file) for file in files}
        asked = [location for location in locations if location not in known]
        if asked:
            found, _ = self._resolve(asked[0])
            infos = found.get_file_info([self._resolve(location)[1] for location in asked])
            known |= {file: info.size for file, info in zip(asked, infos, strict=True)}
        return [known[location] for location in locations]

    def delete(self, location: str) -> None:
        """Delete a file; one that is gone already is not an error."""
        if is_object(location):  # PyArrow would query and list, and leave a marker for the folder
            bucket, key = split(location)
            with about(location):
                self.store.client().delete_object(Bucket=bucket, Key=key)
            return
        found, path = self._resolve(location)
        with suppress(FileNotFoundError):
            found.delete_file(path)


def filesystem(location: str, store: ObjectStore) -> tuple[fs.FileSystem, str]:
    """PyArrow's file system of a location, and the path in it, which is not percent-decoded.

    Raises AmbiguousKey for an object that PyArrow would not read.
    """
    if is_object(location):
        return store.filesystem(), path_of(location)
    return fs.LocalFileSystem(), location.removeprefix(_partitioning(location))


def new_file_name(key: str) -> str:
    """A name for a data file of the partition `key` that no other file has.

    It shows the partition if that is possible in ASCII; no program relies on it.
    It begins with a letter or a digit, since Spark passes over files that begin with `_` or `.`;
    it has no special characters of URLs or patterns, and a length that every file system accepts.
    """
    said = re.sub(r"[^A-Za-z0-9-]+", "_", key).strip("_-")[:_KEY_IN_NAME]
    return f"{said or 'all'}-{uuid.uuid4().hex}.parquet"


def by_folder(locations: Iterable[str]) -> dict[str, list[str]]:
    """Locations by their folder: the part before the last slash."""
    found: dict[str, list[str]] = defaultdict(list)
    for location in locations:
        found[location.rpartition("/")[0]].append(location)
    return found


def _partitioning(location: str) -> str:
    """`file:///a b` -> `file://`. The rest is a literal path, as PyIceberg reads it."""
    return next((each for each in (SCHEME, "file://") if location.startswith(each)), "")
