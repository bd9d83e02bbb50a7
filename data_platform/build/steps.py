"""The step of a contracted table: compute, judge, stage and audit. The IO manager publishes."""

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from functools import partial
from itertools import chain

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from data_platform.assets import JudgedTable, Table
from data_platform.build.isolation import Calls, Result, one_row_each, without_adaptive
from data_platform.build.placement import among
from data_platform.build.planning import Plan
from data_platform.build.platform import Platform
from data_platform.build.result import StepResult
from data_platform.build.tables import ensure_tables
from data_platform.build.whole_range import require_same_alone
from data_platform.contracts.names import folded
from data_platform.contracts.schema import schema_of
from data_platform.engine.parallelism import parallelism
from data_platform.lake.files import partitioning_of
from data_platform.lake.reads import columns_of
from data_platform.lake.writing.parquet import Layout, SourcePath
from data_platform.lake.writing.publish import StagedWrite
from data_platform.lake.writing.staging import (
    Staged,
    new_attempt,
    part,
    stage,
    with_empty_partitions,
)
from data_platform.quality import findings as checks
from data_platform.quality.findings import Finding
from data_platform.quality.held import see_rejected
from data_platform.quality.judge import in_shares, judged, with_received
from data_platform.quality.mapping import EventTime
from data_platform.quality.repeats import with_repeats_marked
from data_platform.quality.spread import Spread
from data_platform.quality.windows import Upstream, known_keys, reads_of
from data_platform.storage.errors import LakeError
from data_platform.tables.columns import ATTEMPT, RECEIVED, REPEATS_OBJECT, REPEATS_ROW
from data_platform.tables.identity import Partitioning, TableSlice
from data_platform.tables.outcomes import DATA, DUPLICATES, NAMED, OUTSIDE, QUARANTINE, REASONS


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
    layout = layout_of(table, platform, attempt)
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
    return judged(
        frame,
        table.contract,
        tasks=spread.tasks,
        shares=shares(table.partitioning, spread),
        clustered=_meets_early(table, spread) and not spread.shared,
        one_partition=one_partition,
        by_marks=spread.alone and one_row_each(frame),
    )


def spread_of(table: JudgedTable, plan: Plan, spark: SparkSession) -> Spread:
    """How many tasks share the write, from the input rows of each partition in the metadata."""
    rows = {key: sum(plan.rows_of(name, key) for name in table.inputs) for key in plan.keys}
    return Spread.of(rows, parallelism(spark))


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
    over, columns = shares(table.partitioning, spread), table.partition_by
    if over is not None:
        if not _same_partition_columns(table, received):
            return received
        if spread.alone:
            marked = with_repeats_marked(received, table.contract, spread.tasks)
            if marked is not None:
                return marked
        return in_shares(received, table.contract, spread.tasks, over)
    if spread.tasks > parallelism(received.sparkSession):
        return received.repartition(spread.tasks, *columns)
    return received.repartition(*columns)


def _same_partition_columns(table: JudgedTable, received: DataFrame) -> bool:
    """Whether the partition columns as received have the table's own types."""
    types = {folded(field.name): field.dataType for field in received.schema}
    own = schema_of(table.contract)
    return all(types[folded(name)] == own[name].dataType for name in table.partition_by)


def layout_of(table: JudgedTable, platform: Platform, attempt: str) -> Layout:
    """The layout of an attempt: its tables by outcome, created or evolved as declared."""
    tables = ensure_tables(table, platform.lake)
    received: dict[str, SourcePath] = {}
    if table.contract.lineage:
        own = {ATTEMPT, REASONS, REPEATS_OBJECT, REPEATS_ROW, NAMED}
        names = columns_of(tables[QUARANTINE]).names
        received = {name: (RECEIVED, name) for name in names if name not in own}
    parts = {
        outcome: part(loaded, attempt, received if outcome != DATA else None)
        for outcome, loaded in tables.items()
    }
    return Layout(partitioning_of(tables[DATA]), attempt, parts, platform.storage)


def _require_planned(table: JudgedTable, plan: Plan, staged: Staged) -> None:
    strangers = {f.key for files in staged.files.values() for f in files} - set(plan.keys)
    if strangers:
        raise LakeError(
            f"{table.id}: rows of partitions that are not being built were written: "
            f"{', '.join(sorted(strangers)[:5])}"
        )


def audited(
    table: JudgedTable,
    plan: Plan,
    platform: Platform,
    staged: Staged,
    attempt: str,
    run_id: str,
    *,
    shared: bool = False,
    also: Iterable[Finding] = (),
    properties: Mapping[str, str] | None = None,
) -> StepResult:
    """The staged write of the plan's partitions and the findings of their checks, plus those that
    the step made itself (`also`). `shared`: rows of other partitions count for every partition."""
    contract = table.contract
    rows, bad, repeats = (staged.rows(o) for o in (DATA, QUARANTINE, DUPLICATES))
    found = list(also)
    history = {**plan.rows, **{key: rows[key] for key in plan.keys}}
    held = {} if contract.lineage else held_upstream(table, platform, plan.keys)
    for key in plan.keys:
        received = rows[key] + bad[key] + repeats[key]
        if contract.lineage:
            (name,) = table.inputs
            received = plan.rows_of(name, key)
            found.append(
                checks.conservation_finding(
                    key,
                    received=received,
                    published=rows[key],
                    quarantined=bad[key],
                    duplicates=repeats[key],
                    source=str(table.inputs[name]),
                )
            )
        passed = sum(staged.passed.values()) if shared else staged.passed.get(key, 0)
        found += rows_findings(
            table,
            key,
            received=received,
            quarantined=bad[key],
            broken=Counter(staged.rules.get(key, {})),
            named=staged.named.get(key, Counter()),
            passed=passed,
        )
        found.append(checks.volume_finding(key, rows[key], history))
        if not contract.lineage:
            found.append(checks.inputs_finding(key, held.get(key, {})))
    metadata: dict[str, dict[str, object]] = {
        key: {"quarantined": bad[key], "duplicates": repeats[key]} for key in plan.keys
    }
    for key in plan.keys:
        if bad[key]:
            metadata[key]["rejected_rows"] = see_rejected(table.id, key)
    for key, passed in staged.passed.items():
        metadata[key]["rows_of_other_partitions"] = passed
    write = StagedWrite(
        slice=TableSlice(table.id, plan.keys, plan.base),
        attempt=attempt,
        run_id=run_id,
        staged=staged,
        held_back=held_back(found),
        failed=failed(found),
        inputs={key: plan.digests[key] for key in plan.keys},
        dimensions=plan.dimensions,
        contract=table.version,
        metadata=metadata,
        properties=properties or {},
    )
    return StepResult(write, found)


def rows_findings(
    table: JudgedTable,
    key: str,
    *,
    received: int,
    quarantined: int,
    broken: Counter[str],
    named: Counter[str],
    passed: int,
) -> list[Finding]:
    """The findings about a partition's judged rows: rows by `broken` rule, and rejected rows by the
    other partition they `named`. `passed` counts context rows of other partitions."""
    outside = broken[OUTSIDE]
    of_rules = Counter({rule: rows for rule, rows in broken.items() if rule != OUTSIDE})
    found = [
        checks.rules_finding(
            table.contract,
            key,
            received=received,
            quarantined=quarantined - outside,
            broken=of_rules,
        )
    ]
    if table.partition_by:
        blocking = table.outside == "blocking"
        found.append(
            checks.partition_finding(
                key, outside=outside, named=named, passed=passed, blocking=blocking
            )
        )
    return found


def held_back(found: Iterable[Finding]) -> dict[str, str]:
    """Why each partition with a failed blocking check is not published."""
    reasons: dict[str, str] = {}
    for finding in found:
        if finding.blocking and not finding.passed and finding.partition is not None:
            text = f"{finding.check}: {finding.description}"
            reasons[finding.partition] = "; ".join(
                filter(None, [reasons.get(finding.partition), text])
            )
    return reasons


def failed(found: Iterable[Finding]) -> dict[str, tuple[str, ...]]:
    """The names of the blocking checks that failed, by partition."""
    names: dict[str, dict[str, None]] = {}
    for finding in found:
        if finding.blocking and not finding.passed and finding.partition is not None:
            names.setdefault(finding.partition, {})[finding.check] = None
    return {key: tuple(of_partition) for key, of_partition in names.items()}


def held_upstream(
    table: Table, platform: Platform, built: Iterable[str], unbuilt: Iterable[str] = ()
) -> dict[str, dict[str, list[str]]]:
    """By key and input table, the input partitions whose newest attempt was held back.

    For keys that were not built, only input partitions of their own time: earlier days are not the
    reason why a day has no input.
    """
    found: dict[str, dict[str, list[str]]] = {}
    built, unbuilt = list(built), list(unbuilt)
    for name, upstream in table.inputs.items():
        held = platform.builds.held_back(upstream)
        if not held or not platform.lake.exists(upstream):
            continue
        partitioning, how = partitioning_of(platform.lake.load(upstream)), table.how(name)
        missing = Upstream(
            upstream, partitioning, dict.fromkeys(known_keys(partitioning, held), "")
        )
        how = None if isinstance(how, EventTime) else how  # the rows' times are not known here
        read = reads_of(table.partitioning, [*built, *unbuilt], how, missing)
        of_key = {**{key: read.own[key] for key in unbuilt}, **{k: read.window[k] for k in built}}
        for key, keys in of_key.items():
            if keys:
                found.setdefault(key, {})[str(upstream)] = list(keys)
    return found
