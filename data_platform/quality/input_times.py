"""Inputs that are read by time, of tables that have one: checked when a table is declared."""

from collections.abc import Mapping

import dagster as dg

from data_platform.lake.partition_times import times_of
from data_platform.lake.table import TableId
from data_platform.quality.mapping import EventTime, Everything, How, Trailing


def require_time(
    own: TableId, partitions: dg.PartitionsDefinition | None, hows: Mapping[str, How]
) -> None:
    """Raises ValueError for an input that is read by a time which the table does not have."""
    times = times_of(partitions, _names(partitions))
    for name, how in hows.items():
        if isinstance(how, Trailing) and not times:
            raise ValueError(
                f"{own}: {name} reaches back in time, and the table's partitions are no "
                "times; leave trailing(...) out, or partition the table by time"
            )
        if isinstance(how, EventTime) and not times:
            raise ValueError(
                f"{own}: {name} is read by the time in its column {how.column}, and the table's "
                "partitions are no times; leave event_time(...) out, or partition the table by time"
            )
        if isinstance(how, Everything) and times:
            raise ValueError(
                f"{own}: {name} is read whole, so every partition since the first would be built "
                "from it, and again whenever it changes; read it by a time of its rows, with "
                "event_time(column), or as a dimension(), which has none built"
            )


def _names(partitions: dg.PartitionsDefinition | None) -> list[str]:
    """A name for each dimension."""
    if isinstance(partitions, dg.MultiPartitionsDefinition):
        return sorted(each.name for each in partitions.partitions_defs)
    return ["partition"]
