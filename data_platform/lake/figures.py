"""Figures of a published table, from its metadata: no data file is read."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pyiceberg.manifest import DataFile

from data_platform.lake.catalog import LakeTable
from data_platform.lake.files import Files, files_by_partition, partitioning_of
from data_platform.tables.identity import Partitioning


@dataclass(frozen=True)
class TableFigures:
    """Rows, bytes of data files and number of partitions of a table; of its newest partition with
    rows, the share of nulls by column, and when it ended (None for a table without times).

    A table that is not partitioned by time has its null rates over all partitions.
    """

    rows: int
    bytes: int
    partitions: int
    null_rates: Mapping[str, float]
    newest_end: dt.datetime | None


@dataclass(frozen=True)
class PeriodFigures:
    """Rows, bytes and null rates of the partitions `keys` of one time, as `2011-03-04`; of one
    partition of a table without times."""

    label: str
    keys: Sequence[str]
    rows: int
    bytes: int
    null_rates: Mapping[str, float]


def figures(table: LakeTable, found: Files | None = None) -> TableFigures:
    """The figures of the table's present version, whose files are `found` if they are known."""
    found = files_by_partition(table) if found is None else found
    files = [file for of in found.values() for file in of]
    ends = _ends(
        [key for key, of in found.items() if any(file.record_count for file in of)],
        partitioning_of(table),
    )
    newest = max(ends.values(), default=None)
    seen = [file for key, end in ends.items() if end == newest for file in found[key]]
    return TableFigures(
        sum(file.record_count for file in files),
        sum(file.file_size_in_bytes for file in files),
        len(found),
        _null_rates(table, seen if newest else files),
        newest,
    )


def periods(table: LakeTable, found: Files, most: int) -> list[PeriodFigures]:
    """The figures of the table's times, of these files by partition: the newest `most`, the newest
    last. Without times, its partitions in the order of their keys."""
    ends, partitioning = _ends(list(found), partitioning_of(table)), partitioning_of(table)
    timed = [bool(column.times) for column in partitioning.columns]
    by_label: dict[str, list[str]] = {}
    for key in sorted(found, key=lambda key: (ends[key], key) if ends else key):
        label = partitioning.parts(key)[timed.index(True)] if ends else key
        by_label.setdefault(label, []).append(key)
    kept = list(by_label.items())[-most:] if ends else list(by_label.items())[:most]
    return [_period(table, label, keys, found) for label, keys in kept]


def _period(table: LakeTable, label: str, keys: Sequence[str], found: Files) -> PeriodFigures:
    files = [file for key in keys for file in found[key]]
    return PeriodFigures(
        label,
        tuple(keys),
        sum(file.record_count for file in files),
        sum(file.file_size_in_bytes for file in files),
        _null_rates(table, files),
    )


def _ends(keys: Sequence[str], partitioning: Partitioning) -> dict[str, dt.datetime]:
    """When each partition ends, by its first column of times."""
    for position, column in enumerate(partitioning.columns):
        if times := column.times:
            return {key: times.span(partitioning.parts(key)[position])[1] for key in keys}
    return {}


def _null_rates(table: LakeTable, files: Iterable[DataFile]) -> dict[str, float]:
    """By column, of those that may have nulls and whose nulls every file counts."""
    rows, nulls, counting = 0, Counter[int](), None
    for file in files:
        counts = file.null_value_counts or {}
        nulls.update(counts)
        rows += file.record_count
        counting = set(counts) if counting is None else counting & set(counts)
    return {
        column.name: nulls[column.field_id] / rows
        for column in table.schema().fields
        if rows and not column.required and column.field_id in (counting or ())
    }
