"""Judge rows: give every row of a frame its outcome, in the job that writes it.

Rules come first: a row that breaks a blocking one is quarantined with all its reasons, repeats
included. Among the valid rows of a partition the winner of each key is published and the others
are duplicates that name the row they repeat.
"""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from data_platform.contracts.compile import RESCUED_RULE, compile_rules, reasons
from data_platform.contracts.contract import Contract
from data_platform.contracts.names import folded, quoted
from data_platform.contracts.schema import schema_of
from data_platform.contracts.winner import Preference, total
from data_platform.engine.shuffles import dealt, in_order, small_groups_are_slow
from data_platform.quality.received import Received
from data_platform.quality.repeats import MAY_REPEAT
from data_platform.tables.columns import (
    RECEIVED,
    REPEATS_OBJECT,
    REPEATS_ROW,
    RESCUED,
    ROW_NUMBER,
    SOURCE_OBJECT,
)
from data_platform.tables.outcomes import (
    CONTEXT,
    DATA,
    DUPLICATES,
    NAMED,
    OUTCOME,
    OUTSIDE,
    QUARANTINE,
    REASONS,
    SEPARATOR,
    WARNINGS,
)

# Of a frame whose rows may be of other partitions: DATA, CONTEXT or QUARANTINE, by the partition
# that a row names and the one that it was built for.
PLACE = "_place"
_TASK = "_task"
_SHARES = 64
KEY_NOT_UNIQUE = "key.unique"  # for tables without lineage, where a repeated key has no winner


def with_received(bronze: DataFrame) -> DataFrame:
    """Bronze plus the struct `_received` of all its columns, for rules and for the quarantine."""
    names = [name for name in bronze.columns if name not in (_TASK, MAY_REPEAT)]
    return bronze.withColumn(RECEIVED, F.struct(*(F.col(quoted(name)) for name in names)))


def in_shares(bronze: DataFrame, contract: Contract, tasks: int, shares: Column) -> DataFrame:
    """Rows as received, shuffled so that rows that `judged` compares share a task, and marked by a
    column; if the function drops the column, rows are shuffled again. Only for a contract without
    a key or with `key_as_received`."""
    key = contract.key or bronze.columns
    task = _task([F.col(quoted(name)) for name in key], contract, tasks, shares)
    return dealt(bronze.withColumn(_TASK, task), tasks, _TASK)


def built_for(name: str) -> str:
    """The name of the column with the partition a row was built for; `name` is the column with the
    partition it names."""
    return f"_built_for_{name}"


def judged(
    frame: DataFrame,
    contract: Contract,
    *,
    tasks: int = 1,
    shares: Column | None = None,
    clustered: bool = False,
    one_partition: bool = False,
    by_marks: bool = False,
) -> DataFrame:
    """The contract's columns plus outcome, reasons, warnings and, with lineage, the row as
    received and the row it repeats; sorted by partition within each task, or about so (`by_marks`).

    Rows with a PLACE are judged by it as well: those of another partition are rejected, with the
    partition they were built for as theirs, or have the outcome CONTEXT and no other value.

    `shares` spreads the rows of each partition over so many of the `tasks`, all rows of a key
    together; 1 leaves a partition to one task, as None does for all.
    `clustered` says that each partition's rows are in one task already, `one_partition` that all
    are of one. `by_marks`: only rows marked as possible repeats (see `repeats`) are compared with
    each other; the function returned at most one for each row that it read. The key of a merged
    table is not checked: `merge.ranked` decides between its rows.
    """
    received, dealt = Received.of(frame, contract), _TASK in frame.columns
    marked = by_marks and MAY_REPEAT in frame.columns  # a function may have dropped it
    kept = [received.kept(field, frame) for field in schema_of(contract).fields]
    rules = compile_rules(contract)
    if contract.lineage and not received.has(RESCUED):  # such rows were not read from a file
        rules = tuple(rule for rule in rules if rule.check != RESCUED_RULE)
    rows = frame.select(
        *kept,
        *received.columns(),
        reasons(rules, "blocking").alias(REASONS),
        reasons(rules, "warning").alias(WARNINGS),
        *(F.col(quoted(name)) for name in _place_columns(frame, contract)),
        *([_TASK] if dealt else []),
        *([MAY_REPEAT] if marked else []),
    )
    if PLACE in frame.columns:
        rows = _settled(rows, contract, received)
    if marked:
        rows = _where_marked(rows, contract, received, one_partition=one_partition)
        if one_partition:
            rows = rows.coalesce(tasks)
        elif not clustered and not dealt:
            rows = _clustered(rows, contract, received, tasks, shares)
        return _as_written(rows, contract, received)
    if not clustered and not dealt:
        rows = _clustered(rows, contract, received, tasks, shares)
    if contract.key and not contract.merge_on:
        rows = _deduplicated(rows, contract, received, one_partition=one_partition)
    else:
        rows = rows.withColumn(OUTCOME, _outcome(rows))
        rows = in_order(rows, [F.col(name) for name in contract.partition_by])
    return _as_written(rows, contract, received)


def _place_columns(frame: DataFrame, contract: Contract) -> list[str]:
    if PLACE not in frame.columns:
        return []
    return [PLACE, NAMED, *map(built_for, contract.partition_by)]


def _settled(rows: DataFrame, contract: Contract, received: "Received") -> DataFrame:
    """Assign rows of other partitions to the one they were built for. CONTEXT rows, which are only
    counted and may be many times the kept ones, lose all other values."""
    counted, own = F.col(PLACE) == CONTEXT, F.col(PLACE) == DATA
    outside = F.array_append(F.coalesce(REASONS, F.array().cast("array<string>")), F.lit(OUTSIDE))
    settled = {
        name: F.when(~counted, F.col(quoted(name)))
        for name in (*schema_of(contract).names, *received.names, WARNINGS, NAMED)
    }
    for name in contract.partition_by:
        column = F.col(quoted(name))
        settled[name] = F.when(own, column).otherwise(F.col(quoted(built_for(name))))
    settled[REASONS] = F.when(own, F.col(REASONS)).when(~counted, outside)
    return rows.withColumns(settled).drop(*map(built_for, contract.partition_by))


def _outcome(rows: DataFrame) -> Column:
    outcome = F.when(F.col(REASONS).isNotNull(), QUARANTINE).otherwise(DATA)
    if PLACE not in rows.columns:
        return outcome
    return F.when(F.col(PLACE) == CONTEXT, CONTEXT).otherwise(outcome)


def _is_valid(rows: DataFrame) -> Column:
    valid = F.col(REASONS).isNull()
    return valid & (F.col(PLACE) == DATA) if PLACE in rows.columns else valid


def compared(frame: DataFrame, contract: Contract) -> list[Column]:
    """The columns that are equal in rows of a frame to judge which repeat each other; none if rows
    are not compared."""
    if not contract.key or contract.merge_on:
        return []
    partition = [F.col(name) for name in contract.partition_by]
    if not contract.key_as_received:
        return [*partition, *map(F.col, contract.key)]
    fields = {folded(field.name): field.name for field in Received.of(frame, contract).fields}
    return [*partition, *(F.col(RECEIVED)[fields[folded(name)]] for name in contract.key)]


def _key(contract: Contract, received: Received) -> list[Column]:
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


def _clustered(
    rows: DataFrame, contract: Contract, received: Received, tasks: int, shares: Column | None
) -> DataFrame:
    """Shuffle so that all rows of a key, or of a partition, are in one task."""
    partition = [F.col(name) for name in contract.partition_by]
    if shares is None:
        return rows.repartition(*partition) if partition else rows.repartition(1)
    key = _key(contract, received) or [F.col(name) for name in schema_of(contract).names]
    if not contract.lineage:
        # It may have far fewer rows than its inputs: Spark sees how many bytes there are for how
        # many tasks. More shares than tasks come out even.
        share = F.when(shares > 1, F.pmod(F.xxhash64(*key), F.lit(_SHARES))).otherwise(0)
        return rows.withColumn(_TASK, share).repartition(*partition, _TASK)
    return dealt(rows.withColumn(_TASK, _task(key, contract, tasks, shares)), tasks, _TASK)


def _task(key: list[Column], contract: Contract, tasks: int, shares: Column) -> Column:
    """The task, of `tasks`, that a row goes to: by its partition, and by its key among the
    partition's `shares`."""
    partition = [F.col(name) for name in contract.partition_by]
    first = F.pmod(F.xxhash64(*partition), F.lit(tasks)) if partition else F.lit(0)
    return F.pmod(first + F.pmod(F.xxhash64(*key), shares), F.lit(tasks)).cast("int")


def _where_marked(
    rows: DataFrame, contract: Contract, received: Received, *, one_partition: bool
) -> DataFrame:
    """The rows where they are, with their outcomes. Only those that may repeat another meet: which
    of them do is joined to all rows by the object and row number that they come from."""
    if not contract.key or contract.merge_on:
        return rows.withColumn(OUTCOME, _outcome(rows))
    met = rows.where(F.col(MAY_REPEAT))
    met = met.repartition(1) if one_partition else met
    found = _deduplicated(met, contract, received, one_partition=one_partition)
    repeats = found.where(F.col(OUTCOME) == DUPLICATES).select(
        F.col(SOURCE_OBJECT).alias("_object"),
        F.col(ROW_NUMBER).alias("_row"),
        F.lit(True).alias("_repeats"),
        REPEATS_OBJECT,
        REPEATS_ROW,
    )
    same = F.col(SOURCE_OBJECT).eqNullSafe(F.col("_object"))
    same &= F.col(ROW_NUMBER).eqNullSafe(F.col("_row"))
    rows = rows.join(F.broadcast(repeats), same, "left")
    outcome = F.when(F.col("_repeats"), DUPLICATES).otherwise(_outcome(rows))
    return rows.withColumn(OUTCOME, outcome).drop("_object", "_row", "_repeats")


def _deduplicated(
    rows: DataFrame, contract: Contract, received: Received, *, one_partition: bool
) -> DataFrame:
    # All rows of a key have the same task; as a window column it saves Spark another shuffle.
    task = [_TASK] if _TASK in rows.columns else []
    partition = [F.col(name) for name in (*contract.partition_by, *task)]
    valid = _is_valid(rows)
    # Rows are sorted in this order. A hash of the key avoids comparing its columns for most rows;
    # it is first because Spark compares the first column by an 8-byte prefix.
    key = _key(contract, received)
    grouped = [F.xxhash64(*key), *partition] if one_partition else [*partition, F.xxhash64(*key)]
    same_key = (
        Window.partitionBy(*grouped, *key, valid)
        .orderBy(*_order(contract, received))
        .rowsBetween(Window.unboundedPreceding, Window.currentRow)  # cheaper than peers by value
    )
    if not contract.lineage:
        nth = F.row_number().over(same_key)
        if partition and small_groups_are_slow(rows.sparkSession):
            # The same but for which of the rows is first, with a group for each partition: rows of
            # a key have one rank.
            by_key = Window.partitionBy(*partition).orderBy(F.xxhash64(*key), *key, valid)
            nth = F.row_number().over(by_key) - F.rank().over(by_key) + 1
        rows = rows.withColumn("_nth", nth)
        repeated = valid & (F.col("_nth") > 1)
        why = F.when(repeated, F.array(F.lit(KEY_NOT_UNIQUE))).otherwise(F.col(REASONS))
        rows = rows.withColumn(REASONS, why)
        return rows.withColumn(OUTCOME, _outcome(rows))
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


def _as_written(rows: DataFrame, contract: Contract, received: Received) -> DataFrame:
    """The rows for the writing tasks, with text for columns that only rejected rows have.

    Converting lists and structs to Arrow would slow down every row, and published rows have
    neither: their rows as received stay in bronze.
    """
    texts = {name: F.array_join(name, SEPARATOR) for name in (REASONS, WARNINGS)}
    if contract.lineage:
        texts[RECEIVED] = F.when(F.col(OUTCOME) != DATA, received.text())
    return rows.withColumns(texts).drop(PLACE, *received.names, _TASK, MAY_REPEAT)
