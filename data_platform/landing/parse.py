"""Parse one partition's objects to Parquet: the work of one Spark task, in Python and PyArrow.

Bronze keeps rows as received, so rebuilding a partition reads the objects in the landing bucket and
copies the rows of objects that are gone from its current files. Every task attempt writes its own
files; only those in the report of the successful attempt become part of the table.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BufferedReader, BytesIO, RawIOBase
from typing import Literal, cast

import pyarrow as pa
from pyarrow import dataset, fs

from data_platform.landing.bronze_files import TaskOutput, WrittenFile
from data_platform.landing.formats.format import Format, UnreadableObject
from data_platform.landing.places.objects import from_nanoseconds
from data_platform.storage.files import filesystem
from data_platform.storage.object_store import AmbiguousKey, ObjectStore
from data_platform.storage.s3_errors import explanation, is_passing
from data_platform.tables.columns import INGESTED_AT, SOURCE_OBJECT
from data_platform.tables.identity import PartitionValue

_WHOLE = 8 << 20  # objects up to this many bytes are fetched in one request
_VANISHED = "it is not in the landing bucket any more"

ErrorKind = Literal["unreadable", "vanished", "changed", "unavailable"]


@dataclass(frozen=True)
class StoredObject:
    """A loaded object version whose rows are, per the ledger, in bronze's current files.

    `rows` is the ledger's count of them.
    """

    id: int
    key: str
    rows: int


@dataclass(frozen=True)
class ObjectWork:
    """An object version to parse, as the ledger knows it; `modified`, `ingested_at` in UTC.

    `previous` is the version whose rows stay if this one cannot be read. For a version that was
    loaded before it is the version itself; the report then has both its error and its rows.
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
    """The work of one task. `values` are the partition columns, constant over the partition;
    `schema` is that of bronze's files, see `bronze_schema`.

    `carry` names the objects whose rows are copied from `present`, the URIs of the bronze files
    that have them: the partition's current ones, and those of partitions that its keys moved from.
    `target` is the URI of the attempt's directory, `footer` what its files say of their origin.
    `store` gives access to both.
    """

    partition: str
    values: Mapping[str, PartitionValue]
    target: str
    format: Format
    schema: pa.Schema
    objects: tuple[ObjectWork, ...]
    carry: tuple[StoredObject, ...] = ()
    present: tuple[str, ...] = ()
    footer: Mapping[str, str] = field(default_factory=dict)
    store: ObjectStore = field(default_factory=ObjectStore)


@dataclass(frozen=True)
class ObjectError:
    """Why an object has no rows: `unreadable` is final, the other kinds are transient."""

    kind: ErrorKind
    message: str

    @property
    def transient(self) -> bool:
        return self.kind != "unreadable"


@dataclass(frozen=True)
class ObjectReport:
    """How many rows of an object are in the files (carried ones: were copied), or its error."""

    id: int
    key: str
    rows: int | None = None
    error: ObjectError | None = None


@dataclass(frozen=True)
class ParseReport:
    """The result of a `PartitionWork`: the files' rows add up to the objects' rows.

    `refused` says why the partition cannot be built without losing published rows; there are no
    files and no objects then.
    """

    partition: str
    files: tuple[WrittenFile, ...] = ()
    objects: tuple[ObjectReport, ...] = ()
    refused: str | None = None


class _CarryError(Exception):
    """Rows that only bronze still has cannot be copied from its current files."""


class _ObjectFailed(Exception):
    def __init__(self, kind: ErrorKind, message: str) -> None:
        super().__init__(message)
        self.error = ObjectError(kind, message)


def parse_partition(work: PartitionWork) -> ParseReport:
    """Write the partition's rows below `work.target`; without rows there is no file.

    An object that cannot be read fails alone: none of its rows is in the files, its error is in
    the report, and the rows of its `previous` version are copied instead. If not all rows to copy
    are found in the current files, only this partition is refused: other partitions do not depend
    on it and should not wait for its repair. An error in writing raises. In both cases the files of
    this attempt are removed.
    """
    text = [field.name for field in work.format.schema if pa.types.is_string(field.type)]
    output = TaskOutput(
        work.target, work.partition, work.schema, work.store, plain=text, footer=work.footer
    )
    try:
        landed = [_land(item, work, output) for item in work.objects]
        unread = {report.id for report in landed if report.error}
        fallback = [item.previous for item in work.objects if item.id in unread and item.previous]
        carried = _carry([*fallback, *work.carry], work, output)
        return ParseReport(work.partition, output.close(), (*landed, *carried))
    except _CarryError as error:
        output.discard()
        return ParseReport(work.partition, refused=str(error))
    except BaseException:
        output.discard()
        raise


def _land(item: ObjectWork, work: PartitionWork, output: TaskOutput) -> ObjectReport:
    try:
        return ObjectReport(item.id, item.key, output.write(_parsed(item, work, output.schema)))
    except _ObjectFailed as failed:
        return ObjectReport(item.id, item.key, error=failed.error)


def _carry(
    stored: list[StoredObject], work: PartitionWork, output: TaskOutput
) -> list[ObjectReport]:
    """Copy the objects' rows, reading the current files once for all of them.

    The rows are counted: after a rollback the table may hold other rows than the ledger loaded
    last.
    """
    found = Counter[str]()
    output.write(_copied([one.key for one in stored], work, output.schema, found))
    for one in stored:
        if found[one.key] != one.rows:
            raise _CarryError(
                f"{one.key} is not in the landing bucket in the version that was loaded, and "
                f"bronze holds {found[one.key]} rows of it where the ledger has {one.rows}; land "
                "it again (its header alone, to drop its rows), or roll bronze forward to a "
                "version that has them and materialize the partition"
            )
    return [ObjectReport(one.id, one.key, one.rows) for one in stored]


def _parsed(item: ObjectWork, work: PartitionWork, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The object's rows in bronze's schema; raises _ObjectFailed for anything wrong with it."""
    constants = {
        **work.values,
        SOURCE_OBJECT: item.key,
        INGESTED_AT: item.ingested_at.astimezone(UTC),
    }
    try:
        files, path = filesystem(item.uri, work.store)
    except AmbiguousKey as error:  # recorded by an earlier release that took the key for usable
        raise _ObjectFailed("unreadable", str(error)) from error
    try:
        with files.open_input_file(path) as stream:
            small = stream.size() <= _WHOLE
            source = BytesIO(stream.read()) if small else BufferedReader(cast(RawIOBase, stream))
            for batch in work.format.read(source, key=item.key):
                columns = [
                    pa.repeat(pa.scalar(constants[name], schema.field(name).type), batch.num_rows)
                    if name in constants
                    else batch.column(name)
                    for name in schema.names
                ]
                yield pa.record_batch(columns, schema=schema)
        _check_unchanged(item, files, path)
    except UnreadableObject as error:
        _check_unchanged(item, files, path)  # a half-copied object must not fail for good
        raise _ObjectFailed("unreadable", error.message) from error
    except FileNotFoundError as error:
        raise _ObjectFailed("vanished", _VANISHED) from error
    except OSError as error:
        raise _unavailable(item, error) from error


def _unavailable(item: ObjectWork, error: OSError) -> _ObjectFailed:
    why = explanation(f"{item.uri}: {error}") or f"reading it failed: {error}"
    return _ObjectFailed("unavailable", why)


def _check_unchanged(item: ObjectWork, files: fs.FileSystem, path: str) -> None:
    try:
        info = files.get_file_info(path)
    except OSError as error:
        raise _unavailable(item, error) from error
    if info.type == fs.FileType.NotFound:
        raise _ObjectFailed("vanished", _VANISHED)
    modified = from_nanoseconds(info.mtime_ns or 0)
    if (info.size, modified) != (item.size, item.modified):
        raise _ObjectFailed(
            "changed",
            f"the ledger knows {item.size} bytes of {item.modified.isoformat()}, the bucket holds "
            f"{info.size} bytes of {modified.isoformat()}; the next tick records the new version",
        )


def _copied(
    keys: list[str], work: PartitionWork, schema: pa.Schema, found: Counter[str]
) -> Iterator[pa.RecordBatch]:
    """The objects' rows in the current files, counted by key; columns a file lacks are null."""
    wanted = dataset.field(SOURCE_OBJECT).isin(keys)
    for uri in work.present if keys else ():
        files, path = filesystem(uri, work.store)
        try:
            present = dataset.dataset([path], schema, format="parquet", filesystem=files)
            for batch in present.to_batches(filter=wanted, use_threads=False):
                for counted in batch.column(SOURCE_OBJECT).value_counts().to_pylist():
                    found[counted["values"]] += counted["counts"]
                columns = [  # rows may come from another partition's files
                    pa.repeat(pa.scalar(work.values[name], schema.field(name).type), batch.num_rows)
                    if name in work.values
                    else batch.column(name)
                    for name in schema.names
                ]
                yield pa.record_batch(columns, schema=schema)
        except (OSError, pa.ArrowException) as error:
            if is_passing(str(error)):
                raise  # a transient error: the file may be intact, so the step is retried
            why = explanation(f"{uri}: {error}") or (
                f"{error}; land it again, or roll the table back to files that are whole"
            )
            raise _CarryError(
                f"{', '.join(keys[:3])}{' and others' * (len(keys) > 3)}: not in the landing "
                f"bucket in the version that was loaded, and the rows cannot be copied from {uri}: "
                f"{why}"
            ) from error
