"""What the step of a table does: plan, compute, stage, audit. The IO manager publishes."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.assets import Table
from data_platform.contracts.columns import INGESTED_AT
from data_platform.contracts.contract import Contract
from data_platform.contracts.names import quoted
from data_platform.contracts.winner import ARRIVAL
from data_platform.lake.errors import LakeError, SchemaConflict
from data_platform.lake.files import partitioning
from data_platform.lake.parquet import DATA, DUPLICATES, QUARANTINE, Layout, SourcePath
from data_platform.lake.publish import StagedWrite
from data_platform.lake.session import tasks_at_once
from data_platform.lake.staging import (
    Staged,
    new_attempt,
    part,
    stage,
    with_empty_partitions,
)
from data_platform.lake.table import Partitioning, TableSlice
from data_platform.observability.events import StepResult
from data_platform.platform_defs.planning import Plan
from data_platform.platform_defs.platform import Platform
from data_platform.platform_defs.tables import ensure_tables
from data_platform.quality import findings as checks
from data_platform.quality.findings import Finding
from data_platform.quality.held import see_rejected
from data_platform.quality.judge import RECEIVED, judged, with_received
from data_platform.quality.mapping import EventTime, Upstream, known_keys, reads_of
from data_platform.quality.spread import Spread


def build(
    table: Table, plan: Plan, platform: Platform, spark: SparkSession, run_id: str
) -> StepResult:
    """Compute, judge and stage the partitions of the plan, in one Spark job."""
    contract = contract_of(table)
    reads = {name: plan.read_plan(platform, name) for name in table.inputs}
    spread = spread_of(table, plan, spark)
    frames = {name: read.dataframe(spark, platform.storage) for name, read in reads.items()}
    if contract.lineage:
        frames = {name: _received(table, frame, spread) for name, frame in frames.items()}
    result = called(table, plan, frames)
    require_columns(contract, result)
    if not contract.lineage and table.scheme.columns:
        # with lineage no row may be lost, not even one that says it is of another partition
        result = result.where(among(table.scheme, plan.keys))
    attempt = new_attempt(run_id)
    layout = layout_of(table, platform, attempt)
    rows = judged(
        result,
        contract,
        tasks=spread.tasks,
        shares=shares(table.scheme, spread),
        clustered=_meets_early(table, spread),
    )
    staged = stage(rows, layout, clustered=True)
    _require_planned(table, plan, staged)
    loaded = platform.lake.load(table.id)
    staged = with_empty_partitions(staged, loaded, layout, plan.keys)
    return audited(table, plan, platform, staged, attempt, run_id)


def contract_of(table: Table) -> Contract:
    if table.contract is None:
        raise LakeError(f"{table.id} has no contract")
    return table.contract


def spread_of(table: Table, plan: Plan, spark: SparkSession) -> Spread:
    """By the rows that each partition is built from, as the metadata has them."""
    rows = {key: sum(plan.rows_of(name, key) for name in table.inputs) for key in plan.keys}
    return Spread.of(rows, tasks_at_once(spark))


def shares(scheme: Partitioning, spread: Spread) -> Column | None:
    """Over how many tasks a row's partition is spread; None where each is one task's."""
    if not spread.shared:
        return None
    if not scheme.columns:
        return F.lit(max(spread.shared))
    number = F.lit(1)
    for tasks, keys in spread.shared.items():
        number = F.when(among(scheme, keys), tasks).otherwise(number)
    return number


def _meets_early(table: Table, spread: Spread) -> bool:
    return contract_of(table).lineage and not spread.shared and bool(table.partition_by)


def _received(table: Table, frame: DataFrame, spread: Spread) -> DataFrame:
    """Rows as received, each partition's in one task if it is of a usual size.

    They are narrower than typed ones, so what must meet in a task meets before the typing.
    """
    if _meets_early(table, spread):
        columns = table.partition_by
        many = spread.tasks > tasks_at_once(frame.sparkSession)
        frame = frame.repartition(spread.tasks, *columns) if many else frame.repartition(*columns)
    return with_received(frame)


def called(table: Table, plan: Plan, frames: Mapping[str, DataFrame]) -> DataFrame:
    scheme = table.scheme
    values = [scheme.values(key) for key in plan.keys]
    named: dict[str, object] = dict(frames)
    if table.takes_partitions:
        named["partitions"] = tuple(v[0] if len(v) == 1 else v for v in values)
    result = table(**named)  # type: ignore[arg-type]
    if not isinstance(result, DataFrame):
        raise LakeError(
            f"{table.id}: its function returned {type(result).__name__}, not a Spark DataFrame"
        )
    return result


def among(scheme: Partitioning, keys: Iterable[str]) -> Column:
    """Whether a row is of one of these partitions; its columns have the scheme's types.

    As one SQL expression: thousands of keys would otherwise be as many calls of the JVM for each
    of their values.
    """

    def row(values: Iterable[str]) -> str:
        return f"({', '.join(values)})"

    names = row(map(quoted, scheme.names))
    # Exactly the columns' types: members of rows are not coerced.
    chosen = (
        row(map(_sql_literal, scheme.values(key), (c.type for c in scheme.columns))) for key in keys
    )
    return F.expr(f"{names} IN {row(chosen)}")


def _sql_literal(value: object, type_: T.DataType) -> str:
    text = value.isoformat() if isinstance(value, date) else str(value)
    # "$" as well: Spark puts the values of variables into a statement before it reads it.
    text = text.replace("\\", "\\\\").replace("'", "\\'").replace("$", "\\u0024")
    return f"CAST('{text}' AS {type_.simpleString()})"


def require_columns(contract: Contract, frame: DataFrame) -> None:
    """Raises SchemaConflict where the function's result does not fit the contract."""
    present: dict[str, T.DataType] = {f.name: f.dataType for f in frame.schema.fields}
    arrival = {one.column for one in ARRIVAL}
    for field in contract.spark_schema.fields:
        found = present.get(field.name)
        if found is None and contract.lineage and field.name == INGESTED_AT:
            continue  # the row as received has it
        if found is None and contract.arrival and field.name in arrival:
            raise SchemaConflict(
                f"{contract.table}: its function returns no {field.name}, so it is not known which "
                f"of two rows with equal {', '.join(contract.latest)} arrived last. Add columns "
                "with withColumns instead of select, or declare arrival=False, and the greatest in "
                "the other columns is kept"
            )
        if found is None:
            raise SchemaConflict(
                f"{contract.table}: its function returns no column {field.name} "
                f"({field.dataType.simpleString()}); it returns {', '.join(present)}"
            )
        # What may be null is judged row by row; Spark says it of a column as it was computed.
        if found.simpleString() != field.dataType.simpleString():
            raise SchemaConflict(
                f"{contract.table}: column {field.name} is {found.simpleString()} in the "
                f"function's result and {field.dataType.simpleString()} in the contract; cast it"
            )
    if contract.rescued and not contract.lineage and "_rescued" not in present:
        raise SchemaConflict(
            f"{contract.table}: its function dropped _rescued; keep it, so that rows that did not "
            "fit their file's header can be told"
        )
    if contract.lineage and RECEIVED not in present:
        raise SchemaConflict(
            f"{contract.table}: its function dropped {RECEIVED}; add columns with withColumns "
            "instead of select, so that rejected rows can be kept as received"
        )


def layout_of(table: Table, platform: Platform, attempt: str) -> Layout:
    tables = ensure_tables(table, platform.lake)
    received: dict[str, SourcePath] = {}
    if contract_of(table).lineage:
        own = {"_attempt", "_reasons", "_repeats_object", "_repeats_row"}
        names = [field.name for field in tables[QUARANTINE].schema().fields]
        received = {name: (RECEIVED, name) for name in names if name not in own}
    parts = {
        outcome: part(loaded, attempt, received if outcome != DATA else None)
        for outcome, loaded in tables.items()
    }
    return Layout(partitioning(tables[DATA]), attempt, parts, platform.storage)


def _require_planned(table: Table, plan: Plan, staged: Staged) -> None:
    strangers = {f.key for files in staged.files.values() for f in files} - set(plan.keys)
    if strangers:
        raise LakeError(
            f"{table.id}: the result has rows of partitions that are not being built: "
            f"{', '.join(sorted(strangers)[:5])}; a function must not change "
            f"{', '.join(table.partition_by)}"
        )


def audited(
    table: Table,
    plan: Plan,
    platform: Platform,
    staged: Staged,
    attempt: str,
    run_id: str,
    *,
    also: Iterable[Finding] = (),
    properties: Mapping[str, str] | None = None,
) -> StepResult:
    """The staged write of the plan's partitions and the findings of their checks, beside those
    that the step made itself (`also`)."""
    contract = contract_of(table)
    rows, bad, repeats = (staged.rows(o) for o in (DATA, QUARANTINE, DUPLICATES))
    found = list(also)
    history = {**plan.rows, **{key: rows[key] for key in plan.keys}}
    held = {} if contract.lineage else held_upstream(table, platform, plan.keys)
    for key in plan.keys:
        received = rows[key] + bad[key] + repeats[key]
        broken = Counter(staged.rules.get(key, {}))
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
        found.append(
            checks.rules_finding(
                contract, key, received=received, quarantined=bad[key], broken=broken
            )
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

    For keys that were not built only if one of their own time was: the days before it are no
    reason why a day has no input.
    """
    found: dict[str, dict[str, list[str]]] = {}
    built, unbuilt = list(built), list(unbuilt)
    for name, upstream in table.inputs.items():
        held = platform.builds.held_back(upstream)
        if not held or not platform.lake.exists(upstream):
            continue
        scheme, how = partitioning(platform.lake.load(upstream)), table.how(name)
        missing = Upstream(upstream, scheme, dict.fromkeys(known_keys(scheme, held), ""))
        how = None if isinstance(how, EventTime) else how  # nothing is known of the rows of these
        read = reads_of(table.scheme, [*built, *unbuilt], how, missing)
        of_key = {**{key: read.own[key] for key in unbuilt}, **{k: read.window[k] for k in built}}
        for key, keys in of_key.items():
            if keys:
                found.setdefault(key, {})[str(upstream)] = list(keys)
    return found
