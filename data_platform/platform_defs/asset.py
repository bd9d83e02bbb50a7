"""A declared table as a Dagster asset: everything the UI shows comes from the declaration."""

import math
from collections.abc import Iterator

import dagster as dg
from dagster._core.execution.context.system import StepExecutionContext

from data_platform.assets import Table
from data_platform.contracts.compile import compile_rules
from data_platform.contracts.contract import Contract
from data_platform.lake.builds import Build
from data_platform.lake.publish import StagedWrite
from data_platform.lake.table import WHOLE_TABLE
from data_platform.observability.events import LOGGED, log_findings, log_without_input
from data_platform.observability.failures import failures_explained
from data_platform.observability.warnings import previews_accepted
from data_platform.platform_defs.bronze import build_bronze
from data_platform.platform_defs.planning import plan
from data_platform.platform_defs.platform import Platform
from data_platform.platform_defs.steps import build
from data_platform.quality import findings as checks
from data_platform.quality.freshness import Trailing

ONLY_STALE = "data_platform/only_stale"  # run tag: build what is stale of the range, not all of it
ONLY_PARTITIONS = "data_platform/only_partitions"  # run tag: of the range just these, by comma


def asset_of(table: Table) -> dg.AssetsDefinition:
    """The asset whose step builds the table's partitions of a run's range."""

    @dg.asset(
        key=table.key,
        deps=[_dep(table, name) for name in table.inputs],
        partitions_def=table.partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=check_specs(table),
        group_name=table.id.layer,
        kinds={"pyspark", "iceberg", "parquet"},
        owners=[table.owner],
        tags={"domain": table.id.domain, "layer": table.id.layer},
        metadata=_metadata(table),
        code_version=table.version if table.contract else None,
        description=table.description,
        io_manager_key="io_manager",
        required_resource_keys={"platform", "pyspark"},
        op_tags={"dagster/concurrency_key": str(table.id).replace("/", "_")},
    )
    def step(context: dg.AssetExecutionContext) -> Iterator[dg.Output]:
        with failures_explained():
            write = _built(table, context)
        yield from _outputs(table, write)

    return step


def _built(table: Table, context: dg.AssetExecutionContext) -> StagedWrite | None:
    """The staged partitions that are due, their check results logged; None if none is due."""
    platform: Platform = context.resources.platform
    requested = _requested(context)
    only_stale = ONLY_STALE in context.run.tags
    planned = plan(table, platform, requested, only_stale=only_stale)
    step_context = context.get_step_execution_context()
    _log_not_built(table, platform, step_context, sorted(set(requested) - set(planned.keys)))
    if not planned.keys:
        context.log.info(f"{table.id}: nothing to build of {len(requested)} partitions")
        return None
    context.log.info(f"{table.id}: building {len(planned.keys)} partitions")
    step = build_bronze if table.source else build
    spark = context.resources.pyspark.spark_session
    result = step(table, planned, platform, spark, context.run.run_id)
    log_findings(step_context, table.key, result.findings)
    return result.write


def _log_not_built(
    table: Table, platform: Platform, step: StepExecutionContext, left: list[str]
) -> None:
    """What Dagster is told of the partitions of a range that this run leaves as they are.

    It expects a result of each, and shows those without one as skipped or failed.
    """
    if not left:
        return
    latest = platform.builds.latest(table.id, left)
    found = [
        checks.Finding(name, passed, blocking, text, partition=key)
        for key in left
        for passed, text in [_state(latest.get(key))]
        for name, blocking, _ in partition_checks(table)
    ]
    log_findings(step, table.key, found)
    log_without_input(step, table.key, [key for key in left if key not in latest])


def _state(build: Build | None) -> tuple[bool, str]:
    if build is None:
        return True, "no input for this partition: nothing to check"
    if build.state == "held_back":
        return False, f"held back, and its inputs are the same: {build.detail}"
    return True, f"up to date: built by run {build.run_id}, whose results stand"


def _requested(context: dg.AssetExecutionContext) -> list[str]:
    """The partition keys of the run, '' for a table without partitions."""
    if not context.has_partition_key_range:
        return [WHOLE_TABLE]
    chosen = context.run.tags.get(ONLY_PARTITIONS)
    keys = context.partition_keys
    return [key for key in keys if key in chosen.split(",")] if chosen else list(keys)


def _outputs(table: Table, write: StagedWrite | None) -> Iterator[dg.Output]:
    """Check results were logged for each partition, so their outputs carry nothing."""
    yield dg.Output(write, output_name="result", metadata=dict(LOGGED))
    for spec in check_specs(table):
        yield dg.Output(None, output_name=spec.get_python_identifier(), metadata=dict(LOGGED))


def partition_checks(table: Table) -> list[tuple[str, bool, str]]:
    """Name, whether it blocks, and description of the checks of each partition."""
    conservation = "Every row received is published, quarantined or a duplicate."
    found = [(checks.VOLUME, False, "Rows are of the order of the partitions before.")]
    if table.source:
        found.append((checks.READABLE, False, "Every landed object could be read."))
    if table.contract:
        share = "The share of quarantined rows is within the contract's threshold."
        found.append((checks.RULES, True, share))
    if table.source or (table.contract and table.contract.lineage):
        found.append((checks.CONSERVATION, True, conservation))
    else:
        found.append((checks.INPUTS, False, "No input is held back by its checks."))
    return found


def check_specs(table: Table) -> list[dg.AssetCheckSpec]:
    """The checks of a partition, then one for each rule of the contract."""
    with previews_accepted():
        specs = [
            dg.AssetCheckSpec(
                name,
                asset=table.key,
                blocking=blocking,
                description=description,
                partitions_def=table.partitions,
            )
            for name, blocking, description in partition_checks(table)
        ]
    return specs + (_rule_specs(table, table.contract) if table.contract else [])


def _rule_specs(table: Table, contract: Contract) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            checks.check_name(rule.name),
            asset=table.key,
            description=f"{rule.description or rule.name} ({rule.severity}; rows of the last run)",
        )
        for rule in compile_rules(contract)
    ]


def _dep(table: Table, name: str) -> dg.AssetDep:
    key = dg.AssetKey(list(table.inputs[name].path))
    back = table.trailing.get(name)
    if back is None:
        return dg.AssetDep(key)
    mapping = dg.TimeWindowPartitionMapping(
        start_offset=-_reach(table, back), allow_nonexistent_upstream_partitions=True
    )
    return dg.AssetDep(key, partition_mapping=mapping)


def _reach(table: Table, back: Trailing) -> int:
    """In partitions of the table, rounded up: for the UI lineage; what a build reads is exact."""
    days = 31 * back.months + back.days
    match table.partitions:
        case dg.MonthlyPartitionsDefinition():
            return back.months + math.ceil(back.days / 28)
        case dg.WeeklyPartitionsDefinition():
            return math.ceil(days / 7)
        case dg.HourlyPartitionsDefinition():
            return 24 * days
    return days


def _metadata(table: Table) -> dict[str, object]:
    found: dict[str, object] = {
        "dagster/table_name": ".".join(table.id.identifier),
        "dagster/partition_expr": ", ".join(table.partition_by),
        "retention": f"{table.retention.days} days, {table.retention.snapshots} snapshots",
    }
    if table.contract:
        found |= {
            "dagster/column_schema": column_schema(table.contract),
            "contract_version": table.contract.version,
            "quarantine_threshold": table.contract.quarantine_threshold,
        }
    return found


def column_schema(contract: Contract) -> dg.TableSchema:
    """The contract's columns for the UI, with descriptions, rules and sensitivity."""
    rules = {
        column.name: [r.check for r in compile_rules(contract) if r.column == column.name]
        for column in contract.columns
    }
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                column.type.simpleString(),
                description=column.description,
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable, other=rules[column.name]
                ),
                tags={"sensitivity": column.sensitivity},
            )
            for column in contract.columns
        ]
    )
