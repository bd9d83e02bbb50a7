"""A table's data files: the live ones of each partition, and the entries of new ones.

The version of a partition is the attempt that wrote its files, which is part of their path:
`{location}/data/{attempt}/{file}.parquet`. All live files of a partition have one version. A
partition that was built from inputs without rows has one file without rows, which tells "empty"
from "never built".
"""

import datetime as dt
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.expressions import AlwaysTrue, BooleanExpression, In
from pyiceberg.expressions.visitors import manifest_evaluator
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat, ManifestFile
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.typedef import Record

from data_platform.lake.file_io import LakeFileIO
from data_platform.lake.reads import spark_type
from data_platform.lake.statistics import statistics_of
from data_platform.storage.errors import LakeError
from data_platform.storage.object_store import is_object
from data_platform.tables.identity import PartitionColumn, Partitioning, PartitionValue, Values
from data_platform.tables.partition_times import from_properties

Files = dict[str, list[DataFile]]  # live files by partition key

_EPOCH = dt.datetime(1970, 1, 1)
_FOOTER_READERS = 8


def attempt_of(path: str) -> str:
    """`.../data/3f2a-0/2011-03-04-0.parquet` -> `3f2a-0`."""
    return path.rsplit("/", 2)[-2]


def snapshots_in_order(table: Table) -> list[Snapshot]:
    """The table's snapshots, oldest first, in the order of their commits: timestamps do not tell,
    since a clock may have been set back."""
    return sorted(table.snapshots(), key=lambda snapshot: snapshot.sequence_number or 0)


def partitioning_of(table: Table) -> Partitioning:
    """The table's partition columns."""
    schema, times = table.schema(), from_properties(table.properties)
    return Partitioning(
        tuple(
            PartitionColumn(
                field.name,
                spark_type(schema.find_field(field.source_id).field_type),
                times.get(field.name),
            )
            for field in table.spec().fields
        )
    )


def stored(value: PartitionValue) -> str | int:
    """The value as Iceberg stores it: dates as days, timestamps as microseconds since 1970."""
    match value:
        case dt.datetime():
            return (value.replace(tzinfo=None) - _EPOCH) // dt.timedelta(microseconds=1)
        case dt.date():
            return (value - _EPOCH.date()).days
    return value


def _loaded(value: str | int, kind: str) -> PartitionValue:
    match kind:
        case "date":
            return _EPOCH.date() + dt.timedelta(days=int(value))
        case "timestamp" | "timestamp_ntz":
            moment = _EPOCH + dt.timedelta(microseconds=int(value))
            return moment if kind == "timestamp_ntz" else moment.replace(tzinfo=dt.UTC)
    return value


def partition_record(file: DataFile) -> tuple[str | int, ...]:
    """The partition values of a file as Iceberg stores them."""
    return tuple(file.partition[i] for i in range(len(file.partition)))


def key_of(file: DataFile, partitioning: Partitioning) -> str:
    """The partition key of a live file."""
    values = (
        _loaded(value, column.type.typeName())
        for value, column in zip(partition_record(file), partitioning.columns, strict=True)
    )
    return partitioning.key(tuple(values))


def partition_filter(partitioning: Partitioning, wanted: Iterable[Values]) -> BooleanExpression:
    """A filter that holds for every row of the wanted partitions.

    With one partition column it is exact. With several it is the product of their values: a tree
    with a branch for each partition would cost more to evaluate than the few files it saves.
    """
    wanted = list(wanted)
    return reduce(
        lambda left, right: left & right,
        (
            _in(column.name, {_literal(values[position]) for values in wanted})
            for position, column in enumerate(partitioning.columns)
        ),
        AlwaysTrue(),
    )


def _in(name: str, literals: set) -> BooleanExpression:
    return In(name, literals)  # type: ignore[call-arg]  # its stub lacks the arguments


def _literal(value: PartitionValue):
    return value.isoformat() if isinstance(value, dt.date | dt.datetime) else value


def manifest_filter(table: Table, wanted: Iterable[Values]) -> Callable[[ManifestFile], bool]:
    """Whether a manifest may list files of the wanted partitions (from its summaries alone)."""
    partitioning = partitioning_of(table)
    row_filter = partition_filter(partitioning, wanted)
    return manifest_evaluator(table.spec(), table.schema(), row_filter)


def files_by_partition(
    table: Table,
    keys: Iterable[str] | None = None,
    snapshot_id: int | None = None,
    *,
    listed: dict[str, list[DataFile]] | None = None,
) -> Files:
    """The live data files of the partitions `keys` (None: of all) by key, in one snapshot.

    `listed` caches the files of manifests by their path; the manifests read now are added to it
    (see `lake.look`).
    """
    snapshot = table.snapshot_by_id(snapshot_id) if snapshot_id else table.current_snapshot()
    if snapshot is None:
        return {}
    partitioning = partitioning_of(table)
    wanted = None if keys is None else {k: _record(partitioning.values(k)) for k in keys}
    relevant: Callable[[ManifestFile], bool] = lambda _: True  # noqa: E731
    if wanted is not None:
        relevant = manifest_filter(table, map(partitioning.values, wanted))
    records = None if wanted is None else set(wanted.values())
    found: Files = {}
    for manifest in snapshot.manifests(table.io):
        has_live = manifest.has_added_files() or manifest.has_existing_files()
        if not has_live or not relevant(manifest):
            continue
        for file in _files_of(manifest, table.io, {} if listed is None else listed):
            if records is None or partition_record(file) in records:
                found.setdefault(key_of(file, partitioning), []).append(file)
    return found


def _files_of(
    manifest: ManifestFile, io: FileIO, listed: dict[str, list[DataFile]]
) -> list[DataFile]:
    if manifest.manifest_path not in listed:
        entries = manifest.fetch_manifest_entry(io, discard_deleted=True)
        listed[manifest.manifest_path] = [entry.data_file for entry in entries]
    return listed[manifest.manifest_path]


def _record(values: Values) -> tuple[str | int, ...]:
    return tuple(map(stored, values))


def some(keys: list[str]) -> str:
    """The first of the keys, for a message."""
    return ", ".join(keys[:5]) + (f" and {len(keys) - 5} more" if len(keys) > 5 else "")


def versions(files: Files) -> dict[str, str]:
    """The version (attempt) of each partition."""
    return {key: attempt_of(found[0].file_path) for key, found in files.items()}


@dataclass(frozen=True)
class StagedFile:
    """A file that is written but not published: its partition, path, rows and bytes."""

    key: str
    path: str
    rows: int
    bytes: int


def data_files(table: Table, staged: Iterable[StagedFile]) -> list[DataFile]:
    """The files' entries for a commit, read back from disk.

    Raises LakeError if a file is not what its writer reported: it has another size, another number
    of rows, or rows of another partition.
    """
    found, refused = sound_files(table, staged)
    if refused:
        raise LakeError("; ".join(refused.values()))
    return found


def sound_files(
    table: Table, staged: Iterable[StagedFile]
) -> tuple[list[DataFile], dict[str, str]]:
    """The entries of the files that are what their writer reported, and for each partition with
    another file, which one and why.

    Errors of the store are raised: they say nothing about a file.
    """
    schema, spec, partitioning = table.schema(), table.spec(), partitioning_of(table)
    plan = compute_statistics_plan(schema, table.properties)
    ids = parquet_path_to_id_mapping(schema)

    def read(file: StagedFile) -> DataFile:
        footer = _footer(table, file)
        statistics = statistics_of(footer, plan, ids)
        expected = Record(*_record(partitioning.values(file.key)))
        if file.rows and statistics.partition(spec, schema) != expected:
            raise LakeError(f"{file.path} holds rows of another partition than {file.key}")
        return DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=file.path,
            file_format=FileFormat.PARQUET,
            partition=expected,
            file_size_in_bytes=file.bytes,
            sort_order_id=None,
            spec_id=spec.spec_id,
            equality_ids=None,
            key_metadata=None,
            **statistics.to_serialized_dict(),
        )

    def tried(file: StagedFile) -> DataFile | tuple[str, str]:
        try:
            return read(file)
        except LakeError as error:
            return file.key, str(error)
        except (FileNotFoundError, ValueError, KeyError, pa.ArrowException) as error:
            return file.key, f"{file.path}, which was written for {file.key}: {error}"

    with ThreadPoolExecutor(_FOOTER_READERS) as pool:
        results = list(pool.map(tried, staged))
    refused = dict(result for result in results if isinstance(result, tuple))
    return [result for result in results if isinstance(result, DataFile)], refused


def _footer(table: Table, file: StagedFile) -> pq.FileMetaData:
    """The file's footer. Raises LakeError if rows or bytes are not as reported."""
    footer, size = _read_footer(table.io, file)
    if footer.num_rows != file.rows:
        raise LakeError(
            f"{file.path} holds {footer.num_rows} rows and its writer reported {file.rows}"
        )
    if size != file.bytes:
        raise LakeError(f"{file.path} has {size} bytes and its writer reported {file.bytes}")
    return footer


def _read_footer(io: FileIO, file: StagedFile) -> tuple[pq.FileMetaData, int]:
    assert isinstance(io, LakeFileIO)
    if is_object(file.path):
        # Asking for the size would be a request of its own. In a file of another size there is
        # usually no footer at this place, and it is read the slow way.
        with suppress(OSError, pa.ArrowException):
            return io.footer(file.path, file.bytes), file.bytes
    with io.new_input(file.path).open() as stream:
        return pq.read_metadata(stream), stream.seek(0, os.SEEK_END)
