"""Decide between rows of the same key: the winner is published, the others are its duplicates."""

from dataclasses import dataclass
from functools import reduce
from operator import and_

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from data_platform.contracts.contract import Contract
from data_platform.contracts.names import folded
from data_platform.contracts.schema import schema_of
from data_platform.contracts.winner import Preference, total
from data_platform.engine.shuffles import small_groups_are_slow
from data_platform.quality.received import Received
from data_platform.quality.repeats import MAY_REPEAT
from data_platform.tables.columns import (
    RECEIVED,
    REPEATS_OBJECT,
    REPEATS_ROW,
    ROW_NUMBER,
    SOURCE_OBJECT,
)
from data_platform.tables.outcomes import CONTEXT, DATA, DUPLICATES, OUTCOME, QUARANTINE, REASONS

# Of a frame whose rows may be of other partitions: DATA, CONTEXT or QUARANTINE, by the partition
# that a row names and the one that it was built for.
PLACE = "_place"
TASK = "_task"  # the task that a row was dealt to
_IDENTITY, _REPEATS = ("_repeating_object", "_repeating_row"), "_repeats"
KEY_NOT_UNIQUE = "key.unique"  # for tables without lineage, where a repeated key has no winner


@dataclass(frozen=True)
class Judging:
    """What is known of rows that have their REASONS. It is kept here since asking a DataFrame of
    Spark Connect for its columns is a request to the server. `placed`: they have a PLACE;
    `in_tasks`: they have a TASK.
    """

    contract: Contract
    received: Received
    placed: bool
    in_tasks: bool
    one_partition: bool

    @property
    def outcome(self) -> Column:
        """A row's outcome if it repeats no other."""
        outcome = F.when(F.col(REASONS).isNotNull(), QUARANTINE).otherwise(DATA)
        if not self.placed:
            return outcome
        return F.when(F.col(PLACE) == CONTEXT, CONTEXT).otherwise(outcome)

    @property
    def is_valid(self) -> Column:
        """Whether a row may be published."""
        valid = F.col(REASONS).isNull()
        return valid & (F.col(PLACE) == DATA) if self.placed else valid


def repeated_by(frame: DataFrame, contract: Contract) -> list[Column]:
    """The columns that are equal in rows of a frame to judge which repeat each other; none if rows
    are not compared."""
    if not contract.compared_key:
        return []
    partition = [F.col(name) for name in contract.partition_by]
    if not contract.key_as_received:
        return [*partition, *map(F.col, contract.key)]
    fields = {folded(field.name): field.name for field in Received.of(frame, contract).fields}
    return [*partition, *(F.col(RECEIVED)[fields[folded(name)]] for name in contract.key)]


def key_of(contract: Contract, received: Received) -> list[Column]:
    """The key's columns, in rows of which the received ones are columns."""
    names = map(received.name, contract.key) if contract.key_as_received else contract.key
    return [F.col(name) for name in names]


def _order(contract: Contract, received: Received) -> list[Column]:
    """The winner first."""
    if not contract.lineage:
        return [F.lit(1)]  # any order: a repeated key holds the partition back
    kept = schema_of(contract).names

    def column(preference: Preference) -> Column:
        name = preference.column
        value = F.col(name if name in kept else received.name(name))
        return value.desc_nulls_last() if preference.greatest else value.asc_nulls_last()

    return [column(preference) for preference in total(contract.winner)]


def where_marked(rows: DataFrame, judging: Judging) -> DataFrame:
    """The rows where they are, with their outcomes. Only rows that may repeat another are compared;
    the duplicates found are joined back to all rows by the object and row they were received from.
    """
    received = judging.received
    identity = [F.col(received.name(member)) for member in (SOURCE_OBJECT, ROW_NUMBER)]
    met = rows.where(F.col(MAY_REPEAT))
    found = compared(met.repartition(1) if judging.one_partition else met, judging)
    repeats = found.where(F.col(OUTCOME) == DUPLICATES).select(
        *(column.alias(name) for column, name in zip(identity, _IDENTITY, strict=True)),
        F.lit(True).alias(_REPEATS),
        REPEATS_OBJECT,
        REPEATS_ROW,
    )
    same = [column == F.col(name) for column, name in zip(identity, _IDENTITY, strict=True)]
    rows = rows.join(F.broadcast(repeats), reduce(and_, same), "left")
    outcome = F.when(F.col(_REPEATS), DUPLICATES).otherwise(judging.outcome)
    return rows.withColumn(OUTCOME, outcome).drop(*_IDENTITY, _REPEATS)


def compared(rows: DataFrame, judging: Judging) -> DataFrame:
    """The rows with their outcomes: those of a key, which share a task, are compared."""
    contract, received = judging.contract, judging.received
    # All rows of a key have the same task; as a window column it saves Spark another shuffle.
    task = [TASK] if judging.in_tasks else []
    partition = [F.col(name) for name in (*contract.partition_by, *task)]
    valid = judging.is_valid
    # Rows are sorted in this order. A hash of the key avoids comparing its columns for most rows;
    # it is first because Spark compares the first column by an 8-byte prefix.
    key = key_of(contract, received)
    hashed = F.xxhash64(*key)
    grouped = [hashed, *partition] if judging.one_partition else [*partition, hashed]
    same_key = (
        Window.partitionBy(*grouped, *key, valid)
        .orderBy(*_order(contract, received))
        .rowsBetween(Window.unboundedPreceding, Window.currentRow)  # cheaper than peers by value
    )
    if not contract.lineage:
        nth = F.row_number().over(same_key)
        if partition and small_groups_are_slow(rows.sparkSession):
            # Equivalent, except for which row counts as the first, with a group for each
            # partition: rows of a key have one rank.
            by_key = Window.partitionBy(*partition).orderBy(hashed, *key, valid)
            nth = F.row_number().over(by_key) - F.rank().over(by_key) + 1
        rows = rows.withColumn("_nth", nth)
        repeated = valid & (F.col("_nth") > 1)
        why = F.when(repeated, F.array(F.lit(KEY_NOT_UNIQUE))).otherwise(F.col(REASONS))
        rows = rows.withColumn(REASONS, why)
        return rows.withColumn(OUTCOME, judging.outcome)
    # Functions of one window belong in one step: Spark sorts once per step.
    rows = rows.withColumns(
        {
            "_nth": F.row_number().over(same_key),
            REPEATS_OBJECT: F.first(SOURCE_OBJECT).over(same_key),
            REPEATS_ROW: F.first(ROW_NUMBER).over(same_key),
        }
    )
    repeated = valid & (F.col("_nth") > 1)
    outcome = F.when(~valid, QUARANTINE).when(repeated, DUPLICATES).otherwise(DATA)
    repeats = {name: F.when(repeated, F.col(name)) for name in (REPEATS_OBJECT, REPEATS_ROW)}
    return rows.withColumns({OUTCOME: outcome, **repeats}).drop("_nth")
