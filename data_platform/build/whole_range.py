"""Verify `whole_range`: a partition built in a range must equal the same one built alone."""

import hashlib
from collections.abc import Callable, Sequence
from functools import reduce
from operator import and_

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.build.isolation import Calls
from data_platform.contracts.contract import Contract
from data_platform.contracts.names import quoted
from data_platform.contracts.schema import schema_of
from data_platform.lake.catalog import LakeTable
from data_platform.lake.writing.staging import Staged, staged_rows
from data_platform.storage.errors import LakeError
from data_platform.tables.outcomes import DATA, OUTCOME
from data_platform.telemetry.wording import counted

_PRECISION = 1e-9  # relative; sums of doubles depend on their order
# Column names that no contract can have.
_RANGE, _ALONE, _NTH, _ROWS = "in range", "alone", "data-platform nth", "data-platform rows"


def require_same_alone(
    calls: Calls,
    judge: Callable[[DataFrame], DataFrame],
    staged: Staged,
    loaded: LakeTable,
    attempt: str,
) -> None:
    """Build one of the plan's partitions alone and compare it with its staged rows.

    The choice varies with the attempt. Raises LakeError with the first rows that differ.
    """
    contract, keys = calls.table.contract, calls.plan.keys
    key = chosen(keys, attempt)
    alone = judge(calls.alone(key)).where(F.col(OUTCOME) == DATA)
    found = difference(staged_rows(staged, key, loaded, calls.spark), alone, contract)
    if found:
        raise LakeError(
            f"{calls.table.id}: whole_range=True says that its function gives for many partitions "
            f"at once what it gives for each alone, and for {key} of the {len(keys)} of this run "
            f"it does not: {found}. Nothing was published. Let the function bound itself by the "
            "partitions it is to give, or leave whole_range out: each is then computed by itself"
        )


def chosen(keys: Sequence[str], attempt: str) -> str:
    """The key to build alone in this attempt."""
    digest = hashlib.sha256(attempt.encode()).digest()
    return sorted(keys)[int.from_bytes(digest) % len(keys)]


def difference(in_range: DataFrame, alone: DataFrame, contract: Contract) -> str:
    """The first key whose rows differ, in words; "" if none do.

    Without a key, rows are the same if equally many have the same values in all columns that are
    not doubles.
    """
    kinds = {field.name: field.dataType for field in schema_of(contract).fields}
    inexact = [name for name, kind in kinds.items() if isinstance(kind, T.DoubleType | T.FloatType)]
    by = contract.key or tuple(name for name in kinds if name not in inexact)
    rest = [name for name in kinds if name not in by]
    left, right = _numbered(in_range, by, rest).alias("l"), _numbered(alone, by, rest).alias("r")

    def sides(name: str) -> tuple[Column, Column]:
        return F.col(f"l.{quoted(name)}"), F.col(f"r.{quoted(name)}")

    same_row = reduce(and_, (one.eqNullSafe(other) for one, other in map(sides, (*by, _NTH))))
    same = [_same(*sides(name), kinds[name]) for name in rest]
    both = reduce(and_, (column.isNotNull() for column in sides(_NTH)))
    differ = left.join(right, same_row, "full").where(~reduce(and_, same, both))
    named = [F.coalesce(*sides(name)).alias(name) for name in (*by, _NTH)]
    values = [
        column.alias(f"{side} {name}")
        for name in (*rest, _ROWS)
        for side, column in zip((_RANGE, _ALONE), sides(name), strict=True)
    ]
    rows = differ.select(*named, *values).orderBy(*map(quoted, (*by, _NTH))).limit(1).collect()
    return _said(rows[0].asDict(), by, rest) if rows else ""


def _numbered(frame: DataFrame, by: Sequence[str], rest: Sequence[str]) -> DataFrame:
    """The rows of each key, numbered in the order of their other columns, and how many it has."""
    same_key = Window.partitionBy(*map(quoted, by))
    in_order = same_key.orderBy(*(map(quoted, rest) if rest else [F.lit(1)]))
    columns = frame.select(*map(quoted, (*by, *rest)))
    return columns.withColumns(
        {_NTH: F.row_number().over(in_order), _ROWS: F.count(F.lit(1)).over(same_key)}
    )


def _same(one: Column, other: Column, kind: T.DataType) -> Column:
    equal = one.eqNullSafe(other)
    if not isinstance(kind, T.DoubleType | T.FloatType):
        return equal
    most = F.greatest(F.abs(one), F.abs(other))
    return equal | F.coalesce(F.abs(one - other) <= most * _PRECISION, F.lit(False))


def _said(row: dict, by: Sequence[str], rest: Sequence[str]) -> str:
    of = ", ".join(f"{name} {row[name]}" for name in by)
    # Rows are numbered, so a side that has no such row has all those before it.
    counts = [row[f"{side} {_ROWS}"] for side in (_RANGE, _ALONE)]
    if None in counts:
        in_range, alone = (row[_NTH] - 1 if count is None else count for count in counts)
        return f"{of} has {counted(in_range, 'row')} in the range and {alone} alone"
    pairs = [(row[f"{_RANGE} {name}"], row[f"{_ALONE} {name}"], name) for name in rest]
    a, b, name = next((p for p in pairs if not _near(p[0], p[1])), pairs[0])
    return f"{of} has {name} {a} in the range and {b} alone"


def _near(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one == other or abs(one - other) <= max(abs(one), abs(other)) * _PRECISION
    return one == other
