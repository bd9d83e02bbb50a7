"""Facts about a column's values from the metadata, without reading data."""

import datetime as dt
from collections.abc import Sequence

from pyiceberg.conversions import from_bytes
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table
from pyiceberg.types import DateType, TimestamptzType

from data_platform.storage.errors import LakeError

PartitionFiles = Sequence[DataFile]

_EPOCH = dt.datetime(1970, 1, 1)


def has_nulls(table: Table, column: str, files: PartitionFiles) -> bool:
    """Whether a column may have nulls: False only if the files' statistics exclude it."""
    number = table.schema().find_field(column).field_id
    return any(file.record_count and file.null_value_counts.get(number) != 0 for file in files)


def each_time_bounds(
    table: Table, column: str, files: PartitionFiles
) -> list[tuple[dt.datetime, dt.datetime]]:
    """The `time_bounds` of each file that has any."""
    found = (time_bounds(table, column, [file]) for file in files)
    return [each for each in found if each]


def time_bounds(
    table: Table, column: str, files: PartitionFiles
) -> tuple[dt.datetime, dt.datetime] | None:
    """The least and greatest time in a column of the files, from their statistics; without a time
    zone unless the column's type has one. None if no row has a value.

    Raises LakeError if a file has no statistics of the column.
    """
    field = table.schema().find_field(column)
    number, kind = field.field_id, field.field_type
    found: list[int] = []
    for file in files:
        if not file.record_count or file.null_value_counts.get(number) == file.record_count:
            continue
        bounds = [file.lower_bounds.get(number), file.upper_bounds.get(number)]
        if None in bounds:
            raise LakeError(
                f"{file.file_path} has no statistics of the column {column}, by which it is known "
                "what rows it holds; materialize its partition again"
            )
        found += [from_bytes(kind, each) for each in bounds if each is not None]  # type: ignore[arg-type]
    if not found:
        return None
    zone = dt.UTC if isinstance(kind, TimestamptzType) else None
    unit = dt.timedelta(days=1) if isinstance(kind, DateType) else dt.timedelta(microseconds=1)
    low, high = (_EPOCH.replace(tzinfo=zone) + n * unit for n in (min(found), max(found)))
    return low, high
