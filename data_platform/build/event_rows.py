"""Select the rows of an input read by event time that count for a partition, and say what a plan
can prove about them."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal
from zoneinfo import ZoneInfo

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.contracts.names import quoted
from data_platform.quality.locality import Dated, Unit
from data_platform.quality.windows import EventWindow, time_column, zone_of
from data_platform.tables.identity import Partitioning

_UTC = "UTC"  # the session's zone
_UNITS: dict[str, Unit] = {"0 0 * * *": "day", "0 0 1 * *": "month"}  # by when partitions begin


def counts(frame: DataFrame, column: str, windows: Iterable[EventWindow], zone: ZoneInfo) -> Column:
    """Whether a row counts for one of the partitions with these windows; dates and times without a
    zone are in `zone`, as in `Upstream.spans`."""
    moment = F.col(quoted(column))
    if not isinstance(frame.schema[column].dataType, T.TimestampType):
        moment = moment.cast("timestamp_ntz")
        if zone.key != _UTC:
            moment = F.convert_timezone(F.lit(zone.key), F.lit(_UTC), moment)
        moment = moment.cast("timestamp")  # the session's zone is UTC
    found = F.lit(False)
    for window in _joined(windows):
        within = moment < F.lit(window.until)
        if window.beyond is not None:
            within = within | (moment >= F.lit(window.beyond))
        if window.after is not None:
            within = within & (moment >= F.lit(window.after))
        found = found | F.coalesce(within, F.lit(window.is_first))
    return found


def _joined(windows: Iterable[EventWindow]) -> list[EventWindow]:
    """The windows in order, adjacent ones merged."""
    joined: list[EventWindow] = []
    for window in sorted(set(windows), key=lambda window: window.until):
        if joined and joined[-1].until == window.after:
            window = replace(joined.pop(), until=window.until)
        joined.append(window)
    return joined


def by_event_time(
    partitioning: Partitioning, column: str, frame: DataFrame
) -> Dated | Literal["mixed"]:
    """What a plan can rely on: that a row's date, or its month, is the partition's value."""
    timed, kind = time_column(partitioning), frame.schema[column].dataType
    if len(partitioning.columns) != 1 or timed is None or not isinstance(timed.type, T.DateType):
        return "mixed"
    unit = _UNITS.get(timed.times.cron) if timed.times else None
    # An instant's date depends on the session's time zone.
    if unit is None or (isinstance(kind, T.TimestampType) and zone_of(partitioning).key != _UTC):
        return "mixed"
    return Dated(column, unit, dated=isinstance(kind, T.DateType))
