"""Verify `whole_range`: a partition built in a range must equal the same one built alone."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from operator import and_

from pyspark.sql import Column, DataFrame
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
_RANGE, _ALONE = "_range", "_alone"


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
    left, right = _grouped(in_range, by, rest, _RANGE), _grouped(alone, by, rest, _ALONE)
    sides = [(F.col(f"l.{quoted(name)}"), F.col(f"r.{quoted(name)}")) for name in by]
    same_key = reduce(and_, (one.eqNullSafe(other) for one, other in sides), F.lit(True))
    named = [F.coalesce(*pair).alias(name) for pair, name in zip(sides, by, strict=True)]
    joined = left.alias("l").join(right.alias("r"), same_key, "full").select(*named, _RANGE, _ALONE)
    rows = joined.where(~F.coalesce(_same_rows(kinds, rest), F.lit(False))).limit(1).collect()
    return _said(rows[0].asDict(recursive=True), by, rest, kinds) if rows else ""


def _grouped(frame: DataFrame, by: Sequence[str], rest: Sequence[str], name: str) -> DataFrame:
    members = F.struct(F.lit(1).alias("_"), *(F.col(quoted(n)).alias(n) for n in rest))
    rows = F.sort_array(F.collect_list(members)).alias(name)
    return frame.groupBy(*map(quoted, by)).agg(rows)


def _same_rows(kinds: dict[str, T.DataType], rest: Iterable[str]) -> Column:
    def same(one: Column, other: Column) -> Column:
        members = (_same(one[name], other[name], kinds[name]) for name in rest)
        return reduce(and_, members, F.lit(True))

    pairs = F.zip_with(_RANGE, _ALONE, same)
    return (F.size(_RANGE) == F.size(_ALONE)) & F.forall(pairs, lambda each: each)


def _same(one: Column, other: Column, kind: T.DataType) -> Column:
    equal = one.eqNullSafe(other)
    if not isinstance(kind, T.DoubleType | T.FloatType):
        return equal
    most = F.greatest(F.abs(one), F.abs(other))
    return equal | F.coalesce(F.abs(one - other) <= most * _PRECISION, F.lit(False))


def _said(row: dict, by: Sequence[str], rest: Sequence[str], kinds: dict[str, T.DataType]) -> str:
    of = ", ".join(f"{name} {row[name]}" for name in by)
    in_range, alone = row[_RANGE] or [], row[_ALONE] or []
    if len(in_range) != len(alone):
        return f"{of} has {counted(len(in_range), 'row')} in the range and {len(alone)} alone"
    pairs = [(a, b, name) for a, b in zip(in_range, alone, strict=True) for name in rest]
    a, b, name = next((p for p in pairs if not _near(p[0][p[2]], p[1][p[2]])), pairs[0])
    return f"{of} has {name} {a[name]} in the range and {b[name]} alone"


def _near(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one == other or abs(one - other) <= max(abs(one), abs(other)) * _PRECISION
    return one == other
