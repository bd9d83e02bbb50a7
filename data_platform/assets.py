"""The layer decorators: a table is a declaration, a sentence and a chain of DataFrame calls.

`bronze` declares a table of rows as received, `silver` and `gold` decorate a function from
DataFrames to a DataFrame. Each gives a `Table`, which is still callable as the function it
decorates.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, wraps
from typing import get_args

import dagster as dg
from pyspark.sql import DataFrame

from data_platform.contracts.checks import Severity
from data_platform.contracts.contract import Contract, Retention
from data_platform.contracts.errors import ContractError
from data_platform.contracts.meaning import digest_of, meaning_of
from data_platform.lake.errors import SchemaConflict
from data_platform.lake.schema import iceberg_schema
from data_platform.landing.partition_names import kind_of, partition_columns
from data_platform.landing.source import OutsideTable, Source
from data_platform.quality.mapping import How, require_time
from data_platform.storage.errors import LakeError
from data_platform.tables.identity import PartitionColumn, Partitioning, TableId
from data_platform.tables.partition_columns import column_type, dimensions_of
from data_platform.tables.partition_times import times_of
from data_platform.telemetry.warnings import accept_backfill_policies

Transform = Callable[..., DataFrame]
_CHANGES_NO_ROW = ("id", "owner", "description", "retention")  # fields of a table
_PARTITIONS = "partitions"  # the parameter that gets the values of the partitions being built


accept_backfill_policies()  # of a user's own assets too, which are declared after this


@dataclass(frozen=True, eq=False, kw_only=True)
class Table:
    """A declared table: what it is made from, by which function, under which contract.

    `whole_range`: its function may be given the inputs of many partitions at once. `outside`: what
    a row is that names a partition which it was not built for.
    """

    id: TableId
    partitions: dg.PartitionsDefinition | None
    partition_by: tuple[str, ...]
    owner: str
    description: str
    function: Transform | None = None
    contract: Contract | None = None
    source: Source | None = None
    inputs: Mapping[str, TableId] = field(default_factory=dict)
    ins: Mapping[str, How] = field(default_factory=dict)
    retention: Retention = field(default_factory=Retention)
    whole_range: bool = False
    outside: Severity = "blocking"
    meaning: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Now, while the file says what was loaded: an edit under a running server is not its code.
        object.__setattr__(self, "meaning", meaning_of(self.function) if self.function else "")

    def __call__(self, *frames: DataFrame, **named: object) -> DataFrame:
        """The function itself, for tests and notebooks."""
        if self.function is None:
            raise TypeError(f"{self.id} is read from its source, it has no function")
        return self.function(*frames, **named)

    @property
    def judged_by(self) -> Contract:
        """The contract of a table that has one. Raises LakeError where rows are as received."""
        if self.contract is None:
            raise LakeError(f"{self.id} has no contract")
        return self.contract

    @property
    def key(self) -> dg.AssetKey:
        """Of the asset it becomes."""
        return dg.AssetKey(list(self.id.path))

    @cached_property
    def version(self) -> str:
        """Of the declaration: partitions built under another one are stale.

        All of it counts but what changes no row. What the function calls or closes over cannot be
        seen: raise the contract's `version` when it changes.
        """
        apart = {*_CHANGES_NO_ROW, "function", "partitions", "contract", "source"}
        said = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in apart}
        said["partitions"] = kind_of(self.partitions)
        said["contract"] = self.contract.fingerprint if self.contract else ""
        said["source"] = self.source.fingerprint if self.source else ""
        return f"{self.contract.version if self.contract else 'bronze'}:{digest_of(said)}"

    @cached_property
    def scheme(self) -> Partitioning:
        """How its partition keys map to the values of its partition columns."""
        times = times_of(self.partitions, self.partition_by)
        if self.contract:
            return Partitioning.of(self.contract.spark_schema, self.partition_by, times)
        kinds = dimensions_of(self.partitions).values() if self.partitions else ()
        columns = (
            PartitionColumn(name, column_type(kind), times.get(name))
            for name, kind in zip(self.partition_by, kinds, strict=False)
        )
        return Partitioning(tuple(columns))

    def how(self, name: str) -> How | None:
        """How an input is read, where the partition's own time and labels do not say it."""
        return self.ins.get(name)

    @property
    def takes_partitions(self) -> bool:
        """Whether its function has the parameter `partitions`."""
        return self.function is not None and _PARTITIONS in _parameters(self.function)


def bronze(
    *,
    source: Source,
    partitions: dg.PartitionsDefinition,
    owner: str,
    description: str,
    partition_by: str | tuple[str, ...] | None = None,
    retention: Retention | None = None,
) -> Table:
    """The table of a source's rows as received, one partition for each that its keys name.

    `partition_by` is the column that holds the partition, or one for each dimension in the order
    of their names; `day` for daily partitions where it is left out. Silver partitions by it, too.
    ValueError for a column that cannot be, such as one that the files have.
    """
    return Table(
        id=_bronze_id(source),
        partitions=partitions,
        partition_by=partition_columns(source, partitions, partition_by),
        owner=owner,
        description=description,
        source=replace(source, partition=_existing(source.partition, partitions)),
        retention=retention or Retention(),
    )


def _bronze_id(source: Source) -> TableId:
    id_ = TableId.parse(source.table)
    if id_.layer != "bronze":
        raise ValueError(
            f"Source {source.name!r}: rows as received go to layer bronze, not to {id_}; write "
            f'table="{id_.sibling("bronze")}"'
        )
    return id_


def _existing(
    partition: Callable[[str], str], partitions: dg.PartitionsDefinition
) -> Callable[[str], str]:
    """A key whose partition the table does not have is unknown, until it has it."""

    @wraps(partition)
    def existing(text: str) -> str:
        key = partition(text)
        if not partitions.has_partition_key(key):
            there = str(partitions).rstrip(".")
            if isinstance(partitions, dg.TimeWindowPartitionsDefinition):
                there = f"{partitions.get_first_partition_key()} to "
                there += str(partitions.get_last_partition_key())
            raise OutsideTable(
                f"{key} is no partition of the table, whose partitions are {there}; it waits until "
                "the definition has it"
            )
        return key

    return existing


def silver(
    *,
    contract: Contract,
    partitions: dg.PartitionsDefinition | None,
    source: str | None = None,
    outside: Severity = "blocking",
) -> Callable[[Transform], Table]:
    """Typed, valid rows, one for each key, from bronze.

    The function gets bronze with every column as received and once more in `_received`; it adds
    typed columns and keeps the others. `source` names the bronze table where it is not the one
    of the same domain and name. A row whose partition column names another partition than bronze's
    is quarantined, and holds its partition back unless `outside` is "warning".
    """

    def declare(function: Transform) -> Table:
        own = TableId.parse(contract.table)
        parameter, *others = _inputs(function)
        if others:
            raise ValueError(
                f"{own}: a silver table has bronze as its only input, not {', '.join(others)} as "
                "well; join in a gold table, whose parameters are tables"
            )
        upstream = TableId.parse(source) if source else own.sibling("bronze")
        return _declared(function, contract, partitions, {parameter: upstream}, {}, outside)

    return declare


def gold(
    *,
    contract: Contract,
    partitions: dg.PartitionsDefinition | None,
    ins: Mapping[str, How | str] | None = None,
    whole_range: bool = False,
    outside: Severity = "blocking",
) -> Callable[[Transform], Table]:
    """Answers, from silver or gold tables.

    A parameter is the silver table of its name in the same domain, or the table that `ins` names
    (`layer/domain/name`). A partition reads what is of its own time and labels of each;
    `trailing`, `event_time`, `dimension` and `everything` in `ins` say otherwise, and may name a
    table as well.

    Each partition is computed from its own inputs, as if it were built alone. `whole_range` says
    that the function bounds itself and gives the same for many partitions at once, of which each
    run makes sure for one. A row of a partition that is neither built nor among the inputs is
    quarantined, and holds its partition back unless `outside` is "warning".
    """

    def declare(function: Transform) -> Table:
        own = TableId.parse(contract.table)
        given = dict(ins or {})
        inputs = {name: _upstream(own, name, given.get(name)) for name in _inputs(function)}
        if unknown := sorted(set(given) - set(inputs)):
            raise ValueError(f"{own}: ins names {unknown}, which the function has no parameter for")
        hows = {name: how for name, how in given.items() if not isinstance(how, str)}
        require_time(own, partitions, hows)
        if whole_range and partitions is None:
            raise ValueError(f"{own}: it has no partitions; leave whole_range=True out")
        return _declared(function, contract, partitions, inputs, hows, outside, whole_range)

    return declare


def _upstream(own: TableId, parameter: str, given: How | str | None) -> TableId:
    name = given if isinstance(given, str | None) else given.of
    return TableId.parse(name) if name else TableId("silver", own.domain, parameter)


def _declared(
    function: Transform,
    contract: Contract,
    partitions: dg.PartitionsDefinition | None,
    inputs: Mapping[str, TableId],
    hows: Mapping[str, How],
    outside: Severity,
    whole_range: bool = False,
) -> Table:
    if outside not in get_args(Severity):
        raise ValueError(
            f"{contract.table}: outside is {', '.join(get_args(Severity))}, not {outside!r}"
        )
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
    _refuse_what_no_table_holds(contract)
    return Table(
        id=TableId.parse(contract.table),
        partitions=partitions,
        partition_by=contract.partition_by,
        owner=contract.owner,
        description=(inspect.getdoc(function) or contract.description).strip(),
        function=function,
        contract=contract,
        inputs=inputs,
        ins=hows,
        retention=contract.retention,
        whole_range=whole_range,
        outside=outside,
    )


def _refuse_what_no_table_holds(contract: Contract) -> None:
    try:
        iceberg_schema(contract.spark_schema)
    except SchemaConflict as error:
        raise ContractError(str(error), table=contract.table) from error


def _parameters(function: Transform) -> list[str]:
    return list(inspect.signature(function).parameters)


def _inputs(function: Transform) -> list[str]:
    names = [name for name in _parameters(function) if name != _PARTITIONS]
    if not names:
        raise ValueError(f"{function.__name__}: a table needs at least one input DataFrame")
    return names
