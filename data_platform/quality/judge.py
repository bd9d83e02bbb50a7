"""Judging rows: every row of a frame gets its outcome, in the job that writes it.

Rules come first: a row that breaks a blocking one is quarantined with all its reasons, repeats
included. Among the valid rows of a partition the first of each key is published and the others
are duplicates that name the row they repeat.
"""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.contracts.columns import LINEAGE
from data_platform.contracts.compile import compile_rules, reasons
from data_platform.contracts.contract import Contract
from data_platform.lake.parquet import (
    DATA,
    DUPLICATES,
    OUTCOME,
    QUARANTINE,
    REASONS,
    SEPARATOR,
    WARNINGS,
)

RECEIVED = "_received"
SOURCE_OBJECT, ROW_NUMBER = "_source_object", "_row_number"
REPEATS_OBJECT, REPEATS_ROW = "_repeats_object", "_repeats_row"
KEY_NOT_UNIQUE = "key.unique"  # of a table without lineage: nothing says which row would win


def with_received(bronze: DataFrame) -> DataFrame:
    """Bronze with all its columns once more in `_received`, for rules and for the quarantine."""
    return bronze.withColumn(RECEIVED, F.struct(*(F.col(name) for name in bronze.columns)))


def judged(
    frame: DataFrame, contract: Contract, *, buckets: int = 1, clustered: bool = False
) -> DataFrame:
    """The contract's columns plus outcome, reasons, warnings and, with lineage, the row as
    received and the row it repeats; sorted by partition within each task.

    `buckets` spreads each partition's rows over that many tasks, all rows of a key together;
    `clustered` says that each partition's rows are in one task already.
    """
    rules = compile_rules(contract)
    kept = [F.col(field.name) for field in contract.spark_schema.fields]
    lineage = [F.col(RECEIVED)] if contract.lineage else []
    rows = frame.select(
        *kept,
        *lineage,
        reasons(rules, "blocking").alias(REASONS),
        reasons(rules, "warning").alias(WARNINGS),
    )
    if not clustered:
        rows = _clustered(rows, contract, buckets)
    if not contract.key:
        outcome = F.when(F.col(REASONS).isNotNull(), QUARANTINE).otherwise(DATA)
        rows = rows.sortWithinPartitions(*contract.partition_by) if contract.partition_by else rows
        return _as_written(rows.withColumn(OUTCOME, outcome), contract)
    return _as_written(_deduplicated(rows, contract), contract)


def _key(contract: Contract) -> list[Column]:
    if contract.key_as_received:
        return [F.col(RECEIVED)[name] for name in contract.key]
    return [F.col(name) for name in contract.key]


def _order(contract: Contract) -> list[Column]:
    """The winner first. Lineage comes last: where the rest ties, every run must choose alike."""
    if not contract.lineage:
        return [F.lit(1)]  # whichever: a repeated key holds the partition back
    names = dict.fromkeys((*contract.winner, *LINEAGE))
    kept = contract.spark_schema.names
    return [F.col(name) if name in kept else F.col(RECEIVED)[name] for name in names]


def _clustered(rows: DataFrame, contract: Contract, buckets: int) -> DataFrame:
    """All rows of a key, or of a partition, in one task, sorted by partition."""
    partition = [F.col(name) for name in contract.partition_by]
    spread = [F.pmod(F.xxhash64(*_key(contract)), F.lit(buckets))] if contract.key else []
    if buckets > 1 and spread:
        return rows.repartition(*partition, *spread)
    return rows.repartition(*partition) if partition else rows.repartition(1)


def _deduplicated(rows: DataFrame, contract: Contract) -> DataFrame:
    partition = [F.col(name) for name in contract.partition_by]
    valid = F.col(REASONS).isNull()
    # sorting by a hash of the key first spares comparing its many columns for most rows
    keyed = [*partition, F.xxhash64(*_key(contract)), *_key(contract), valid]
    same_key = Window.partitionBy(*keyed).orderBy(*_order(contract))
    if not contract.lineage:
        rows = rows.withColumn("_nth", F.row_number().over(same_key))
        repeated = valid & (F.col("_nth") > 1)
        why = F.when(repeated, F.array(F.lit(KEY_NOT_UNIQUE))).otherwise(F.col(REASONS))
        outcome = F.when(F.col(REASONS).isNotNull(), QUARANTINE).otherwise(DATA)
        return rows.withColumn(REASONS, why).withColumn(OUTCOME, outcome)
    # functions of one window belong in one step: Spark sorts once for each step
    rows = rows.withColumns(
        {
            "_nth": F.row_number().over(same_key),
            REPEATS_OBJECT: F.first(SOURCE_OBJECT).over(same_key),
            REPEATS_ROW: F.first(ROW_NUMBER).over(same_key),
        }
    )
    repeated = valid & (F.col("_nth") > 1)
    outcome = F.when(~valid, QUARANTINE).when(repeated, DUPLICATES).otherwise(DATA)
    return rows.withColumn(OUTCOME, outcome)


def _as_written(rows: DataFrame, contract: Contract) -> DataFrame:
    """What the writing tasks get: text where only rejected rows have a value.

    Lists and structs would cost every row its way to the task's Arrow batches, and published
    rows have neither: what they looked like stays in bronze.
    """
    texts = {name: F.array_join(name, SEPARATOR) for name in (REASONS, WARNINGS)}
    if contract.lineage:
        rejected = F.col(OUTCOME) != DATA
        texts[RECEIVED] = F.when(rejected, F.to_json(_texts(rows.schema[RECEIVED].dataType)))
    return rows.withColumns(texts)


def _texts(received: T.DataType) -> Column:
    """The row as received with every value as text; moments as microseconds since 1970."""
    assert isinstance(received, T.StructType)
    return F.struct(
        *(
            (
                F.unix_micros(F.col(RECEIVED)[field.name])
                if isinstance(field.dataType, T.TimestampType)
                else F.col(RECEIVED)[field.name]
            )
            .cast("string")
            .alias(field.name)
            for field in received.fields
        )
    )
