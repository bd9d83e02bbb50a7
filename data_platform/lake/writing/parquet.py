"""Native Parquet writing inside a Spark task: batches in, files and their figures out.

Spark's own Parquet writer costs more than the rest of a silver step together, so tasks hand
their Arrow batches to PyArrow. That gives up Spark's commit protocol, so every file has a unique
name, and only files that a finished task reported are ever published. What a failed,
retried or speculative task leaves behind is an orphan.

This module is imported by Python workers: it needs PyArrow only.
"""

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from data_platform.storage.files import Storage, new_file_name
from data_platform.storage.parquet_file import ParquetFile
from data_platform.tables.columns import ATTEMPT
from data_platform.tables.identity import Partitioning, PartitionValue, Values
from data_platform.tables.outcomes import (
    CHANGE,
    CHANGES,
    COUNTED,
    DATA,
    NAMED,
    OUTCOME,
    OUTSIDE,
    QUARANTINE,
    REASONS,
    SEPARATOR,
    WARNINGS,
    Outcome,
)

_FILE_BYTES = 256 << 20
_NAMED_AT_MOST = 20  # partitions that a report names, of those that rejected rows do

SourcePath = tuple[str] | tuple[str, str]  # a column, or a column and a member of its objects

REPORT = pa.schema(
    [
        ("outcome", pa.int32()),
        ("key", pa.string()),
        ("path", pa.string()),
        ("rows", pa.int64()),
        ("bytes", pa.int64()),
        ("rules", pa.string()),
        ("named", pa.string()),
    ]
)
REPORT_DDL = (
    "outcome int, key string, path string, rows bigint, bytes bigint, rules string, named string"
)


@dataclass(frozen=True)
class Part:
    """One outcome of a write: the table its rows go to and their columns there.

    `sources` gives the input of each column of `schema`: a column's name, or the name and a member
    for a column of JSON objects.
    """

    directory: str
    schema: pa.Schema
    sources: tuple[SourcePath, ...]

    def select(self, batch: pa.RecordBatch, attempt: str) -> pa.RecordBatch:
        """The batch's rows with the columns that they have in the part's table."""
        decoded = _decoded(batch, self.sources)
        columns = [
            _column(batch, decoded, source, field.type, attempt)
            for source, field in zip(self.sources, self.schema, strict=True)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


def _decoded(batch: pa.RecordBatch, sources: tuple[SourcePath, ...]) -> dict[str, list[dict]]:
    """The decoded rows of JSON columns whose members are used; only rejected rows have any."""
    names = {name for name, *member in sources if member}
    return {name: [json.loads(text) for text in batch.column(name).to_pylist()] for name in names}


def _column(
    batch: pa.RecordBatch,
    decoded: dict[str, list[dict]],
    source: SourcePath,
    kind: pa.DataType,
    attempt: str,
) -> pa.Array:
    name, *members = source
    if name == ATTEMPT:
        return pa.repeat(pa.scalar(attempt, kind), batch.num_rows)
    for member in members:
        return _from_text(pa.array([row.get(member) for row in decoded[name]], pa.string()), kind)
    if name == NAMED and name not in batch.schema.names:
        return pa.nulls(batch.num_rows, kind)
    column = batch.column(name)
    if kind.num_fields and pa.types.is_string(column.type):
        column = _split(column)
    return column if column.type == kind else column.cast(kind)


def _from_text(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """Values from text: timestamps with a zone as microseconds since 1970, others as written."""
    if pa.types.is_timestamp(kind) and kind.tz:
        return column.cast(pa.int64()).cast(kind)
    return column if column.type == kind else column.cast(kind)


def _split(column: pa.Array) -> pa.Array:
    return pc.call_function("split_pattern", [column], pc.SplitPatternOptions(SEPARATOR))


@dataclass(frozen=True)
class Layout:
    """How a write is laid out: partitions, attempt, and a part for each outcome."""

    partitioning: Partitioning
    attempt: str
    parts: dict[Outcome, Part]
    storage: Storage = field(default_factory=Storage)

    @property
    def partition_by(self) -> tuple[str, ...]:
        """The names of the partition columns."""
        return self.partitioning.names

    @property
    def judged(self) -> bool:
        """Whether rows have an outcome and reasons; otherwise columns so named are the table's."""
        return QUARANTINE in self.parts


def written(values: tuple[object, ...]) -> str:
    """A partition's values as text in a task's report. The driver makes the key from it, since
    Dagster, which defines how keys are written, is not imported in a task."""
    return json.dumps([_plain(value) for value in values])


def values_written(text: str) -> Values:
    """The values from the text that `written` made."""
    return tuple(_value(one) for one in json.loads(text))


def _plain(value: object) -> object:
    match value:
        case dt.datetime():
            moment = value.astimezone(dt.UTC) if value.tzinfo else value
            return {"moment": moment.isoformat()}
        case dt.date():
            return {"date": value.isoformat()}
    return value


def _value(plain: Any) -> PartitionValue:
    match plain:
        case {"moment": text}:
            return dt.datetime.fromisoformat(text)
        case {"date": text}:
            return dt.date.fromisoformat(text)
    return plain


@dataclass
class _OpenFile:
    """A file of one partition being written, and what its report says."""

    part: Part
    layout: Layout
    key: str
    path: str
    rules: Counter = field(default_factory=Counter)
    named: Counter = field(default_factory=Counter)

    def __post_init__(self) -> None:
        sink = self.layout.storage.open_output(self.path)
        self._file = ParquetFile(sink, self.part.schema)

    def write(self, batch: pa.RecordBatch) -> None:
        self._file.write(batch)

    @property
    def full(self) -> bool:
        return self._file.size >= _FILE_BYTES

    def close(self, outcome: Outcome) -> dict:
        size = self._file.close()
        return {
            "outcome": outcome,
            "key": self.key,
            "path": self.path,
            "rows": self._file.rows,
            "bytes": size,
            "rules": json.dumps(self.rules, sort_keys=True),
            "named": json.dumps(dict(self.named.most_common(_NAMED_AT_MOST))),
        }


def write_batches(batches: Iterable[pa.RecordBatch], layout: Layout) -> Iterator[pa.RecordBatch]:
    """Write all batches and report the files (schema REPORT), one row per file.

    Rows should come sorted by partition: each change of partition starts new files.
    """
    open_files: dict[Outcome, _OpenFile] = {}
    current: tuple | None = None
    reports: list[dict] = []
    counts: Counter = Counter()

    def close_all() -> None:
        reports.extend(file.close(outcome) for outcome, file in open_files.items())
        open_files.clear()

    for batch in batches:
        for values, piece in _by_partition(batch, layout.partition_by):
            if values != current:
                close_all()
                current = values
            if CHANGE in piece.schema.names:
                counts[CHANGES, written(values)] += piece.column(CHANGE).true_count
            for outcome, rows in _by_outcome(piece) if layout.judged else [(DATA, piece)]:
                if outcome in COUNTED:
                    counts[outcome, written(values)] += rows.num_rows
                    continue
                file = open_files.get(outcome)
                if file is None or file.full:
                    if file is not None:
                        reports.append(file.close(outcome))
                    key = written(values)
                    named = "|".join(map(str, values))
                    file = open_files[outcome] = open_file(layout, outcome, key, named=named)
                if layout.judged:
                    _count_rules(file.rules, rows)
                    _count_named(file.named, rows)
                file.write(layout.parts[outcome].select(rows, layout.attempt))
    close_all()
    reports.extend(_counted(outcome, key, rows) for (outcome, key), rows in counts.items())
    yield pa.RecordBatch.from_pylist(reports, schema=REPORT)


def _counted(outcome: Outcome, key: str, rows: int) -> dict:
    """The report of rows that were only counted."""
    empty = {"path": "", "bytes": 0, "rules": "{}", "named": "{}"}
    return {"outcome": outcome, "key": key, "rows": rows, **empty}


def open_file(layout: Layout, outcome: Outcome, key: str, *, named: str | None = None) -> _OpenFile:
    """A new file of one partition; its unique name starts with `named` (default: the key)."""
    part = layout.parts[outcome]
    name = new_file_name(key if named is None else named)
    return _OpenFile(part, layout, key, f"{part.directory}/{name}")


def _by_partition(
    batch: pa.RecordBatch, names: tuple[str, ...]
) -> Iterator[tuple[tuple, pa.RecordBatch]]:
    """Runs of equal partition values, in order."""
    if not batch.num_rows:
        return
    ends: set[int] = {batch.num_rows}
    for name in names:
        encoded = pc.call_function("run_end_encode", [batch.column(name)])
        ends.update(encoded.run_ends.to_pylist())
    start = 0
    for end in sorted(ends):
        values = tuple(_held(batch.column(name)[start]) for name in names)
        yield values, batch.slice(start, end - start)
        start = end


def _held(value: pa.Scalar) -> object:
    """The value; as text, which is not a partition's key, if beyond the range of Python's dates."""
    try:
        return value.as_py()
    except (OverflowError, ValueError):
        return value.cast(pa.string()).as_py()


def _by_outcome(batch: pa.RecordBatch) -> Iterator[tuple[Outcome, pa.RecordBatch]]:
    outcomes = batch.column(OUTCOME)
    present = [Outcome(each) for each in outcomes.unique().to_pylist()]
    if len(present) == 1:
        yield present[0], batch
        return
    for outcome in sorted(present):
        yield outcome, batch.filter(pc.call_function("equal", [outcomes, outcome.value]))


def _count_rules(counts: Counter, rows: pa.RecordBatch) -> None:
    """Count, by rule, the rows that break it."""
    for name in (REASONS, WARNINGS):
        if name in rows.schema.names and rows.column(name).null_count < rows.num_rows:
            for item in _split(rows.column(name).drop_null()).flatten().value_counts().to_pylist():
                counts[item["values"]] += item["counts"]


def _count_named(counts: Counter, rows: pa.RecordBatch) -> None:
    """Count, by the partition they name, the rows that are rejected for naming another one."""
    if NAMED not in rows.schema.names:
        return
    options = pc.MatchSubstringOptions(OUTSIDE)
    outside = pc.call_function("ends_with", [rows.column(REASONS)], options)
    for item in rows.filter(outside).column(NAMED).value_counts().to_pylist():
        counts[item["values"] or "null"] += item["counts"]
