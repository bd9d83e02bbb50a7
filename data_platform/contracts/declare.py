"""The `contract` decorator: declare a table's contract on a pandera model."""

import inspect
from collections.abc import Callable

import pandera.pyspark as pa

from data_platform.contracts.columns import read_columns
from data_platform.contracts.consistency import one_key, refuse_contradictions, with_warnings
from data_platform.contracts.contract import Contract, Retention, Rule
from data_platform.contracts.errors import ContractError
from data_platform.contracts.freshness import FreshWithin
from data_platform.contracts.spec import Severity
from data_platform.contracts.winner import Preference, preferences

_SHARE = 0.01  # default share of a partition's rows that may be quarantined


def contract(
    *,
    table: str,
    owner: str,
    version: str,
    partition_by: str | tuple[str, ...] = (),
    key: tuple[str, ...] = (),
    key_as_received: bool = False,
    winner: tuple[str | Preference, ...] = (),
    merge_on: tuple[str, ...] = (),
    latest: tuple[str, ...] = (),
    arrival: bool | None = None,
    rules: tuple[Rule, ...] = (),
    rescued: Severity | None = None,
    warn: tuple[str, ...] = (),
    quarantine_threshold: float | None = None,
    retention: Retention | None = None,
    lineage: bool | None = None,
    freshness: FreshWithin | None = None,
) -> Callable[[type[pa.DataFrameModel]], Contract]:
    """Make a contract of a `pandera.pyspark.DataFrameModel`, whose docstring describes the table.

    `table` is layer/domain/name. `warn` names checks of the model that only report
    ("unit_price.greater_than"). `winner` lists columns (the contract's, LINEAGE, INGESTED_AT) by
    which rows of one key are compared in turn: `greatest("updated_at")`, the same as a plain name,
    or `least("price")`. `quarantine_threshold` defaults to 0.01 (0 for a merged table), `arrival`
    to True for a merged table, `lineage` to True and `rescued` to "blocking" in layer silver. For
    the other arguments see `Contract`.

    Raises ContractError, naming table, column and check, for anything that cannot be enforced.
    """

    def declare(model: type[pa.DataFrameModel]) -> Contract:
        if not (isinstance(model, type) and issubclass(model, pa.DataFrameModel)):
            raise ContractError(f"{model!r} is not a pandera.pyspark.DataFrameModel", table=table)
        from_bronze = table.startswith("silver/")
        default_threshold = 0.0 if merge_on else _SHARE
        columns = read_columns(model, table=table)
        declared = Contract(
            table=table,
            model=model,
            description=inspect.cleandoc(model.__doc__ or ""),
            columns=with_warnings(columns, warn, table=table),
            partition_by=(partition_by,) if isinstance(partition_by, str) else tuple(partition_by),
            key=one_key(
                columns,
                key,
                key_as_received,
                merge_on,
                unique=model.to_schema().unique or (),
                table=table,
            ),
            key_as_received=key_as_received,
            winner=preferences(winner),
            merge_on=tuple(merge_on),
            latest=tuple(latest),
            arrival=bool(merge_on) if arrival is None else arrival,
            rules=rules,
            rescued=rescued or ("blocking" if from_bronze else None),
            warn=warn,
            quarantine_threshold=(
                quarantine_threshold if quarantine_threshold is not None else default_threshold
            ),
            retention=retention or Retention(),
            owner=owner,
            version=version,
            lineage=from_bronze if lineage is None else lineage,
            freshness=freshness,
        )
        refuse_contradictions(declared)
        return declared

    return declare
