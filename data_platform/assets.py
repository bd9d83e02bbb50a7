"""The layer decorators: a table is a declaration, a docstring and a chain of DataFrame calls.

`bronze` declares a table of rows as received, `silver` and `gold` decorate a function from
DataFrames to a DataFrame. Each returns a `Table` of its kind; a decorated function is still
callable. A new kind of table needs a class here and a step in `build.kinds`.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import get_args

import dagster as dg
from pyspark.sql import DataFrame

from data_platform.contracts.contract import Contract, Retention
from data_platform.contracts.errors import ContractError
from data_platform.contracts.freshness import FreshWithin
from data_platform.contracts.meaning import digest_of, meaning_of
from data_platform.contracts.schema import schema_of
from data_platform.contracts.spec import Severity
from data_platform.lake.errors import SchemaConflict
from data_platform.lake.schema import iceberg_schema
from data_platform.landing import partition_names
from data_platform.landing.source import Source
from data_platform.quality.mapping import How, require_time
from data_platform.tables.identity import Partitioning, TableId
from data_platform.tables.outcomes import DATA, DUPLICATES, QUARANTINE, Outcome
from data_platform.tables.owners import checked_owner
from data_platform.tables.partition_columns import partitioning_by
from data_platform.tables.partition_times import times_of
from data_platform.telemetry.warnings import accept_backfill_policies

Transform = Callable[..., DataFrame]
_LACKS = {"contract": "", "source": "", "meaning": "", "whole_range": False, "outside": "blocking"}
_PARTITIONS = "partitions"  # the parameter that gets the values of the partitions being built


accept_backfill_policies()  # of a user's own assets too, which are declared after this


@dataclass(frozen=True, eq=False, kw_only=True)
class Table:
    """A declared table: the base class of all kinds.

    `inputs` are the tables that it is built from, by parameter name, and `ins` how some of them are
    read. `source` is the source that lands in it, and `contract` the contract of its rows; None if
    its kind has none.
    """

    id: TableId
    partitions: dg.PartitionsDefinition | None
    partition_by: tuple[str, ...]
    owner: str
    description: str
    inputs: Mapping[str, TableId] = field(default_factory=dict)
    ins: Mapping[str, How] = field(default_factory=dict)
    retention: Retention = field(default_factory=Retention)
    freshness: FreshWithin | None = None
    source: Source | None = None
    contract: Contract | None = None

    @property
    def key(self) -> dg.AssetKey:
        """The key of its Dagster asset."""
        return dg.AssetKey(list(self.id.path))

    @property
    def version(self) -> str:
        """The version of the declaration: partitions built under a different one are stale.

        It covers everything that affects rows, except what the function calls or closes over: raise
        the contract's `version` when that changes.
        """
        raise NotImplementedError

    @property
    def partitioning(self) -> Partitioning:
        """How its partition keys map to the values of its partition columns."""
        raise NotImplementedError

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The possible outcomes of its rows: each has its own table; DATA is the table itself."""
        return (DATA,)

    @property
    def lineage(self) -> bool:
        """Whether each of its rows is a row as received."""
        return False

    def how(self, name: str) -> How | None:
        """How an input is read; None for the default, by the partition's time and labels."""
        return self.ins.get(name)


@dataclass(frozen=True, eq=False, kw_only=True)
class BronzeTable(Table):
    """Rows as received, from the objects that land for a source."""

    source: Source = field()

    @cached_property
    def version(self) -> str:
        return f"bronze:{_digest(self, source=self.source.fingerprint)}"

    @cached_property
    def partitioning(self) -> Partitioning:
        return partitioning_by(self.partition_by, self.partitions)


@dataclass(frozen=True, eq=False, kw_only=True)
class JudgedTable(Table):
    """The result of a function, judged by a contract: silver or gold.

    `whole_range`: whether its function may get the inputs of several partitions at once. `outside`:
    the severity of a row that names another partition than the one it was built for.
    """

    function: Transform
    contract: Contract = field()
    whole_range: bool = False
    outside: Severity = "blocking"
    meaning: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Now, while the file matches the loaded code: it may be edited while a server runs.
        object.__setattr__(self, "meaning", meaning_of(self.function))

    def __call__(self, *frames: DataFrame, **named: object) -> DataFrame:
        """The function itself, for tests and notebooks."""
        return self.function(*frames, **named)

    @cached_property
    def version(self) -> str:
        own = {name: getattr(self, name) for name in ("whole_range", "outside", "meaning")}
        return f"{self.contract.version}:{_digest(self, contract=self.contract.fingerprint, **own)}"

    @cached_property
    def partitioning(self) -> Partitioning:
        times = times_of(self.partitions, self.partition_by)
        return Partitioning.of(schema_of(self.contract), self.partition_by, times)

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        return (DATA, QUARANTINE, DUPLICATES) if self.lineage else (DATA, QUARANTINE)

    @property
    def lineage(self) -> bool:
        return self.contract.lineage

    @property
    def takes_partitions(self) -> bool:
        """Whether its function has the parameter `partitions`."""
        return _PARTITIONS in _parameters(self.function)


@dataclass(frozen=True, eq=False, kw_only=True)
class MergedTable(JudgedTable):
    """One row per key: the changed partitions of its only input are merged into it."""


def _digest(table: Table, **own: object) -> str:
    """The digest of all that affects rows. Fields that a kind lacks are included with defaults, so
    that the digests of existing tables stay valid."""
    common = {name: getattr(table, name) for name in ("partition_by", "inputs", "ins")}
    common["partitions"] = partition_names.kind_of(table.partitions)
    return digest_of({**common, **_LACKS, **own})


def bronze(
    *,
    source: Source,
    partitions: dg.PartitionsDefinition,
    owner: str,
    description: str,
    partition_by: str | tuple[str, ...] | None = None,
    retention: Retention | None = None,
    freshness: FreshWithin | None = None,
) -> BronzeTable:
    """A table of a source's rows as received, with the partitions that its keys name.

    `partition_by` is the column that stores the partition, or one for each dimension in the order
    of their names; `day` by default for daily partitions. Silver is partitioned by it, too. Raises
    ValueError for a column that cannot be used, such as one that the files have, for a source
    whose keys cannot name a partition, and for an owner that is neither a team nor an address.
    """
    return BronzeTable(
        id=partition_names.bronze_table_of(source),
        partitions=partitions,
        partition_by=partition_names.partition_columns(source, partitions, partition_by),
        owner=checked_owner(owner, source.table),
        description=description,
        source=partition_names.placed(source, partitions),
        retention=retention or Retention(),
        freshness=freshness,
    )


def silver(
    *,
    contract: Contract,
    partitions: dg.PartitionsDefinition | None,
    source: str | None = None,
    outside: Severity = "blocking",
) -> Callable[[Transform], JudgedTable]:
    """A table of typed, valid rows from bronze, one per key.

    The function gets bronze with every column as received, and a copy of them in `_received`; it
    adds typed columns and keeps the others. `source` names the bronze table if it is not the one of
    the same domain and name. A row whose partition column names another partition than bronze's
    is quarantined, and holds its partition back unless `outside` is "warning".
    """

    def declare(function: Transform) -> JudgedTable:
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
) -> Callable[[Transform], JudgedTable]:
    """A table computed from silver or gold tables.

    A parameter is the silver table of its name in the same domain, or the table that `ins` names
    (`layer/domain/name`). From each, a partition reads its own time and labels; `trailing`,
    `event_time`, `dimension` and `everything` in `ins` change that, and may name a table as well.

    Each partition is computed from its own inputs, as if it were built alone. `whole_range`
    declares that the function returns the same rows for several partitions at once as for each
    alone; each run verifies this for one partition. A row of a partition that is neither built nor
    among the inputs is quarantined, and holds its partition back unless `outside` is "warning".
    """

    def declare(function: Transform) -> JudgedTable:
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
) -> JudgedTable:
    if outside not in (known := get_args(Severity)):
        raise ValueError(f"{contract.table}: outside is {', '.join(known)}, not {outside!r}")
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
    kind = MergedTable if contract.merge_on else JudgedTable
    return kind(
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
        freshness=contract.freshness,
        whole_range=whole_range,
        outside=outside,
    )


def _refuse_what_no_table_holds(contract: Contract) -> None:
    try:
        iceberg_schema(schema_of(contract))
    except SchemaConflict as error:
        raise ContractError(str(error), table=contract.table) from error


def _parameters(function: Transform) -> list[str]:
    return list(inspect.signature(function).parameters)


def _inputs(function: Transform) -> list[str]:
    names = [name for name in _parameters(function) if name != _PARTITIONS]
    if not names:
        raise ValueError(f"{function.__name__}: a table needs at least one input DataFrame")
    return names
