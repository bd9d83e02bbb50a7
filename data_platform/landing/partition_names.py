"""Name the partition columns of a bronze table, and match a source's keys to its partitions."""

import datetime as dt
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import wraps

import dagster as dg

from data_platform.contracts.names import indistinct
from data_platform.landing.source import OutsideTable, Source, day
from data_platform.tables.identity import TableId
from data_platform.tables.partition_columns import dimensions_of

_NAMES = {
    dg.HourlyPartitionsDefinition: "hour",
    dg.WeeklyPartitionsDefinition: "week",
    dg.MonthlyPartitionsDefinition: "month",
}
_COLUMN = re.compile("[A-Za-z][A-Za-z0-9_]*")


def partition_columns(
    source: Source, partitions: dg.PartitionsDefinition, given: str | tuple[str, ...] | None
) -> tuple[str, ...]:
    dimensions = list(dimensions_of(partitions))
    if given is None:
        if not isinstance(partitions, dg.DailyPartitionsDefinition):
            named = (
                tuple(dimensions) if len(dimensions) > 1 else _NAMES.get(type(partitions), "region")
            )
            raise ValueError(
                f"{source.table}: its partitions are not days, so say which column holds them, as "
                f"in bronze(partition_by={named!r}); the silver contract partitions by the same"
            )
        return ("day",)
    names = (given,) if isinstance(given, str) else given
    if len(names) != len(dimensions):
        raise ValueError(
            f"{source.table}: partition_by={given!r} names {len(names)} columns and its partitions "
            f"have {len(dimensions)} dimensions ({', '.join(filter(None, dimensions)) or 'one'}); "
            "name a column for each, in the order of the dimensions' names"
        )
    for name in names:
        if not _COLUMN.fullmatch(name):
            raise ValueError(
                f"{source.table}: partition_by={name!r}: a name is letters, digits and "
                "underscores, and starts with a letter"
            )
        if indistinct([*source.format.schema.names, name]):
            raise ValueError(
                f"{source.table}: the files have a column {name}, as the partition has; "
                f'give this another name, as in bronze(partition_by="landed_{name.lower()}")'
            )
    return names


def kind_of(partitions: dg.PartitionsDefinition | None) -> object:
    """What kind of partitions these are, regardless of which exist."""
    match partitions:
        case dg.TimeWindowPartitionsDefinition():
            return [partitions.cron_schedule, partitions.timezone, partitions.fmt]
        case dg.MultiPartitionsDefinition():
            return {each.name: kind_of(each.partitions_def) for each in partitions.partitions_defs}
    return type(partitions).__name__


def bronze_table_of(source: Source) -> TableId:
    """The bronze table of a source. Raises ValueError for a table of another layer."""
    id_ = TableId.parse(source.table)
    if id_.layer != "bronze":
        raise ValueError(
            f"Source {source.name!r}: rows as received go to layer bronze, not to {id_}; write "
            f'table="{id_.sibling("bronze")}"'
        )
    return id_


def placed(source: Source, partitions: dg.PartitionsDefinition) -> Source:
    """The source with keys restricted to partitions that the table has; a key of another partition
    is unknown until the table has it. Raises ValueError if no key could name a partition."""
    if source.partition is day and not _are_days(partitions):
        raise ValueError(
            f"{source.table}: source {source.name!r} has no partition=, so its keys name days like "
            f"2011-03-04, but the table's partitions are not days: {partitions}; declare how a key "
            "names its partition: Source(partition=str) takes the pattern's group as it is"
        )
    return replace(source, partition=_existing(source.partition, partitions))


def _are_days(partitions: dg.PartitionsDefinition) -> bool:
    """Whether a day, as `source.day` writes it, may be one of the partitions."""
    match partitions:
        case dg.TimeWindowPartitionsDefinition():
            return _is_day(dt.datetime(2011, 3, 4).strftime(partitions.fmt))
        case dg.MultiPartitionsDefinition():
            return False
        case dg.StaticPartitionsDefinition():
            return any(map(_is_day, partitions.get_partition_keys()))
    return True


def _is_day(key: str) -> bool:
    with suppress(ValueError):
        return day(key) == key
    return False


def _existing(
    partition: Callable[[str], str], partitions: dg.PartitionsDefinition
) -> Callable[[str], str]:
    @wraps(partition)
    def known(text: str) -> str:
        key = partition(text)
        if not partitions.has_partition_key(key):
            there = str(partitions).rstrip(".")
            if isinstance(partitions, dg.TimeWindowPartitionsDefinition):
                there = f"{partitions.get_first_partition_key()} to "
                there += str(partitions.get_last_partition_key())
            raise OutsideTable(
                f"{key} is not a partition of the table, whose partitions are {there}; it waits "
                "until the definition has it"
            )
        return key

    return known
