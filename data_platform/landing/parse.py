"""One partition's objects to Parquet: the work of one Spark task, in pure Python and PyArrow.

Bronze keeps rows as received, so a rebuild of a partition reads what is in the landing bucket and
copies from its present files the rows of objects that are there no more. Every try writes files
of its own; only those in the report of the try that counts belong to the table.
"""

import re
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from typing import BinaryIO, Literal, cast

import pyarrow as pa
from pyarrow import dataset, fs, parquet

from data_platform.landing.csv_reader import RESCUED, ROW_NUMBER, read_csv
from data_platform.landing.objects import UnreadableObject, filesystem, from_nanoseconds
from data_platform.landing.source import Csv

SOURCE_OBJECT = "_source_object"
INGESTED_AT = "_ingested_at"
FILE_INPUT = 512 << 20  # bytes of rows in memory that one file takes, about 64 MB of it on disk
ROW_GROUP_INPUT = 64 << 20  # bytes of rows in memory that one row group takes
SHARED_INPUT = 64 << 20  # bytes of rows up to which an object waits in memory and shares a file

ErrorKind = Literal["unreadable", "vanished", "changed", "unavailable"]
PartitionValue = str | int | datetime | object


@dataclass(frozen=True)
class StoredObject:
    """A loaded object version whose rows stand in the partition's present files."""

    id: int
    key: str


@dataclass(frozen=True)
class ObjectWork:
    """An object version to parse, as the ledger knows it; `modified`, `ingested_at` in UTC.

    `previous` is the version whose rows stay if this one cannot be read.
    """

    id: int
    key: str
    uri: str
    size: int
    modified: datetime
    ingested_at: datetime
    previous: StoredObject | None = None


@dataclass(frozen=True)
class PartitionWork:
    """What one task does. `values` are the partition columns, constant over the partition.

    `carry` names the objects whose rows are copied from `present`, the URIs of the partition's
    current bronze files. `target` is the URI of the attempt's directory.
    """

    partition: str
    values: dict[str, PartitionValue]
    target: str
    format: Csv
    objects: tuple[ObjectWork, ...]
    carry: tuple[StoredObject, ...] = ()
    present: tuple[str, ...] = ()


@dataclass(frozen=True)
class WrittenFile:
    """A Parquet file; `rows` as its footer says, `bytes` on disk."""

    uri: str
    rows: int
    bytes: int


@dataclass(frozen=True)
class ObjectError:
    """Why an object has no rows: `unreadable` is final, the other kinds may pass."""

    kind: ErrorKind
    message: str

    @property
    def transient(self) -> bool:
        return self.kind != "unreadable"


@dataclass(frozen=True)
class ObjectReport:
    """An object's rows in the files (of a carried one: its rows that were copied), or its error."""

    id: int
    key: str
    rows: int | None = None
    error: ObjectError | None = None


@dataclass(frozen=True)
class ParseReport:
    """What became of a `PartitionWork`: the files' rows add up to the objects'."""

    partition: str
    files: tuple[WrittenFile, ...]
    objects: tuple[ObjectReport, ...]

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)


class _ObjectFailed(Exception):
    def __init__(self, kind: ErrorKind, message: str) -> None:
        super().__init__(message)
        self.error = ObjectError(kind, message)


def bronze_schema(csv: Csv, values: dict[str, PartitionValue]) -> pa.Schema:
    """Partition columns, the source's columns as strings, then the lineage columns."""
    return pa.schema(
        [
            *(pa.field(name, pa.scalar(value).type, False) for name, value in values.items()),
            *(pa.field(name, pa.string()) for name in csv.columns),
            pa.field(SOURCE_OBJECT, pa.string(), False),
            pa.field(ROW_NUMBER, pa.int64(), False),
            pa.field(INGESTED_AT, pa.timestamp("us", tz="UTC"), False),
            pa.field(RESCUED, pa.string()),
        ]
    )


def parse_partition(work: PartitionWork) -> ParseReport:
    """Write the partition's rows below `work.target`; no rows, no file.

    An object that cannot be read fails alone: none of its rows is in the files, its error is in
    the report, and the rows of its `previous` version are copied instead. An error in writing, or
    in reading the present files, raises, after the files of this try were removed.
    """
    output = _Output(work)
    try:
        reports = list(chain.from_iterable(_land(item, work, output) for item in work.objects))
        reports += [_carry(stored, work, output) for stored in work.carry]
        return ParseReport(work.partition, output.close(), tuple(reports))
    except BaseException:
        output.discard()
        raise


def _land(item: ObjectWork, work: PartitionWork, output: "_Output") -> Iterator[ObjectReport]:
    try:
        rows = output.write(_parsed(item, work, output.schema))
    except _ObjectFailed as failed:
        yield ObjectReport(item.id, item.key, error=failed.error)
        if item.previous is not None:
            yield _carry(item.previous, work, output)
    else:
        yield ObjectReport(item.id, item.key, rows)


def _carry(stored: StoredObject, work: PartitionWork, output: "_Output") -> ObjectReport:
    rows = output.write(_copied(stored, work, output.schema))
    return ObjectReport(stored.id, stored.key, rows)


def _parsed(item: ObjectWork, work: PartitionWork, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The object's rows in bronze's schema; _ObjectFailed for all that is wrong with the object."""
    constants = {
        **work.values,
        SOURCE_OBJECT: item.key,
        INGESTED_AT: item.ingested_at.astimezone(UTC),
    }
    try:
        files, path = filesystem(item.uri)
        _check_unchanged(item, files, path)
        with files.open_input_file(path) as stream:
            for batch in read_csv(cast(BinaryIO, stream), work.format, key=item.key):
                columns = [
                    pa.repeat(pa.scalar(constants[name], schema.field(name).type), batch.num_rows)
                    if name in constants
                    else batch.column(name)
                    for name in schema.names
                ]
                yield pa.record_batch(columns, schema=schema)
        _check_unchanged(item, files, path)
    except UnreadableObject as error:
        raise _ObjectFailed("unreadable", error.message) from error
    except FileNotFoundError as error:
        raise _ObjectFailed("vanished", "it is not in the landing bucket any more") from error
    except OSError as error:
        raise _ObjectFailed("unavailable", f"reading it failed: {error}") from error


def _check_unchanged(item: ObjectWork, files: fs.FileSystem, path: str) -> None:
    info = files.get_file_info(path)
    if info.type == fs.FileType.NotFound:
        raise FileNotFoundError(item.uri)
    modified = from_nanoseconds(info.mtime_ns or 0)
    if (info.size, modified) != (item.size, item.modified):
        raise _ObjectFailed(
            "changed",
            f"the ledger knows {item.size} bytes of {item.modified.isoformat()}, the bucket holds "
            f"{info.size} bytes of {modified.isoformat()}; the next tick records the new version",
        )


def _copied(
    stored: StoredObject, work: PartitionWork, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """The object's rows in the present files; columns a file lacks read null."""
    for uri in work.present:
        files, path = filesystem(uri)
        present = dataset.dataset([path], schema, format="parquet", filesystem=files)
        of_object = dataset.field(SOURCE_OBJECT) == stored.key
        for batch in present.to_batches(filter=of_object, use_threads=False):
            yield pa.record_batch(batch.columns, schema=schema)


class _Output:
    """The files of one try: small objects share one, a large object has files of its own.

    So an object that goes bad half way takes none but its own rows along, at bounded memory.
    """

    def __init__(self, work: PartitionWork) -> None:
        self.schema = bronze_schema(work.format, work.values)
        self._work = work
        self._shared = _Files(work, self.schema)
        self._own: list[_Files] = []

    def write(self, batches: Iterator[pa.RecordBatch]) -> int:
        """All of the batches, or none if the iterator raises. The number of rows."""
        waiting, size = [], 0
        for batch in batches:
            waiting.append(batch)
            size += batch.nbytes
            if size > SHARED_INPUT:
                return self._write_alone(chain(waiting, batches))
        return sum(self._shared.write(batch) for batch in waiting)

    def _write_alone(self, batches: Iterator[pa.RecordBatch]) -> int:
        own = _Files(self._work, self.schema)
        self._own.append(own)
        try:
            return sum(own.write(batch) for batch in batches)
        except _ObjectFailed:
            self._own.remove(own)
            own.discard()
            raise

    def close(self) -> tuple[WrittenFile, ...]:
        return tuple(file for files in [self._shared, *self._own] for file in files.close())

    def discard(self) -> None:
        for files in [self._shared, *self._own]:
            files.discard()


@dataclass
class _Files:
    """A series of Parquet files, a new one after every FILE_INPUT bytes of rows."""

    work: PartitionWork
    schema: pa.Schema
    uris: list[str] = field(default_factory=list)
    footers: list[parquet.FileMetaData] = field(default_factory=list)
    writer: parquet.ParquetWriter | None = None
    waiting: list[pa.RecordBatch] = field(default_factory=list)
    group_size: int = 0  # bytes of the waiting rows
    file_size: int = 0  # bytes of the open file's rows

    def write(self, batch: pa.RecordBatch) -> int:
        self.waiting.append(batch)
        self.group_size += batch.nbytes
        if self.group_size >= ROW_GROUP_INPUT:
            self._write_group()
        if self.file_size >= FILE_INPUT:
            self._finish()
        return batch.num_rows

    def close(self) -> list[WrittenFile]:
        if self.waiting:
            self._write_group()
        self._finish()
        return [
            WrittenFile(uri, footer.num_rows, _size(uri))
            for uri, footer in zip(self.uris, self.footers, strict=True)
        ]

    def discard(self) -> None:
        with suppress(OSError, pa.ArrowException):  # the error that led here says more
            self._finish()
        for uri in self.uris:
            files, path = filesystem(uri)
            with suppress(OSError):  # what stays behind is an orphan that no report names
                files.delete_file(path)

    def _open(self) -> parquet.ParquetWriter:
        name = re.sub(r"[^\w.-]", "_", self.work.partition)
        uri = f"{self.work.target.rstrip('/')}/{name}-{uuid.uuid4().hex}.parquet"
        files, path = filesystem(uri)
        if isinstance(files, fs.LocalFileSystem):  # object stores have no directories
            files.create_dir(path.rpartition("/")[0], recursive=True)
        self.uris.append(uri)
        lineage = [SOURCE_OBJECT, ROW_NUMBER, INGESTED_AT, RESCUED]
        return parquet.ParquetWriter(
            path,
            self.schema,
            filesystem=files,
            compression="zstd",
            compression_level=1,
            use_dictionary=[name for name in self.schema.names if name != ROW_NUMBER],
            column_encoding={ROW_NUMBER: "DELTA_BINARY_PACKED"},
            # Bounds of free text help no reader and cost a fifth of the writing.
            write_statistics=[*self.work.values, *lineage],
            store_schema=False,
            metadata_collector=self.footers,
        )

    def _write_group(self) -> None:
        """One row group of all that waits: PyArrow's write_batch makes one of every batch."""
        self.writer = self.writer or self._open()
        rows = pa.Table.from_batches(self.waiting, self.schema)
        self.writer.write_table(rows, row_group_size=max(1, rows.num_rows))
        self.file_size += self.group_size
        self.waiting, self.group_size = [], 0

    def _finish(self) -> None:
        writer, self.writer, self.file_size = self.writer, None, 0
        if writer is not None:
            writer.close()


def _size(uri: str) -> int:
    files, path = filesystem(uri)
    return files.get_file_info(path).size or 0
