"""Compute the bounds of time partitions and write their keys, as Dagster does.

A table carries this in its properties, so that whoever reads it, from any code location, finds
its keys and when each partition begins and ends. Dagster itself reads and writes the keys: its
formats, zones and offsets, the hour that a clock change repeats and the one that it skips.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # Spark's workers import this module, and Dagster takes a second
    import dagster as dg

# Property of a table: a `TimeKeys` in JSON for each of its partition columns that has one.
PARTITION_KEYS = "data_platform.partition-keys"

_REMEMBERED = 200_000  # keys of a few large tables


@dataclass(frozen=True)
class TimeKeys:
    """Keys in a strftime `format`; a partition begins at each tick of `cron` in `timezone`."""

    format: str
    timezone: str
    cron: str

    @staticmethod
    def of(definition: "dg.TimeWindowPartitionsDefinition") -> "TimeKeys":
        return TimeKeys(definition.fmt, definition.timezone, definition.cron_schedule)

    @property
    def definition(self) -> "dg.TimeWindowPartitionsDefinition":
        """All such partitions, regardless of when the table's own begin."""
        return _definition(self)

    def span(self, key: str) -> tuple[dt.datetime, dt.datetime]:
        """When a partition begins and ends (exclusive), in the zone of the keys.

        Raises ValueError for a text that is not a partition's key.
        """
        return _span(self, key)

    def key(self, moment: dt.datetime) -> str:
        """The key of the partition that contains the moment (aware)."""
        return _key(self, moment.timestamp())


@cache
def _definition(times: TimeKeys) -> "dg.TimeWindowPartitionsDefinition":
    import dagster as dg

    return dg.TimeWindowPartitionsDefinition(
        start=dt.datetime(1970, 1, 1),
        fmt=times.format,
        cron_schedule=times.cron,
        timezone=times.timezone,
    )


@lru_cache(maxsize=_REMEMBERED)
def _span(times: TimeKeys, key: str) -> tuple[dt.datetime, dt.datetime]:
    try:
        start, end = _definition(times).time_window_for_partition_key(key)
    except ValueError:
        example = times.key(dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
        problem = f"{key!r} is not a time in the format {times.format}, such as {example}"
        raise ValueError(problem) from None
    if times.key(start) != key:  # Dagster takes the next partition for a moment between two
        raise ValueError(f"no partition begins at {key!r}; the next one is {times.key(start)}")
    return start, end


@lru_cache(maxsize=_REMEMBERED)
def _key(times: TimeKeys, timestamp: float) -> str:
    return _definition(times).get_partition_key_for_timestamp(timestamp)


def times_of(
    definition: "dg.PartitionsDefinition | None", columns: Sequence[str]
) -> dict[str, TimeKeys]:
    """By column, how the keys of its times are written; of a multi-partition, whose dimensions
    Dagster joins in the order of their names, by the column in that place."""
    import dagster as dg

    match definition:
        case dg.TimeWindowPartitionsDefinition():
            return {name: TimeKeys.of(definition) for name in columns[:1]}
        case dg.MultiPartitionsDefinition():
            dimensions = sorted(definition.partitions_defs, key=lambda each: each.name)
            return {
                name: TimeKeys.of(each.partitions_def)
                for name, each in zip(columns, dimensions, strict=False)
                if isinstance(each.partitions_def, dg.TimeWindowPartitionsDefinition)
            }
    return {}


def as_property(times: Mapping[str, TimeKeys]) -> dict[str, str]:
    """The table properties that store it; none for a table without a time column."""
    if not times:
        return {}
    return {PARTITION_KEYS: json.dumps({n: asdict(t) for n, t in times.items()}, sort_keys=True)}


def from_properties(properties: Mapping[str, str]) -> dict[str, TimeKeys]:
    """The `TimeKeys` by column. Empty for an older table, whose keys are ISO dates and hours in
    UTC."""
    given = json.loads(properties.get(PARTITION_KEYS, "{}"))
    return {name: TimeKeys(**each) for name, each in given.items()}
