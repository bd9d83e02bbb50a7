"""The step of a contracted table: compute, judge, stage and audit. The IO manager publishes."""

from contextlib import nullcontext
from functools import partial
from itertools import chain

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from data_platform.assets import JudgedTable
from data_platform.build.audit import audited
from data_platform.build.isolation import (
    Calls,
    Result,
    is_row_by_row,
)
from data_platform.build.placement import among
from data_platform.build.planning import Plan
from data_platform.build.platform import Platform
from data_platform.build.result import StepResult
from data_platform.build.tables import ensure_tables
from data_platform.build.whole_range import require_same_alone
from data_platform.contracts.names import folded, quoted
from data_platform.contracts.schema import schema_of
from data_platform.engine.logical_plan import with_boundary
from data_platform.engine.parallelism import parallelism
from data_platform.engine.shuffles import small_groups_are_slow, together, without_adaptive
from data_platform.lake.files import partitioning_of
from data_platform.lake.origin import origin
from data_platform.lake.reads import columns_of
from data_platform.lake.writing.layout import Layout, SourcePath
from data_platform.lake.writing.staging import (
    Staged,
    new_attempt,
    part,
    stage,
    with_empty_partitions,
)
from data_platform.quality.judge import in_shares, judged, with_received
from data_platform.quality.repeats import MAY_REPEAT, with_repeats_marked
from data_platform.quality.spread import Spread
from data_platform.quality.winners import repeated_by
from data_platform.storage.errors import LakeError
from data_platform.tables.columns import ATTEMPT, RECEIVED, REPEATS_OBJECT, REPEATS_ROW, TRACE
from data_platform.tables.identity import Partitioning
from data_platform.tables.outcomes import DATA, NAMED, OUTSIDE, QUARANTINE, REASONS
from data_platform.telemetry.ids import trace_of


def build(
    table: JudgedTable, plan: Plan, platform: Platform, spark: SparkSession, run_id: str
) -> StepResult:
    """Compute, judge and stage the partitions of the plan, in one Spark job; in one for each
    `isolation.TOGETHER` of them where each needs a call of the function for itself."""
    spread = spread_of(table, plan, spark)
    calls = Calls.of(table, plan, platform, spark, partial(prepared, table, spread))
    results = calls.results()
    first = next(results)  # before tables are created: a failing function leaves none behind
    attempt = new_attempt(run_id)
    layout = layout_of(table, platform, attempt, run_id)
    judge = partial(judged_as_spread, table, spread, one_partition=len(plan.keys) == 1)

    def written(result: Result) -> Staged:
        with nullcontext() if result.adaptive else without_adaptive(spark):
            return stage(judge(result.frame), layout, clustered=True)

    staged = Staged.together(map(written, chain([first], results)))
    placed = first.placed or not any(OUTSIDE in rules for rules in staged.rules.values())
    if not placed:  # a call for each partition assigns such rows
        staged = Staged.together(map(written, calls.each()))
    _require_planned(table, plan, staged)
    loaded = platform.lake.load(table.id)
    if placed and table.whole_range and len(plan.keys) > 1:
        require_same_alone(calls, judge, staged, loaded, attempt)
    staged = with_empty_partitions(staged, loaded, layout, plan.keys)
    return audited(table, plan, platform, staged, attempt, run_id, shared=first.shared and placed)


def judged_as_spread(
    table: JudgedTable, spread: Spread, frame: DataFrame, *, one_partition: bool
) -> DataFrame:
    """The rows of a function whose inputs were `prepared`, judged by the tasks of the spread."""
    contract, by_marks = table.contract, False
    if contract.lineage and MAY_REPEAT in frame.columns:
        by_marks = is_row_by_row(frame)
    elif contract.lineage and small_groups_are_slow(frame.sparkSession):
        key = repeated_by(frame, contract)
        if key and is_row_by_row(frame):
            marked = with_repeats_marked(frame, key, spread.tasks)
            if marked is not None:
                frame, by_marks = marked, True
    return judged(
        frame,
        contract,
        tasks=spread.tasks,
        shares=shares(table.partitioning, spread),
        clustered=_meets_early(table, spread) and not spread.shared,
        one_partition=one_partition,
        by_marks=by_marks,
        grouped=spread.grouped,
    )


def spread_of(table: JudgedTable, plan: Plan, spark: SparkSession) -> Spread:
    """How many tasks share the write, from the input rows of each partition in the metadata."""
    rows = {key: sum(plan.rows_of(name, key) for name in table.inputs) for key in plan.keys}
    inputs = (each.upstream.partitioning for each in plan.inputs.values())
    grouped = all(of.names == table.partitioning.names for of in inputs)
    return Spread.of(rows, parallelism(spark), grouped=grouped)


def shares(partitioning: Partitioning, spread: Spread) -> Column | None:
    """The number of tasks that share a row's partition; None if each has one task."""
    if not spread.shared:
        return None
    if not partitioning.columns:
        return F.lit(max(spread.shared))
    number = F.lit(1)
    for tasks, keys in spread.shared.items():
        number = F.when(among(partitioning, keys), tasks).otherwise(number)
    return number


def _meets_early(table: JudgedTable, spread: Spread) -> bool:
    """Whether rows that are compared are shuffled together, or marked, before they are typed.

    Rows as received are narrower than typed ones, and are then typed by the tasks that judge them.
    """
    contract = table.contract
    if spread.shared:
        return contract.lineage and (contract.key_as_received or not contract.key)
    return contract.lineage and bool(table.partition_by)


def prepared(table: JudgedTable, spread: Spread, frame: DataFrame) -> DataFrame:
    """An input as it is passed to the function, with rows as received if the contract has
    lineage."""
    if not table.contract.lineage:
        return frame
    if _meets_early(table, spread):
        frame = _met(table, spread, frame)
    return with_received(frame)


def _met(table: JudgedTable, spread: Spread, received: DataFrame) -> DataFrame:
    """Rows as received, shuffled so that rows that are compared share a task; unchanged if that
    depends on their typed values, in which case they are shuffled later."""
    if spread.shared and not _same_partition_columns(table, received):
        return received
    marked = _marked(table, spread, received)
    if marked is not None:
        # Marked rows meet by themselves: only small files of one partition would be gathered.
        stay = spread.alone or (spread.grouped and not spread.shared)
        moved = marked if stay else _met_by_partition(table, spread, marked)
        return with_boundary(moved)
    return _met_by_partition(table, spread, received)


def _met_by_partition(table: JudgedTable, spread: Spread, received: DataFrame) -> DataFrame:
    over, columns = shares(table.partitioning, spread), table.partition_by
    if over is not None:
        return in_shares(received, table.contract, spread.tasks, over)
    many = spread.tasks if spread.tasks > parallelism(received.sparkSession) else 0
    return together(received, [F.col(name) for name in columns], many)


def _marked(table: JudgedTable, spread: Spread, received: DataFrame) -> DataFrame | None:
    """Rows as received with possible repeats marked, if that saves a shuffle or a slow window and
    the key is known before the function; else None."""
    contract = table.contract
    pays = spread.alone or small_groups_are_slow(received.sparkSession)
    known = contract.key_as_received or not contract.key
    if not pays or not known or not _same_partition_columns(table, received):
        return None
    key = contract.compared_key
    by = [*contract.partition_by, *key] if key else []
    return with_repeats_marked(received, [F.col(quoted(name)) for name in by], spread.tasks)


def _same_partition_columns(table: JudgedTable, received: DataFrame) -> bool:
    """Whether the partition columns as received have the table's own types."""
    types = {folded(field.name): field.dataType for field in received.schema}
    own = schema_of(table.contract)
    return all(types.get(folded(name)) == own[name].dataType for name in table.partition_by)


def layout_of(table: JudgedTable, platform: Platform, attempt: str, run_id: str) -> Layout:
    """The layout of an attempt: its tables by outcome, created or evolved as declared."""
    tables = ensure_tables(table, platform.lake)
    received: dict[str, SourcePath] = {}
    if table.contract.lineage:
        own = {ATTEMPT, TRACE, REASONS, REPEATS_OBJECT, REPEATS_ROW, NAMED}
        names = columns_of(tables[QUARANTINE]).names
        received = {name: (RECEIVED, name) for name in names if name not in own}
    parts = {
        outcome: part(loaded, attempt, received if outcome != DATA else None)
        for outcome, loaded in tables.items()
    }
    return Layout(
        partitioning_of(tables[DATA]),
        attempt,
        parts,
        platform.storage,
        origin(run_id),
        trace_of(run_id),
    )


def _require_planned(table: JudgedTable, plan: Plan, staged: Staged) -> None:
    strangers = {f.key for files in staged.files.values() for f in files} - set(plan.keys)
    if strangers:
        raise LakeError(
            f"{table.id}: rows of partitions that are not being built were written: "
            f"{', '.join(sorted(strangers)[:5])}"
        )
