"""The calendar of a table as declared: the partitions that there are, and those that will be.

Dagster lists a partition once it has ended. What a partition reads, and which rows it keeps, must
not depend on the day it is built, so that is decided by the declaration alone.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pyarrow as pa
from pyspark.sql import types as T

from data_platform.tables.identity import PartitionColumn, PartitionValue

if TYPE_CHECKING:  # Spark's workers import this module, and Dagster takes a second
    import dagster as dg


@dataclass(frozen=True)
class Calendar:
    """The time partitions of a definition, including those that Dagster does not list yet."""

    definition: "dg.TimeWindowPartitionsDefinition"

    @staticmethod
    def of(definition: "dg.PartitionsDefinition | None") -> "Calendar | None":
        """The calendar of a table's partitions, or of their time dimension."""
        import dagster as dg

        match definition:
            case dg.TimeWindowPartitionsDefinition():
                return Calendar(definition)
            case dg.MultiPartitionsDefinition():
                found = (Calendar.of(each.partitions_def) for each in definition.partitions_defs)
                return next(filter(None, found), None)
        return None

    @property
    def start(self) -> dt.datetime:
        """When the first partition begins (UTC)."""
        return self._next(self.definition.start).astimezone(dt.UTC)

    @property
    def end(self) -> dt.datetime | None:
        """When the last partition ends (exclusive, UTC); None if there is no last one."""
        if self.definition.end is None:
            return None
        last = self.definition.get_prev_partition_window(self.definition.end, respect_bounds=False)
        assert last is not None
        return last.end.astimezone(dt.UTC)

    def windows(self, start: dt.datetime) -> Iterator[tuple[str, dt.datetime, dt.datetime]]:
        """The key, beginning and end (UTC) of each partition that begins at `start` or later and
        is not before the first, in order, up to the last: without end if there is none."""
        at, end = max(start, self.start), self.end
        while True:
            window = self.definition.get_next_partition_window(at, respect_bounds=False)
            if window is None or (end and window.end > end):
                return
            times = (window.start.astimezone(dt.UTC), window.end.astimezone(dt.UTC))
            yield self.definition.get_partition_key_for_timestamp(window.start.timestamp()), *times
            at = window.end

    def beginning(self, column: PartitionColumn, value: PartitionValue) -> dt.datetime | None:
        """When the partition begins (UTC) that a value of the column names, even if it is before
        the first or after the last; None if it names none, such as a day within a month."""
        zone = ZoneInfo(self.definition.timezone)
        match value:
            case dt.datetime():
                near = value if value.tzinfo else value.replace(tzinfo=zone)
            case dt.date():
                near = dt.datetime(value.year, value.month, value.day, tzinfo=zone)
            case _:
                assert column.times is not None
                try:
                    near, _ = column.times.span(str(value))
                except (ValueError, OverflowError):
                    return None
        try:
            begins = self._next(near)
        except OverflowError:  # at the end of the year 9999
            return None
        match column.type:
            case T.DateType():
                same = begins.date() == value
            case T.TimestampNTZType():
                same = begins.replace(tzinfo=None, fold=0) == value
            case _:
                same = begins.timestamp() == near.timestamp()
        return begins.astimezone(dt.UTC) if same else None

    def named(
        self,
        column: PartitionColumn,
        values: pa.Array,
        start: dt.datetime,
        end: dt.datetime | None,
    ) -> pa.Array:
        """Whether each value of the column names a partition that begins at `start` or later and
        before `end` (None: no end); null for null."""

        def one(value: PartitionValue) -> bool:
            begins = self.beginning(column, value)
            return begins is not None and start <= begins and (end is None or begins < end)

        different = values.dictionary_encode()
        valid = [value is not None and one(value) for value in different.dictionary.to_pylist()]
        return pa.array(valid, pa.bool_()).take(different.indices)

    def _next(self, moment: dt.datetime) -> dt.datetime:
        """The start of the first partition that begins at or after `moment`."""
        window = self.definition.get_next_partition_window(moment, respect_bounds=False)
        assert window is not None
        return window.start
