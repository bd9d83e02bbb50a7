"""Judging rows: every row of a frame gets its outcome, in the job that writes it.

Rules come first: a row that breaks a blocking one is quarantined with all its reasons, repeats
included. Among the valid rows of a partition the first of each key is published and the others
are duplicates that name the row they repeat.
"""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from data_platform.contracts.compile import compile_rules, reasons
from data_platform.contracts.contract import Contract
from data_platform.lake.parquet import DATA, DUPLICATES, OUTCOME, QUARANTINE, REASONS, WARNINGS

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
        return _received_where_needed(rows.withColumn(OUTCOME, outcome), contract)
    return _received_where_needed(_deduplicated(rows, contract), contract)


def _key(contract: Contract) -> list[Column]:
    if contract.key_as_received:
        return [F.col(RECEIVED)[name] for name in contract.key]
    return [F.col(name) for name in contract.key]


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
    order = [F.col(name) for name in contract.winner] or [F.lit(1)]
    same_key = Window.partitionBy(*keyed).orderBy(*order)
    rows = rows.withColumn("_nth", F.row_number().over(same_key))
    repeated = valid & (F.col("_nth") > 1)
    if not contract.lineage:
        why = F.when(repeated, F.array(F.lit(KEY_NOT_UNIQUE))).otherwise(F.col(REASONS))
        outcome = F.when(F.col(REASONS).isNotNull(), QUARANTINE).otherwise(DATA)
        return rows.withColumn(REASONS, why).withColumn(OUTCOME, outcome)
    outcome = F.when(~valid, QUARANTINE).when(repeated, DUPLICATES).otherwise(DATA)
    first = {
        REPEATS_OBJECT: F.first(SOURCE_OBJECT).over(same_key),
        REPEATS_ROW: F.first(ROW_NUMBER).over(same_key),
    }
    return rows.withColumns(first).withColumn(OUTCOME, outcome)


def _received_where_needed(rows: DataFrame, contract: Contract) -> DataFrame:
    """Published rows need not carry what they looked like: it stays in bronze."""
    if not contract.lineage:
        return rows
    needed = F.when(F.col(OUTCOME) != DATA, F.col(RECEIVED))
    return rows.withColumn(RECEIVED, needed)
