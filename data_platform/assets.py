"""The layer decorators: a table is a declaration, a sentence and a chain of DataFrame calls.

`bronze` declares a table of rows as received, `silver` and `gold` decorate a function from
DataFrames to a DataFrame. Each gives a `Table`, which is still callable as the function it
decorates and has the Dagster asset as `.asset`.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import dagster as dg
from pyspark.sql import DataFrame
from pyspark.sql import types as T

from data_platform.contracts.contract import Contract, Retention
from data_platform.contracts.errors import ContractError
from data_platform.contracts.names import indistinct
from data_platform.lake.partition_times import times_of
from data_platform.lake.table import PartitionColumn, Partitioning, TableId
from data_platform.landing.source import Source
from data_platform.observability.warnings import previews_accepted
from data_platform.quality.freshness import Trailing

Transform = Callable[..., DataFrame]
_PARTITIONS = "partitions"  # the parameter that gets the values of the partitions being built


@dataclass(frozen=True, eq=False, kw_only=True)
class Table:
    """A declared table: what it is made from, by which function, under which contract."""

    id: TableId
    partitions: dg.PartitionsDefinition | None
    partition_by: tuple[str, ...]
    owner: str
    description: str
    function: Transform | None = None
    contract: Contract | None = None
    source: Source | None = None
    inputs: Mapping[str, TableId] = field(default_factory=dict)
    trailing: Mapping[str, Trailing] = field(default_factory=dict)
    retention: Retention = field(default_factory=Retention)

    def __call__(self, *frames: DataFrame, **named: object) -> DataFrame:
        """The function itself, for tests and notebooks."""
        if self.function is None:
            raise TypeError(f"{self.id} is read from its source, it has no function")
        return self.function(*frames, **named)

    @property
    def key(self) -> dg.AssetKey:
        return dg.AssetKey(list(self.id.path))

    @property
    def version(self) -> str:
        """Of the declaration: partitions built under another one are stale."""
        if self.contract:
            return f"{self.contract.version}:{self.contract.fingerprint}"
        return f"bronze:{','.join(self.source.format.columns) if self.source else ''}"

    @cached_property
    def scheme(self) -> Partitioning:
        """How its partition keys map to the values of its partition columns."""
        times = times_of(self.partitions, self.partition_by)
        if self.contract:
            return Partitioning.of(self.contract.spark_schema, self.partition_by, times)
        kind = _partition_type(self.partitions)
        columns = (PartitionColumn(name, kind, times.get(name)) for name in self.partition_by)
        return Partitioning(tuple(columns))

    @property
    def takes_partitions(self) -> bool:
        return self.function is not None and _PARTITIONS in _parameters(self.function)

    @cached_property
    def asset(self) -> dg.AssetsDefinition:
        from data_platform.platform_defs.asset import asset_of

        with previews_accepted():
            return asset_of(self)


def bronze(
    *,
    source: Source,
    partitions: dg.PartitionsDefinition,
    owner: str,
    description: str,
    partition_by: str = "day",
    retention: Retention | None = None,
) -> Table:
    """The table of a source's rows as received, one partition for each that its keys name.

    `partition_by` is the column that holds the partition; ValueError if the files have one of
    that name.
    """
    if indistinct([*source.format.columns, partition_by]):
        raise ValueError(
            f"{source.table}: the files have a column {partition_by}, as the partition has; "
            f'give this another name, as in bronze(partition_by="landed_{partition_by.lower()}")'
        )
    return Table(
        id=TableId.parse(source.table),
        partitions=partitions,
        partition_by=(partition_by,),
        owner=owner,
        description=description,
        source=replace(source, partition=_existing(source.partition, partitions)),
        retention=retention or Retention(),
    )


def _partition_type(partitions: dg.PartitionsDefinition | None) -> T.DataType:
    match partitions:
        case dg.HourlyPartitionsDefinition():
            return T.TimestampNTZType()
        case dg.TimeWindowPartitionsDefinition():
            return T.DateType()
    return T.StringType()


def _existing(
    partition: Callable[[str], str], partitions: dg.PartitionsDefinition
) -> Callable[[str], str]:
    """A key whose partition the table does not have is unknown, until it has it."""

    def existing(text: str) -> str:
        key = partition(text)
        if not partitions.has_partition_key(key):
            raise ValueError(f"{key} is no partition of the table")
        return key

    return existing


def silver(
    *, contract: Contract, partitions: dg.PartitionsDefinition | None, source: str | None = None
) -> Callable[[Transform], Table]:
    """Typed, valid rows, one for each key, from bronze.

    The function gets bronze with every column as received and once more in `_received`; it adds
    typed columns and keeps the others. `source` names the bronze table where it is not the one
    of the same domain and name.
    """

    def declare(function: Transform) -> Table:
        own = TableId.parse(contract.table)
        parameter, *others = _inputs(function)
        if others:
            raise ValueError(
                f"{own}: a silver table has bronze as its only input, not {', '.join(others)} as "
                "well; join in a gold table, whose parameters are tables"
            )
        upstream = TableId.parse(source) if source else own.beside("bronze")
        return _declared(function, contract, partitions, {parameter: upstream}, {})

    return declare


def gold(
    *,
    contract: Contract,
    partitions: dg.PartitionsDefinition | None,
    ins: Mapping[str, Trailing | str] | None = None,
) -> Callable[[Transform], Table]:
    """Answers, from silver or gold tables.

    A parameter is the silver table of its name in the same domain, or the table that `ins` names
    (`layer/domain/name`); `trailing(...)` in `ins` lets it reach back in time, and may name one.
    """

    def declare(function: Transform) -> Table:
        own = TableId.parse(contract.table)
        given = dict(ins or {})
        inputs = {name: _upstream(own, name, given.get(name)) for name in _inputs(function)}
        if unknown := sorted(set(given) - set(inputs)):
            raise ValueError(f"{own}: ins names {unknown}, which the function has no parameter for")
        back = {name: value for name, value in given.items() if isinstance(value, Trailing)}
        if back and not isinstance(partitions, dg.TimeWindowPartitionsDefinition):
            raise ValueError(
                f"{own}: {', '.join(back)} reaches back in time, and the table's partitions are no "
                "times; leave trailing(...) out, or partition the table by time"
            )
        return _declared(function, contract, partitions, inputs, back)

    return declare


def _upstream(own: TableId, parameter: str, given: Trailing | str | None) -> TableId:
    name = given.of if isinstance(given, Trailing) else given
    return TableId.parse(name) if name else TableId("silver", own.domain, parameter)


def _declared(
    function: Transform,
    contract: Contract,
    partitions: dg.PartitionsDefinition | None,
    inputs: Mapping[str, TableId],
    back: Mapping[str, Trailing],
) -> Table:
    if bool(contract.partition_by) != (partitions is not None):
        raise ValueError(
            f"{contract.table}: the contract is partitioned by {contract.partition_by or 'nothing'}"
            f" and the asset by {partitions or 'nothing'}; declare both or neither"
        )
    if contract.merge_on and (len(inputs) != 1 or _PARTITIONS in _parameters(function)):
        raise ContractError(
            "the function of a merged table takes one input and nothing else, since it gets only "
            f"what changed of it, not {', '.join(_parameters(function))}; join before, in a table "
            "with partitions, or after",
            table=contract.table,
        )
    return Table(
        id=TableId.parse(contract.table),
        partitions=partitions,
        partition_by=contract.partition_by,
        owner=contract.owner,
        description=(inspect.getdoc(function) or contract.description).strip(),
        function=function,
        contract=contract,
        inputs=inputs,
        trailing=back,
        retention=contract.retention,
    )


def _parameters(function: Transform) -> list[str]:
    return list(inspect.signature(function).parameters)


def _inputs(function: Transform) -> list[str]:
    names = [name for name in _parameters(function) if name != _PARTITIONS]
    if not names:
        raise ValueError(f"{function.__name__}: a table needs at least one input DataFrame")
    return names
