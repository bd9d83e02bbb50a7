"""Merge rows: keep one row per key, in whatever order and however often rows arrive.

The rows of a key are totally ordered and the maximum is kept, so merging is commutative,
associative and idempotent: merging deltas one by one gives the same table as merging all at once.
"""

from functools import reduce
from operator import and_

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from data_platform.contracts.contract import Contract
from data_platform.contracts.schema import schema_of
from data_platform.contracts.winner import ARRIVAL
from data_platform.tables.outcomes import CHANGE, DATA, OUTCOME, REASONS, SUPERSEDED, WARNINGS

NTH = "_nth"  # 1 for the row of its key that is kept


def ranked(changes: DataFrame, present: DataFrame | None, contract: Contract) -> DataFrame:
    """`changes` (as returned by `judged`) and the table's rows (None: there are none), each with
    its rank among the rows of its key. A rejected row does not compete and has rank 1."""
    rows = changes.withColumn(CHANGE, F.lit(True))
    if present is not None:
        known = {OUTCOME: F.lit(DATA), CHANGE: F.lit(False)}
        unjudged = dict.fromkeys((REASONS, WARNINGS), F.lit(None).cast("string"))
        rows = rows.unionByName(present.withColumns({**known, **unjudged}))
    key = [F.col(name) for name in contract.merge_on]
    newest_first = [F.col(name).desc() for name in _order(contract)]
    # A hash first avoids comparing the columns of most keys, as in `judge`.
    of_key = Window.partitionBy(F.xxhash64(*key), *key, OUTCOME).orderBy(*newest_first)
    nth = F.when(F.col(OUTCOME) == DATA, F.row_number().over(of_key)).otherwise(1)
    return rows.withColumn(NTH, nth)


def settled(rows: DataFrame) -> DataFrame:
    """The ranked rows with their outcome: those that another row replaces are only counted."""
    outcome = F.when(F.col(NTH) > 1, SUPERSEDED).otherwise(F.col(OUTCOME))
    return rows.withColumn(OUTCOME, outcome).drop(NTH)


def unreplaced(gone: DataFrame, changes: DataFrame, contract: Contract) -> DataFrame:
    """The keys of table rows that are gone from the input, except keys for which `changes` has a
    row that ranks higher: all other rows of the key rank below the one that is gone.
    """

    def ranks(rows: DataFrame, side: str) -> DataFrame:
        rank = F.struct(*(F.col(name) for name in _order(contract)))  # null below all, as above
        key = [F.col(name).alias(f"{side}{n}") for n, name in enumerate(contract.merge_on)]
        return rows.select(*key, rank.alias(side))

    same = [F.col(f"gone{n}") == F.col(f"new{n}") for n, _ in enumerate(contract.merge_on)]
    above = reduce(and_, same, F.col("new") > F.col("gone"))
    return ranks(gone, "gone").join(ranks(changes, "new"), above, "left_anti").drop("gone")


def _order(contract: Contract) -> tuple[str, ...]:
    """The columns by which the rows of a key are compared: all except the key."""
    arrival = tuple(one.column for one in ARRIVAL) if contract.arrival else ()
    named = dict.fromkeys((*contract.latest, *arrival, *schema_of(contract).names))
    return tuple(name for name in named if name not in contract.merge_on)
