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
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from data_platform.lake.writing.layout import Layout, Part, split
from data_platform.storage.files import new_file_name
from data_platform.storage.parquet_file import ParquetFile
from data_platform.tables.identity import PartitionValue, Values
from data_platform.tables.outcomes import (
    CHANGE,
    CHANGES,
    COUNTED,
    DATA,
    NAMED,
    OUTCOME,
    OUTSIDE,
    REASONS,
    WARNINGS,
    Outcome,
)

_FILE_BYTES = 256 << 20
# Of one task:
_PARTITIONS = 64  # that it writes to in turns
_OPEN_FILES = 16
_WAITING_BYTES = 64 << 20  # of rows that are in no file yet
_NAMED_AT_MOST = 20  # partitions that a report names, of those that rejected rows do

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
        sink = partial(self.layout.storage.open_output, self.path)
        self._file = ParquetFile(sink, self.part.schema, footer=self.layout.origin)

    def write(self, rows: pa.RecordBatch) -> None:
        if self.layout.judged:
            _count_rules(self.rules, rows)
            _count_named(self.named, rows)
        selected = self.part.select(rows, self.layout.constants)
        if 2 * selected.nbytes < selected.get_total_buffer_size():
            # A part of a batch keeps all of it in memory.
            selected = selected.take(pa.array(range(selected.num_rows)))
        self._file.write(selected)

    @property
    def waiting(self) -> int:
        return self._file.waiting

    @property
    def is_open(self) -> bool:
        return self._file.is_open

    def flush(self) -> None:
        self._file.flush()

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

    Rows should come roughly sorted by partition: a partition whose rows come back after those of
    _PARTITIONS others gets another file.
    """
    open_partitions = _OpenPartitions(layout)
    counts: Counter = Counter()
    for batch in batches:
        for values, piece in _by_partition(batch, layout.partition_by):
            if CHANGE in piece.schema.names:
                counts[CHANGES, written(values)] += piece.column(CHANGE).true_count
            for outcome, rows in _by_outcome(piece) if layout.judged else [(DATA, piece)]:
                if outcome in COUNTED:
                    counts[outcome, written(values)] += rows.num_rows
                else:
                    open_partitions.write(values, outcome, rows)
    reports = open_partitions.close()
    reports.extend(_counted(outcome, key, rows) for (outcome, key), rows in counts.items())
    yield pa.RecordBatch.from_pylist(reports, schema=REPORT)


class _OpenPartitions:
    """The files being written, by partition. Memory and open files are bounded: when many rows
    wait, those of the file with the most are written; when there are many partitions or open files,
    the partition that was written to least recently is closed."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._files: dict[tuple, dict[Outcome, _OpenFile]] = {}  # the most recent partition is last
        self._reports: list[dict] = []

    def write(self, values: tuple, outcome: Outcome, rows: pa.RecordBatch) -> None:
        files = self._files[values] = self._files.pop(values, {})
        file = files.get(outcome)
        if file is None or file.full:
            if file is not None:
                self._reports.append(file.close(outcome))
            key, named = written(values), "|".join(map(str, values))
            file = files[outcome] = open_file(self._layout, outcome, key, named=named)
        file.write(rows)
        self._bound()

    def close(self) -> list[dict]:
        """Close all files. Returns the report of every file that was written."""
        for values in list(self._files):
            self._close(values)
        return self._reports

    def _bound(self) -> None:
        files = [file for of in self._files.values() for file in of.values()]
        if sum(file.waiting for file in files) > _WAITING_BYTES:
            max(files, key=lambda file: file.waiting).flush()
        if len(self._files) > _PARTITIONS or sum(file.is_open for file in files) > _OPEN_FILES:
            self._close(next(iter(self._files)))

    def _close(self, values: tuple) -> None:
        self._reports.extend(
            file.close(outcome) for outcome, file in self._files.pop(values).items()
        )


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
            for item in split(rows.column(name).drop_null()).flatten().value_counts().to_pylist():
                counts[item["values"]] += item["counts"]


def _count_named(counts: Counter, rows: pa.RecordBatch) -> None:
    """Count, by the partition they name, the rows that are rejected for naming another one."""
    if NAMED not in rows.schema.names:
        return
    options = pc.MatchSubstringOptions(OUTSIDE)
    outside = pc.call_function("ends_with", [rows.column(REASONS)], options)
    for item in rows.filter(outside).column(NAMED).value_counts().to_pylist():
        counts[item["values"] or "null"] += item["counts"]
