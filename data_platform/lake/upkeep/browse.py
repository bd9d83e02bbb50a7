"""Browsing tables: what they hold, their history, and their rows. Reads only."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.expressions import AlwaysTrue, BooleanExpression, EqualTo
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from data_platform.lake.catalog import Lake
from data_platform.lake.errors import NotThere
from data_platform.lake.files import (
    files_by_partition,
    partitioning_of,
    snapshots_in_order,
    versions,
)
from data_platform.lake.refusals import Guard, strict
from data_platform.lake.sizes import size_of
from data_platform.tables.identity import TableId, Values


@dataclass(frozen=True)
class TableFigures:
    """What a table holds now. `committed` is in UTC, None for a table never written.

    `history_bytes` is the size of files that only old snapshots refer to.
    """

    table: str
    rows: int
    partitions: int
    files: int
    bytes: int
    history_bytes: int
    committed: dt.datetime | None
    run: str | None


@dataclass(frozen=True)
class SnapshotFigures:
    """One commit: the rows and partitions the table had with it, and what it changed."""

    snapshot: int
    committed: dt.datetime
    run: str
    partitions: int
    added_rows: int
    deleted_rows: int
    total_rows: int
    current: bool


@dataclass(frozen=True)
class PartitionFigures:
    """One version of a partition: the commit that published it, and its rows.

    If that commit's snapshot has expired, the oldest snapshot with the version, without time and
    run.
    """

    snapshot: int
    committed: dt.datetime | None
    run: str
    version: str
    rows: int


def figures(lake: Lake, guard: Guard = strict) -> Iterator[TableFigures]:
    """The figures of every table of the catalog that was ever written."""
    for table_id in lake.tables():
        with guard(table_id):
            table = lake.load(table_id)
            if snapshot := table.current_snapshot():
                yield _figures(table_id, table, snapshot)


def _figures(table_id: TableId, table: Table, snapshot: Snapshot) -> TableFigures:
    files = files_by_partition(table)
    flat = [file for group in files.values() for file in group]
    return TableFigures(
        table=str(table_id),
        rows=sum(file.record_count for file in flat),
        partitions=len(files),
        files=len(flat),
        bytes=sum(file.file_size_in_bytes for file in flat),
        history_bytes=size_of(table_id, table).history,
        committed=_moment(snapshot),
        run=_summary(snapshot).get("data_platform.run"),
    )


def history(table: Table) -> list[SnapshotFigures]:
    """A table's snapshots, newest first."""
    current = table.current_snapshot()
    return [
        SnapshotFigures(
            snapshot=snapshot.snapshot_id,
            committed=_moment(snapshot),
            run=_summary(snapshot).get("data_platform.run", ""),
            partitions=int(_summary(snapshot).get("data_platform.partitions", 0)),
            added_rows=int(_summary(snapshot).get("added-records", 0)),
            deleted_rows=int(_summary(snapshot).get("deleted-records", 0)),
            total_rows=int(_summary(snapshot).get("total-records", 0)),
            current=current is not None and snapshot.snapshot_id == current.snapshot_id,
        )
        for snapshot in reversed(snapshots_in_order(table))
    ]


def partition_history(table: Table, partition: str) -> list[PartitionFigures]:
    """The versions of a partition, newest first, as far back as the table has snapshots.

    Raises NotThere if the key is not valid for the table's partitions.
    """
    partition = partitioning_of(table).key(require_partition(table, partition))
    found: list[PartitionFigures] = []
    before = ""
    for snapshot in snapshots_in_order(table):
        files = files_by_partition(table, [partition], snapshot.snapshot_id)
        version = versions(files).get(partition, "")
        if version != before:
            run = _summary(snapshot).get("data_platform.run", "")
            # The oldest snapshot still there has versions of expired ones.
            known = bool(found) or version.startswith(run[:8])
            found.append(
                PartitionFigures(
                    snapshot=snapshot.snapshot_id,
                    committed=_moment(snapshot) if known else None,
                    run=run if known else "",
                    version=version,
                    rows=sum(file.record_count for file in files.get(partition, ())),
                )
            )
        before = version
    return found[::-1]


def rows(
    table: Table,
    *,
    partition: str | None = None,
    snapshot: int | None = None,
    limit: int | None = None,
) -> pa.RecordBatchReader:
    """The rows of a table, of one partition, or as of a snapshot, a batch at a time."""
    require_snapshot(table, snapshot)
    scan = table.scan(row_filter=_filter(table, partition), snapshot_id=snapshot, limit=limit)
    return scan.to_arrow_batch_reader()


def count(table: Table, *, partition: str | None = None, snapshot: int | None = None) -> int:
    """The number of `rows`, by the metadata alone."""
    require_snapshot(table, snapshot)
    found = files_by_partition(table, key_of(table, partition), snapshot).values()
    return sum(file.record_count for group in found for file in group)


def key_of(table: Table, partition: str | None) -> list[str] | None:
    """A partition's key as the table writes it, in a list; None for the whole table.

    Raises NotThere if it is not valid for the table's partitions.
    """
    partitioning = partitioning_of(table)
    if partition is None or not partitioning.columns:
        return None
    return [partitioning.key(require_partition(table, partition))]


def first_row(table: Table, path: str) -> dict:
    """The first row of one of its data files, published or not, with plain Python values."""
    [row] = first_rows(table, path, 1)
    return row


def first_rows(
    table: Table, path: str, most: int, columns: Sequence[str] | None = None
) -> list[dict]:
    """The first rows of one of its data files, likewise; of all columns but these nothing is
    read."""
    with table.io.new_input(path).open() as stream:
        batches = pq.ParquetFile(stream).iter_batches(most, columns=columns)
        batch = next(batches, None)
    return as_python(pa.Table.from_batches([batch])) if batch else []


def as_python(found: pa.Table) -> list[dict]:
    """The rows as dicts; a column with a date or time beyond Python's range is all text."""
    columns = {name: _values(found.column(name)) for name in found.column_names}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _values(column: pa.ChunkedArray) -> list:
    try:
        return column.to_pylist()
    except OverflowError:
        return column.cast(pa.string()).to_pylist()


def require_snapshot(table: Table, snapshot: int | None) -> None:
    """Raises NotThere if the table does not have the snapshot."""
    if snapshot is not None and table.snapshot_by_id(snapshot) is None:
        known = ", ".join(str(s.snapshot_id) for s in table.snapshots()[-5:])
        raise NotThere(
            f"{TableId.of(table.name())} has no snapshot {snapshot}; "
            f"its newest are {known or 'none'}"
        )


def require_partition(table: Table, partition: str) -> Values:
    """The values of a partition key. Raises NotThere if it is not valid for the table."""
    partitioning = partitioning_of(table)
    try:
        return partitioning.values(partition)
    except ValueError as error:
        raise NotThere(
            f"{partition!r} is not a partition of {TableId.of(table.name())}: it is partitioned by "
            f"{', '.join(partitioning.names)} ({error})"
        ) from error


def _filter(table: Table, partition: str | None) -> BooleanExpression:
    partitioning = partitioning_of(table)
    if partition is None or not partitioning.columns:
        return AlwaysTrue()
    values = require_partition(table, partition)
    return reduce(
        lambda left, right: left & right,
        (
            _equal(name, value.isoformat() if isinstance(value, dt.date) else value)
            for name, value in zip(partitioning.names, values, strict=True)
        ),
    )


def _equal(name: str, literal: object) -> BooleanExpression:
    return EqualTo(name, literal)  # type: ignore[call-arg]  # its stub lacks the arguments


def _summary(snapshot: Snapshot) -> dict[str, str]:
    return snapshot.summary.additional_properties if snapshot.summary else {}


def _moment(snapshot: Snapshot) -> dt.datetime:
    return dt.datetime.fromtimestamp(snapshot.timestamp_ms / 1000, dt.UTC)


def keyed(table: Table, found: Iterable[dict]) -> Iterator[tuple[str, dict]]:
    """Each row with the key of its partition."""
    partitioning = partitioning_of(table)
    for row in found:
        yield partitioning.key(tuple(row[name] for name in partitioning.names)), row


def partition_rows(lake: Lake, table_id: TableId) -> dict[str, int]:
    """Rows of every published partition; nothing for a table that was never written."""
    table = lake.find(table_id)
    files = files_by_partition(table) if table else {}
    return {key: sum(file.record_count for file in group) for key, group in files.items()}
