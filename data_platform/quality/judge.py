"""Judge rows: give every row of a frame its outcome, in the job that writes it.

Rules come first: a row that breaks a blocking one is quarantined with all its reasons, repeats
included. Among the valid rows of a partition the winner of each key is published and the others
are duplicates that name the row they repeat.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from data_platform.contracts.compile import RESCUED_RULE, CompiledRule, compile_rules, reasons
from data_platform.contracts.contract import Contract
from data_platform.contracts.names import quoted
from data_platform.contracts.schema import schema_of
from data_platform.engine.sail.agreement import agreed
from data_platform.engine.sail.difference import EngineDifference
from data_platform.engine.shuffles import dealt, in_order, together
from data_platform.quality.received import Received
from data_platform.quality.repeats import MAY_REPEAT
from data_platform.quality.winners import PLACE, TASK, Judging, compared, key_of, where_marked
from data_platform.storage.errors import LakeError
from data_platform.tables.columns import RECEIVED, RESCUED, ROW_NUMBER, SOURCE_OBJECT
from data_platform.tables.outcomes import (
    CONTEXT,
    DATA,
    NAMED,
    OUTCOME,
    OUTSIDE,
    REASONS,
    SEPARATOR,
    WARNINGS,
)

_SHARES = 64


def with_received(bronze: DataFrame) -> DataFrame:
    """Bronze plus the struct `_received` of all its columns, for rules and for the quarantine."""
    names = [name for name in bronze.columns if name not in (TASK, MAY_REPEAT)]
    return bronze.withColumn(RECEIVED, F.struct(*(F.col(quoted(name)) for name in names)))


def in_shares(bronze: DataFrame, contract: Contract, tasks: int, shares: Column) -> DataFrame:
    """Rows as received, shuffled so that rows that `judged` compares share a task, and marked by a
    column; if the function drops the column, rows are shuffled again. Only for a contract without
    a key or with `key_as_received`."""
    key = contract.key or bronze.columns
    task = _task([F.col(quoted(name)) for name in key], contract, tasks, shares)
    return dealt(bronze.withColumn(TASK, task), tasks, TASK)


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
    grouped: bool = False,
) -> DataFrame:
    """The contract's columns plus outcome, reasons, warnings and, with lineage, the row as
    received and the row it repeats; sorted by partition within each task, or `grouped` as read.

    Rows with a PLACE are judged by it as well: those of another partition are rejected, with the
    partition they were built for as theirs, or have the outcome CONTEXT and no other value.

    `shares` spreads the rows of each partition over so many of the `tasks`, all rows of a key
    together; 1 leaves a partition to one task, as None does for all.
    `clustered` says that each partition's rows are in one task already, `one_partition` that all
    are of one; `grouped` that rows of a partition are stored together. `by_marks`: only rows marked
    as possible repeats (see `repeats`) are compared with each other; the function gave at most one
    row for each that it read, which depends on that one alone. The key of a merged table is not
    checked: `merge.ranked` decides between its rows.
    """
    received, names = Received.of(frame, contract), frame.columns
    placed, dealt = PLACE in names, TASK in names
    # A function may have dropped the marks. Landed rows are told apart by object and number.
    landed = received.has(SOURCE_OBJECT) and received.has(ROW_NUMBER)
    marked = by_marks and MAY_REPEAT in names and landed
    kept = [received.kept(field, frame) for field in schema_of(contract).fields]
    rules = compile_rules(contract)
    if contract.lineage and not received.has(RESCUED):  # such rows were not read from a file
        rules = tuple(rule for rule in rules if rule.check != RESCUED_RULE)
    selected = frame.select(
        *kept,
        *received.columns(),
        reasons(rules, "blocking").alias(REASONS),
        reasons(rules, "warning").alias(WARNINGS),
        *(F.col(quoted(name)) for name in (_place_columns(contract) if placed else [])),
        *([TASK] if dealt else []),
        *([MAY_REPEAT] if marked else []),
    )
    with _rule_named(frame, contract, rules):
        rows = agreed(selected, only_top=True)
    if placed:
        rows = _settled(rows, contract, received)
    met = clustered or dealt or (marked and one_partition)
    if not met:
        rows = _clustered(rows, contract, received, tasks, shares)
    in_tasks = dealt or (shares is not None and not met)
    judging = Judging(contract, received, placed, in_tasks, one_partition)
    if not contract.compared_key:
        rows, sorted_ = rows.withColumn(OUTCOME, judging.outcome), False
    elif marked:
        rows, sorted_ = where_marked(rows, judging), grouped
    else:
        rows, sorted_ = compared(rows, judging), True
    if marked and one_partition:
        rows = rows.coalesce(tasks)
    elif contract.partition_by and not sorted_:
        by = [*contract.partition_by, *([TASK] if in_tasks else [])]
        rows = in_order(rows, [F.col(name) for name in by])
    return _as_written(rows, contract, received)


@contextmanager
def _rule_named(
    frame: DataFrame, contract: Contract, rules: Sequence[CompiledRule]
) -> Iterator[None]:
    """Raises LakeError with the table and the rule where Sail refuses one; Spark's errors have the
    line."""
    try:
        yield
    except (EngineDifference, AnalysisException) as error:
        if isinstance(error, AnalysisException) and error.getCondition():
            raise
        why = next(filter(None, (_refusal(frame, rule) for rule in rules)), f": {error}")
        raise LakeError(f"{contract.table}{why}") from error


def _refusal(frame: DataFrame, rule: CompiledRule) -> str:
    try:
        _ = agreed(frame.select(rule.holds()), only_top=True).schema
    except (EngineDifference, AnalysisException) as error:
        return f": the rule {rule.name}: {error}"
    return ""


def _place_columns(contract: Contract) -> list[str]:
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


def _clustered(
    rows: DataFrame, contract: Contract, received: Received, tasks: int, shares: Column | None
) -> DataFrame:
    """Shuffle so that all rows of a key, or of a partition, are in one task."""
    partition = [F.col(name) for name in contract.partition_by]
    if shares is None:
        return together(rows, partition) if partition else rows.repartition(1)
    key = key_of(contract, received) or [F.col(name) for name in schema_of(contract).names]
    if not contract.lineage:
        # It may have far fewer rows than its inputs: Spark sees how many bytes there are for how
        # many tasks. More shares than tasks come out even.
        share = F.when(shares > 1, F.pmod(F.xxhash64(*key), F.lit(_SHARES))).otherwise(0)
        return together(rows.withColumn(TASK, share), [*partition, F.col(TASK)])
    return dealt(rows.withColumn(TASK, _task(key, contract, tasks, shares)), tasks, TASK)


def _task(key: list[Column], contract: Contract, tasks: int, shares: Column) -> Column:
    """The task, of `tasks`, that a row goes to: by its partition, and by its key among the
    partition's `shares`."""
    partition = [F.col(name) for name in contract.partition_by]
    first = F.pmod(F.xxhash64(*partition), F.lit(tasks)) if partition else F.lit(0)
    return F.pmod(first + F.pmod(F.xxhash64(*key), shares), F.lit(tasks)).cast("int")


def _as_written(rows: DataFrame, contract: Contract, received: Received) -> DataFrame:
    """The rows for the writing tasks, with text for columns that only rejected rows have.

    Converting lists and structs to Arrow would slow down every row, and published rows have
    neither: their rows as received stay in bronze.
    """
    texts = {name: F.array_join(name, SEPARATOR) for name in (REASONS, WARNINGS)}
    if contract.lineage:
        texts[RECEIVED] = F.when(F.col(OUTCOME) != DATA, received.text())
    return rows.withColumns(texts).drop(PLACE, *received.names, TASK, MAY_REPEAT)
