"""PyIceberg's file access through the lake's own store, with few requests.

Iceberg never writes a metadata file twice, as its name has a UUID. So a file that was read or
written once need not be read again, and a new one needs no check whether it exists.
"""

import io
import re
from collections.abc import Callable
from threading import Lock
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from cachetools import LRUCache
from pyarrow import dataset, fs
from pyiceberg.io import InputFile, OutputFile
from pyiceberg.io.pyarrow import PyArrowFile

from data_platform.lake.pyiceberg_internals import S3FileIO, SameFile
from data_platform.storage.files import Storage
from data_platform.storage.object_store import ObjectStore, is_object

_METADATA = re.compile(r".*/metadata/[^/]*\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b[^/]*")
_REMEMBERED = 64 << 20  # bytes

_remembered: LRUCache[tuple[ObjectStore, str], bytes] = LRUCache(_REMEMBERED, getsizeof=len)
_lock = Lock()


class LakeFileIO(S3FileIO):
    """PyIceberg's files, named by the catalog's property `py-io-impl`.

    In an object store it caches metadata files, and writes or deletes a file in one request.
    """

    @property
    def store(self) -> ObjectStore:
        """The object store that all files are read from and written to."""
        return ObjectStore(
            str(self.properties.get("s3.region", "")), str(self.properties.get("s3.endpoint", ""))
        )

    def s3_filesystem(self) -> fs.FileSystem:
        return self.store.filesystem()

    def new_input(self, location: str) -> PyArrowFile:
        found = super().new_input(location)
        return _Metadata(found, self.store) if _is_metadata(location) else found

    def new_output(self, location: str) -> PyArrowFile:
        found = super().new_output(location)
        return _Metadata(found, self.store) if _is_metadata(location) else found

    def delete(self, location: str | InputFile | OutputFile) -> None:
        path = location if isinstance(location, str) else location.location
        if is_object(path):
            Storage(store=self.store).delete(path)
        else:
            super().delete(location)

    def footer(self, location: str, size: int) -> pq.FileMetaData:
        """The footer of a Parquet file of `size` bytes, in one request.

        Raises OSError or ArrowException if no footer is found: the object is missing or has another
        size, since a footer is read from the end.
        """
        scheme, netloc, path = self.parse_location(location, self.properties)
        files = self.fs_by_scheme(scheme, netloc)
        file = dataset.ParquetFileFormat().make_fragment(path, files, file_size=size)
        return file.metadata


def forget() -> None:
    """Empty the cache of metadata files, as in a new process."""
    with _lock:
        _remembered.clear()


def _is_metadata(location: str) -> bool:
    return is_object(location) and bool(_METADATA.fullmatch(location))


class _Metadata(SameFile):
    """A metadata file in an object store, cached once it was read or written."""

    def __init__(self, file: PyArrowFile, store: ObjectStore) -> None:
        super().__init__(file)
        self._key = store, file.location

    def open(self, seekable: bool = True) -> Any:
        with _lock:
            content = _remembered.get(self._key)
        if content is None:
            try:
                with super().open() as stream:
                    content = stream.read()
            except FileNotFoundError:
                raise
            except OSError as error:  # PyArrow does not always name the file
                raise OSError(f"{self.location}: {error}") from error
            self._remember(content)
        return pa.BufferReader(content)

    def create(self, overwrite: bool = False) -> Any:
        return _Written(self._write)

    def _write(self, content: bytes) -> None:
        with super().create(overwrite=True) as stream:
            stream.write(content)
        self._remember(content)

    def _remember(self, content: bytes) -> None:
        with _lock:
            if len(content) <= _REMEMBERED:
                _remembered[self._key] = content


class _Written(io.BytesIO):
    """A buffer that hands over its whole content when it is closed."""

    def __init__(self, written: Callable[[bytes], None]) -> None:
        super().__init__()
        self._written = written

    def close(self) -> None:
        if not self.closed:
            content = self.getvalue()
            super().close()
            self._written(content)

    def __exit__(self, *error: object) -> None:
        if error[0]:  # a partial file is not written
            super().close()
        self.close()

    def __del__(self) -> None:
        super().close()
