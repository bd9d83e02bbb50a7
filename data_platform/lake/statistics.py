"""Compute a data file's statistics for a commit, for every file that can be read.

Bounds only help readers and may be missing. Python's dates cover the years 1 to 9999, and the
upper bound of a truncated text may not be valid UTF-8: such a column is listed without bounds.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import (
    DataFileStatistics,
    MetricModeTypes,
    MetricsMode,
    StatisticsCollector,
    StatsAggregator,
    data_file_statistics_from_parquet_metadata,
)

Collectors = Mapping[int, StatisticsCollector]  # by field id

_NONE, _COUNTS = (MetricsMode(kind) for kind in (MetricModeTypes.NONE, MetricModeTypes.COUNTS))
_UNWRITABLE = (OverflowError, ValueError, pa.ArrowException)


def statistics_of(
    footer: pq.FileMetaData, plan: Collectors, ids: Mapping[str, int]
) -> DataFileStatistics:
    """Counts of all columns, and bounds of the columns whose bounds can be written.

    Raises ValueError or KeyError if a column has another type than in the table, or is not in it.
    """
    with_bounds = dict(plan)
    try:
        return _serializable(footer, with_bounds, ids)
    except _UNWRITABLE:
        _require_types(footer, plan, ids)
        without = {id_: replace(plan[id_], mode=_COUNTS) for id_ in _failing(footer, plan, ids)}
        return _serializable(footer, with_bounds | without, ids)


def _serializable(
    footer: pq.FileMetaData, plan: dict[int, StatisticsCollector], ids: Mapping[str, int]
) -> DataFileStatistics:
    found = data_file_statistics_from_parquet_metadata(footer, plan, dict(ids))
    found.to_serialized_dict()
    return found


def _failing(footer: pq.FileMetaData, plan: Collectors, ids: Mapping[str, int]) -> Iterator[int]:
    """The columns whose statistics cannot be written, tried one by one."""
    nothing = {id_: replace(collector, mode=_NONE) for id_, collector in plan.items()}
    for id_, collector in plan.items():
        try:
            _serializable(footer, nothing | {id_: collector}, ids)
        except _UNWRITABLE:
            yield id_


def _require_types(footer: pq.FileMetaData, plan: Collectors, ids: Mapping[str, int]) -> None:
    """Raises if a column has another type: readers would fail, so it must not be skipped."""
    for group in range(min(footer.num_row_groups, 1)):
        for position in range(footer.num_columns):
            column = footer.row_group(group).column(position)
            collector = plan[ids[column.path_in_schema]]
            StatsAggregator(collector.iceberg_type, column.physical_type)
