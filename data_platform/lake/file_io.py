"""How PyIceberg reaches files: as the lake does, with few requests where each one costs.

Iceberg never writes a metadata file twice: a name holds a UUID. So what was read or written once
need not be read again, and nobody has to look whether a new file is there already.
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
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO

from data_platform.storage.files import Storage
from data_platform.storage.object_store import ObjectStore, is_object

_METADATA = re.compile(r".*/metadata/[^/]*\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b[^/]*")
_REMEMBERED = 64 << 20  # bytes

_remembered: LRUCache[tuple[ObjectStore, str], bytes] = LRUCache(_REMEMBERED, getsizeof=len)
_lock = Lock()


class LakeFileIO(PyArrowFileIO):
    """PyIceberg's files, named by the catalog's property `py-io-impl`.

    Of objects it remembers the metadata, writes each in one request and deletes in one.
    """

    @property
    def store(self) -> ObjectStore:
        return ObjectStore(
            str(self.properties.get("s3.region", "")), str(self.properties.get("s3.endpoint", ""))
        )

    def _initialize_s3_fs(self, netloc: str | None) -> fs.FileSystem:
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
        """The footer of an object that is a Parquet file of so many bytes, in one request.

        Raises OSError or ArrowException where there is no footer: the object is not there, or is
        of another size, since a footer is found from the end.
        """
        scheme, netloc, path = self.parse_location(location, self.properties)
        files = self.fs_by_scheme(scheme, netloc)
        file = dataset.ParquetFileFormat().make_fragment(path, files, file_size=size)
        return file.metadata


def forget() -> None:
    """As in a new process."""
    with _lock:
        _remembered.clear()


def _is_metadata(location: str) -> bool:
    return is_object(location) and bool(_METADATA.fullmatch(location))


class _Metadata(PyArrowFile):
    """A metadata file in an object store, remembered once it was read or written."""

    def __init__(self, file: PyArrowFile, store: ObjectStore) -> None:
        super().__init__(file.location, file._path, file._filesystem, file._buffer_size)
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
            except OSError as error:  # PyArrow does not always say of what
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
    """What is written to it is handed over, whole, when it is closed."""

    def __init__(self, written: Callable[[bytes], None]) -> None:
        super().__init__()
        self._written = written

    def close(self) -> None:
        if not self.closed:
            content = self.getvalue()
            super().close()
            self._written(content)

    def __exit__(self, *error: object) -> None:
        if error[0]:  # half of it is nothing
            super().close()
        self.close()

    def __del__(self) -> None:
        super().close()
