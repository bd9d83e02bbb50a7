"""Staging: write an attempt's files where nobody reads them yet, and say what is there."""

import json
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
from pyiceberg.table import Table
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from data_platform.lake.files import StagedFile, partitioning
from data_platform.lake.parquet import (
    DATA,
    REPORT_DDL,
    Layout,
    Part,
    SourcePath,
    open_file,
    values_written,
    write_batches,
)
from data_platform.lake.schema import arrow_schema
from data_platform.lake.storage import Storage


def new_attempt(run_id: str) -> str:
    """A name no other write has: a killed run and its rerun never share a folder."""
    return f"{run_id[:8]}-{uuid.uuid4().hex[:12]}"


def directory(table: Table, attempt: str) -> str:
    return f"{table.location()}/data/{attempt}"


@dataclass(frozen=True)
class Staged:
    """The files of one attempt by outcome, and how many rows break which rule, by partition."""

    files: Mapping[int, tuple[StagedFile, ...]]
    rules: Mapping[str, Counter] = field(default_factory=dict)

    def rows(self, outcome: int) -> Counter:
        """Rows on disk by partition key."""
        counts: Counter = Counter()
        for file in self.files.get(outcome, ()):
            counts[file.key] += file.rows
        return counts


def part(table: Table, attempt: str, sources: Mapping[str, SourcePath] | None = None) -> Part:
    """The part of a layout that goes to `table`; `sources` where input names differ."""
    schema = arrow_schema(table.schema())
    own: list[SourcePath] = [(name,) for name in schema.names]
    renamed = sources or {}
    return Part(directory(table, attempt), schema, tuple(renamed.get(s[0], s) for s in own))


def stage(frame: DataFrame, layout: Layout, *, buckets: int = 1, clustered: bool = False) -> Staged:
    """Write a DataFrame in one Spark job, each partition's rows together.

    `buckets` spreads the rows of every partition over that many tasks (large partitions);
    `clustered` says that the rows already come sorted by partition within each task.
    """
    _make_folders(layout)
    if not clustered and layout.partition_by:
        columns = [F.col(name) for name in layout.partition_by]
        spread = [*columns, (F.rand(7) * buckets).cast("int")] if buckets > 1 else columns
        frame = frame.repartition(*spread).sortWithinPartitions(*columns)
    reports = frame.mapInArrow(lambda batches: write_batches(batches, layout), REPORT_DDL).collect()
    return _staged([row.asDict() for row in reports], layout)


def stage_arrow(data: pa.Table, layout: Layout) -> Staged:
    """The same for a table in memory, without Spark."""
    _make_folders(layout)
    if layout.partition_by:
        data = data.sort_by([(name, "ascending") for name in layout.partition_by])
    reports = [
        row
        for report in write_batches(data.combine_chunks().to_batches(), layout)
        for row in report.to_pylist()
    ]
    return _staged(reports, layout)


def with_empty_partitions(
    staged: Staged, table: Table, layout: Layout, keys: Iterable[str]
) -> Staged:
    """Add a file without rows for every key that got none: built, and empty."""
    present = {file.key for file in staged.files.get(DATA, ())}
    scheme = partitioning(table)
    empty = []
    for key in sorted(set(keys) - present):
        scheme.values(key)  # a key of another kind must not become a file
        report = open_file(layout, DATA, key).close(DATA)
        empty.append(StagedFile(key, report["path"], 0, report["bytes"]))
    files = {**staged.files, DATA: (*staged.files.get(DATA, ()), *empty)}
    return Staged(files, staged.rules)


def _make_folders(layout: Layout) -> None:
    for target in layout.parts.values():
        layout.storage.make_folder(target.directory)


def _staged(reports: list[dict], layout: Layout) -> Staged:
    files: dict[int, list[StagedFile]] = defaultdict(list)
    rules: dict[str, Counter] = defaultdict(Counter)
    for report in reports:
        key = layout.scheme.key(values_written(report["key"]))
        file = StagedFile(key, report["path"], report["rows"], report["bytes"])
        files[report["outcome"]].append(file)
        rules[file.key].update(json.loads(report["rules"]))
    return Staged({k: tuple(v) for k, v in files.items()}, dict(rules))


def plain_layout(table: Table, attempt: str, storage: Storage) -> Layout:
    """A write without quarantine: every row goes to the table."""
    return Layout(partitioning(table), attempt, {DATA: part(table, attempt)}, storage)
