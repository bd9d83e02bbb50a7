"""Staging: write an attempt's files where nobody reads them yet, and report them."""

import json
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa
from pyiceberg.table import Table
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from data_platform.engine.shuffles import gathered
from data_platform.lake.files import StagedFile, partitioning_of
from data_platform.lake.origin import origin
from data_platform.lake.reads import columns_of
from data_platform.lake.schema import arrow_columns_of
from data_platform.lake.writing.layout import Layout, Part, SourcePath
from data_platform.lake.writing.parquet import REPORT_DDL, open_file, values_written, write_batches
from data_platform.storage.files import Storage
from data_platform.tables.outcomes import COUNTED, DATA, Outcome

_HASHES = 200  # over which partitions are distributed; if few share one, only large ones are split


def new_attempt(run_id: str) -> str:
    """A unique name, so that a killed run and its rerun never share a folder."""
    return f"{run_id[:8]}-{uuid.uuid4().hex[:12]}"


def directory(table: Table, attempt: str) -> str:
    """The directory of an attempt's data files."""
    return f"{table.location()}/data/{attempt}"


@dataclass(frozen=True)
class Staged:
    """The files of one attempt by outcome; by partition, how many rows break each rule, and how
    many are rejected for each other partition that they name; and by outcome and partition, how
    many rows were only counted (COUNTED)."""

    files: Mapping[Outcome, tuple[StagedFile, ...]]
    rules: Mapping[str, Counter] = field(default_factory=dict)
    named: Mapping[str, Counter] = field(default_factory=dict)
    counts: Mapping[Outcome, Mapping[str, int]] = field(default_factory=dict)

    @staticmethod
    def together(parts: Iterable["Staged"]) -> "Staged":
        """The union of several jobs of one attempt, each with its own partitions."""
        files: dict[Outcome, tuple[StagedFile, ...]] = {}
        rules, named = {}, {}
        counts: dict[Outcome, dict[str, int]] = {}
        for each in parts:
            files |= {k: (*files.get(k, ()), *found) for k, found in each.files.items()}
            rules.update(each.rules)
            named.update(each.named)
            counts |= {k: {**counts.get(k, {}), **found} for k, found in each.counts.items()}
        return Staged(files, rules, named, counts)

    def counted(self, outcome: Outcome) -> Mapping[str, int]:
        """Rows by partition key that were counted, not written."""
        return self.counts.get(outcome, {})

    def rows(self, outcome: Outcome) -> Counter:
        """Rows on disk by partition key."""
        counts: Counter = Counter()
        for file in self.files.get(outcome, ()):
            counts[file.key] += file.rows
        return counts


def part(table: Table, attempt: str, sources: Mapping[str, SourcePath] | None = None) -> Part:
    """The part of a layout that goes to `table`; `sources` where input names differ."""
    schema = arrow_columns_of(table)
    own: list[SourcePath] = [(name,) for name in schema.names]
    renamed = sources or {}
    return Part(directory(table, attempt), schema, tuple(renamed.get(s[0], s) for s in own))


def stage(frame: DataFrame, layout: Layout, *, clustered: bool = False) -> Staged:
    """Write a DataFrame in one Spark job, each partition's rows together.

    `clustered` says that the rows already come sorted by partition within each task. Otherwise they
    are shuffled, and Spark then decides by their bytes
    (`spark.sql.adaptive.advisoryPartitionSizeInBytes`): small partitions share a task, a large one
    is split among several.
    """
    _make_folders(layout)
    if not clustered and layout.partition_by:
        columns = [F.col(name) for name in layout.partition_by]
        frame = gathered(frame, _HASHES, columns)
    reports = frame.mapInArrow(lambda batches: write_batches(batches, layout), REPORT_DDL).collect()
    return _staged([row.asDict() for row in reports], layout)


def stage_arrow(data: pa.Table, layout: Layout) -> Staged:
    """Write a table in memory, without Spark."""
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
    partitioning = partitioning_of(table)
    empty = []
    for key in sorted(set(keys) - present):
        partitioning.values(key)  # an invalid key must not become a file
        report = open_file(layout, DATA, key).close(DATA)
        empty.append(StagedFile(key, report["path"], 0, report["bytes"]))
    files = {**staged.files, DATA: (*staged.files.get(DATA, ()), *empty)}
    return replace(staged, files=files)


def staged_rows(
    staged: Staged, key: str, table: Table, spark: SparkSession, outcome: Outcome = DATA
) -> DataFrame:
    """What was written of one partition, as a reader of the table would see it."""
    paths = [file.path for file in staged.files.get(outcome, ()) if file.key == key and file.rows]
    schema = columns_of(table)
    if not paths:
        return spark.createDataFrame([], schema)
    return spark.read.schema(schema).parquet(*paths)


def _make_folders(layout: Layout) -> None:
    for target in layout.parts.values():
        layout.storage.make_folder(target.directory)


def _staged(reports: list[dict], layout: Layout) -> Staged:
    files: dict[Outcome, list[StagedFile]] = defaultdict(list)
    rules: dict[str, Counter] = defaultdict(Counter)
    named: dict[str, Counter] = defaultdict(Counter)
    counts: dict[Outcome, Counter] = defaultdict(Counter)
    for report in reports:
        key, outcome = layout.partitioning.key(values_written(report["key"])), report["outcome"]
        if outcome in COUNTED:
            counts[Outcome(outcome)][key] += report["rows"]
            continue
        file = StagedFile(key, report["path"], report["rows"], report["bytes"])
        files[Outcome(outcome)].append(file)
        rules[file.key].update(json.loads(report["rules"]))
        named[file.key].update(json.loads(report["named"]))
    by_outcome = {outcome: tuple(of) for outcome, of in files.items()}
    return Staged(by_outcome, dict(rules), dict(named), dict(counts))


def plain_layout(table: Table, attempt: str, storage: Storage, run_id: str = "") -> Layout:
    """A write without quarantine: every row goes to the table. Its files name the run, if any."""
    from_run = origin(run_id) if run_id else {}
    parts = {DATA: part(table, attempt)}
    return Layout(partitioning_of(table), attempt, parts, storage, from_run)
