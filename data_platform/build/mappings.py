"""Check when definitions load that the partitions of tables map to those of their inputs.

Partitions without a mapping are refused here, with what to do: otherwise a partition would never be
built, or silently read nothing. Also makes the partition mappings for Dagster.
"""

import bisect
import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence

import dagster as dg

from data_platform.assets import Table
from data_platform.contracts.contract import Contract
from data_platform.quality.mapping import Dimension, EventTime, Everything, Trailing
from data_platform.quality.windows import (
    Span,
    is_dimension,
    label_columns,
    labels_of,
    shared,
    span_of,
    time_column,
)
from data_platform.tables.identity import Partitioning, TableId

Partitions = Mapping[TableId, dg.PartitionsDefinition | None]

_SAMPLE = 400  # partitions of an input that are examined


class UnmappedPartitions(ValueError):
    """The partitions of a table and of its input have no mapping."""


def partitions_of(
    tables: Iterable[Table], others: Iterable[dg.AssetsDefinition] = ()
) -> Partitions:
    """The partitions of declared tables, and of ordinary assets that are tables."""
    found = {
        TableId(*spec.key.path): spec.partitions_def
        for asset in others
        for spec in asset.specs
        if len(spec.key.path) == 3
    }
    return found | {table.id: table.partitions for table in tables}


def require_mappings(tables: Sequence[Table]) -> None:
    """Raise UnmappedPartitions for a table and an input without a mapping, with what to do.

    Inputs that other code declares are checked when they are read.
    """
    known = {table.id: table for table in tables}
    for table in tables:
        _require_listed(table)
        driving = []
        for name, upstream in table.inputs.items():
            if (other := known.get(upstream)) is None:
                driving.append(name)
                continue
            if problem := _problem(table, name, other):
                raise UnmappedPartitions(f"{table.id}: its input {upstream} {problem}")
            if not is_dimension(table.partitioning, table.how(name), other.partitioning):
                driving.append(name)
        if table.inputs and table.partitions and not driving:
            raise UnmappedPartitions(
                f"{table.id}: nothing says which of its partitions there are, since each of its "
                f"inputs ({', '.join(map(str, table.inputs.values()))}) is read whole by all of "
                "them; leave its partitions out, or give it an input that has the same ones"
            )


def _require_listed(table: Table) -> None:
    definitions = [table.partitions]
    if isinstance(table.partitions, dg.MultiPartitionsDefinition):
        definitions = [each.partitions_def for each in table.partitions.partitions_defs]
        if len([d for d in definitions if isinstance(d, dg.TimeWindowPartitionsDefinition)]) > 1:
            raise UnmappedPartitions(
                f"{table.id}: two of its dimensions are times; one says when a partition is, so "
                "let the other be a column of its rows"
            )
    if any(isinstance(each, dg.DynamicPartitionsDefinition) for each in definitions):
        raise UnmappedPartitions(
            f"{table.id}: its partitions are dynamic, so no definition lists them and the sensors "
            "cannot ask for them; declare StaticPartitionsDefinition([...]), leave the partitions "
            "out, or write the table as an ordinary asset"
        )


def _problem(table: Table, name: str, other: Table) -> str | None:
    """Why a declared input has no mapping to the table; None if it has one."""
    how, own, theirs = table.how(name), table.partitioning, other.partitioning
    if isinstance(how, EventTime):
        return _no_time(other.contract, how.column)
    if isinstance(how, Trailing) and time_column(theirs) is None:
        return (
            "has no partitions of time, so trailing(...) has nothing to reach back to; declare it "
            "a dimension()"
        )
    timed, labels = shared(own, theirs)
    if isinstance(how, Dimension | Everything) or not own.columns:
        return None
    if not timed and not labels and time_column(theirs):
        return (
            f"is partitioned by time ({', '.join(theirs.names)}), and the table by "
            f"{', '.join(own.names)}: no partition of the one belongs to one of the other; say "
            f"ins={{{name!r}: everything()}} where each reads all of it, ins={{{name!r}: "
            "dimension()}} where it is looked up beside another input, or leave the table's "
            "partitions out"
        )
    if not timed and label_columns(theirs) and label_columns(own) and not labels:
        return _no_label(own.names, theirs.names, name)
    for ours, their in labels:
        mine, its = _keys(table, ours), _keys(other, their)
        if mine is not None and its is not None and mine != its:
            return _no_label([ours], [their], name)
    return _splits(table, other) if table.lineage else None


def _no_label(own: Sequence[str], theirs: Sequence[str], name: str) -> str:
    return (
        f"has other partitions ({', '.join(theirs)}) than the table ({', '.join(own)}); use one "
        f"definition for both, or say ins={{{name!r}: everything()}} or dimension() where each "
        "partition reads all of it"
    )


def _no_time(contract: Contract | None, column: str) -> str | None:
    columns = {c.name: c.type.text for c in contract.columns} if contract else {}
    if columns.get(column) in ("date", "timestamp", "timestamp_ntz"):
        return None
    timed = [n for n, kind in columns.items() if kind in ("date", "timestamp", "timestamp_ntz")]
    return (
        f"has no column {column} that is a date or timestamp, for event_time({column!r}); there is "
        f"{', '.join(timed) or 'none'}"
    )


def _keys(table: Table, column: str) -> set[str] | None:
    """The keys that a label column may have; None if no definition lists them."""
    definition = table.partitions
    if isinstance(definition, dg.MultiPartitionsDefinition):
        dimensions = sorted(definition.partitions_defs, key=lambda each: each.name)
        definition = dimensions[table.partition_by.index(column)].partitions_def
    if isinstance(definition, dg.StaticPartitionsDefinition):
        return set(definition.get_partition_keys())
    return None


def _splits(table: Table, other: Table) -> str | None:
    """Why rows of one input partition would go to several partitions, which a table that accounts
    for rows must not do; None if they do not."""
    way_out = "partition the table as its input is; a gold table may have other partitions"
    if set(label_columns(table.partitioning)) - {
        ours for ours, _ in shared(table.partitioning, other.partitioning)[1]
    }:
        return f"does not say which rows belong to {', '.join(table.partitioning.names)}; {way_out}"
    if time_column(table.partitioning) is None or other.partitions is None:
        return None if other.partitions or not table.partitions else f"has no partitions; {way_out}"
    if (table.partitions, table.partitioning) == (other.partitions, other.partitioning):
        return None  # without listing either: one definition has thousands of partitions
    ours, theirs = _time_keys(table), _time_keys(other)
    if not (ours and theirs):
        return None
    # Before the later of the two starts, only one of the tables has partitions.
    both = max(_span(of.partitioning, keys[0])[0] for of, keys in ((table, ours), (other, theirs)))
    begin = [start for start, _ in _spans(table, ours, both)]
    for start, end in _spans(other, theirs, both):
        first = bisect.bisect_right(begin, start)
        if first < len(begin) and begin[first] < end:
            return f"has longer partitions than the table, whose rows would be split; {way_out}"
    return None


def _time_keys(table: Table) -> list[str]:
    """One key for each time of the table's partitions; costs O(keys)."""
    partitioning, column = table.partitioning, time_column(table.partitioning)
    keys = table.partitions.get_partition_keys() if table.partitions and column else []
    if column and len(partitioning.columns) > 1:
        keys = list({labels_of(partitioning, key)[column.name]: key for key in keys}.values())
    return list(keys)


def _spans(table: Table, keys: Sequence[str], since: dt.datetime) -> list[Span]:
    """The time spans of the first partitions that end after `since`."""
    partitioning, column = table.partitioning, time_column(table.partitioning)
    if column and column.times:
        keys = keys[bisect.bisect_right(keys, since, key=lambda key: _span(partitioning, key)[1]) :]
    return sorted(_span(partitioning, key) for key in keys[:_SAMPLE])


def _span(partitioning: Partitioning, key: str) -> Span:
    span = span_of(partitioning, key)
    assert span is not None
    return span


def dep(table: Table, name: str, known: Partitions) -> dg.AssetDep:
    """Dagster's dependency on an input: exact if a Dagster mapping can express it, else on all."""
    upstream, how = table.inputs[name], table.how(name)
    key = dg.AssetKey(list(upstream.path))
    theirs, own = known.get(upstream), table.partitions
    if isinstance(how, Trailing) and _one_clock(own, theirs):
        offset = -_reach(own, how)
    elif how is None and (upstream not in known or theirs is None or own is None or theirs == own):
        return dg.AssetDep(key)
    elif how is None and _one_clock(own, theirs):
        offset = 0
    elif theirs is None and upstream in known:
        return dg.AssetDep(key)
    else:
        return dg.AssetDep(key, partition_mapping=dg.AllPartitionMapping())
    mapping = dg.TimeWindowPartitionMapping(
        start_offset=offset, allow_nonexistent_upstream_partitions=True
    )
    return dg.AssetDep(key, partition_mapping=mapping)


def _one_clock(own: dg.PartitionsDefinition | None, theirs: dg.PartitionsDefinition | None) -> bool:
    """Whether both are times in one time zone; assumed for an unknown input."""
    if not isinstance(own, dg.TimeWindowPartitionsDefinition):
        return False
    if theirs is None:
        return True
    timed = isinstance(theirs, dg.TimeWindowPartitionsDefinition)
    return timed and theirs.timezone == own.timezone


def _reach(own: dg.PartitionsDefinition | None, back: Trailing) -> int:
    """The reach in partitions of the table, rounded up: for the UI only, a build reads exactly."""
    days = 31 * back.months + back.days
    match own:
        case dg.MonthlyPartitionsDefinition():
            return back.months + math.ceil(back.days / 28)
        case dg.WeeklyPartitionsDefinition():
            return math.ceil(days / 7)
        case dg.HourlyPartitionsDefinition():
            return 24 * days
    return days
