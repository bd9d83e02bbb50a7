"""Write the Parquet files of one task attempt."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

import pyarrow as pa
from pyarrow import fs, parquet

from data_platform.storage.files import Storage, filesystem, new_file_name
from data_platform.storage.object_store import ObjectStore
from data_platform.storage.parquet_file import ParquetFile
from data_platform.storage.s3_errors import StoreError
from data_platform.tables.columns import ROW_NUMBER

FILE_INPUT = 512 << 20  # bytes of rows in memory that one file takes
SHARED_INPUT = 64 << 20  # bytes of rows up to which an object waits in memory and shares a file


@dataclass(frozen=True)
class WrittenFile:
    """A Parquet file; `rows` is from its footer, `bytes` its size on disk."""

    uri: str
    rows: int
    bytes: int


class TaskOutput:
    """The files of one task attempt: small objects share a file, large ones get their own.

    So an object that turns out unreadable half way loses only its own rows, and memory is bounded.
    Names are unique, so a retried or speculative task never touches another's files. `plain`
    columns get no bounds in the footers: bounds of free text help no reader, and take a fifth of
    the time. `footer` is what the files say of their origin.
    """

    def __init__(
        self,
        target: str,
        partition: str,
        schema: pa.Schema,
        store: ObjectStore,
        *,
        plain: Iterable[str] = (),
        footer: Mapping[str, str] | None = None,
    ) -> None:
        self._target = target.rstrip("/")
        self._partition = partition
        self.schema = schema
        self._store = store
        self._plain = frozenset(plain)
        self._footer = footer or {}
        self._series = [self._new_series()]

    def write(self, batches: Iterator[pa.RecordBatch]) -> int:
        """Write all of the batches, or none if the iterator raises. Returns the number of rows."""
        waiting, size = [], 0
        for batch in batches:
            waiting.append(batch)
            size += batch.nbytes
            if size > SHARED_INPUT:
                return self._write_alone(chain(waiting, batches))
        return sum(self._series[0].write(batch) for batch in waiting)

    def close(self) -> tuple[WrittenFile, ...]:
        """Finish the files. Without rows there is no file."""
        return tuple(file for series in self._series for file in series.close())

    def discard(self) -> None:
        """Remove what was written. Never raises: it would hide the error that led here."""
        for series in self._series:
            series.discard()

    def _write_alone(self, batches: Iterator[pa.RecordBatch]) -> int:
        own = self._new_series()
        try:
            rows = sum(own.write(batch) for batch in batches)
        except BaseException:
            own.discard()
            raise
        self._series.append(own)
        return rows

    def _new_series(self) -> "_Series":
        return _Series(
            self._target, self._partition, self.schema, self._plain, self._store, self._footer
        )


@dataclass
class _Series:
    """Parquet files, a new one after every FILE_INPUT bytes of rows."""

    target: str
    partition: str
    schema: pa.Schema
    plain: frozenset[str]
    store: ObjectStore
    footer: Mapping[str, str]
    uris: list[str] = field(default_factory=list)
    footers: list[parquet.FileMetaData] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    file: ParquetFile | None = None

    def write(self, batch: pa.RecordBatch) -> int:
        if batch.num_rows:
            self.file = self.file or self._open()
            self.file.write(batch)
            if self.file.written >= FILE_INPUT:
                self._finish()
        return batch.num_rows

    def close(self) -> list[WrittenFile]:
        self._finish()
        return [
            WrittenFile(uri, footer.num_rows, size)
            for uri, footer, size in zip(self.uris, self.footers, self.sizes, strict=True)
        ]

    def discard(self) -> None:
        file, self.file = self.file, None
        if file is not None:
            with suppress(OSError, pa.ArrowException):
                file.abandon()
        for uri in self.uris:
            with suppress(OSError, StoreError):  # what stays is an orphan file in no report
                Storage(store=self.store).delete(uri)

    def _finish(self) -> None:
        file, self.file = self.file, None
        if file is not None:
            self.sizes.append(file.close())

    def _open(self) -> ParquetFile:
        uri = f"{self.target}/{new_file_name(self.partition)}"
        files, path = filesystem(uri, self.store)
        if isinstance(files, fs.LocalFileSystem):  # object stores have no directories
            files.create_dir(path.rpartition("/")[0], recursive=True)
        self.uris.append(uri)
        names = self.schema.names
        return ParquetFile(
            partial(files.open_output_stream, path),
            self.schema,
            footer=self.footer,
            column_encoding={ROW_NUMBER: "DELTA_BINARY_PACKED"},
            use_dictionary=[name for name in names if name != ROW_NUMBER],
            write_statistics=[name for name in names if name not in self.plain],
            metadata_collector=self.footers,
        )
