"""A declared table as a Dagster asset: everything the UI shows comes from the declaration."""

import json
from collections.abc import Iterator

import dagster as dg
from pyspark.sql import types as T

from data_platform.assets import Table
from data_platform.build.dagster_internals import LOGGED
from data_platform.build.events import Log
from data_platform.build.failures import failures_explained
from data_platform.build.freshness import finding_now
from data_platform.build.kinds import landed
from data_platform.build.mappings import Partitions, dep
from data_platform.build.planning import Plan
from data_platform.build.platform import Platform
from data_platform.build.result import StepResult
from data_platform.build.table_checks import check_specs, checks_left_alone
from data_platform.contracts.errors import ContractError, DeclarationError
from data_platform.databases.fencing import held_here, lease_of
from data_platform.platform_defs.step import StepRequest, built, nothing_to_build, planned
from data_platform.platform_defs.table_page import definition_metadata
from data_platform.runs.arrivals import settle
from data_platform.runs.stopping import stoppable
from data_platform.runs.tags import BACKFILL_ID_TAG, ONLY_PARTITIONS, ONLY_STALE
from data_platform.tables.identity import WHOLE_TABLE, TableId
from data_platform.tables.partition_columns import misfit
from data_platform.telemetry.metadata import SILENT
from data_platform.telemetry.wording import counted


def asset_of(table: Table, partitions: Partitions) -> dg.AssetsDefinition:
    """The asset whose step builds the table's partitions in a run's range; `partitions` are those
    of its possible input tables.

    Raises DeclarationError or ContractError if the declaration cannot be an asset.
    """
    _require_inputs_once(table)
    _require_whole_days(table)
    _require_fitting_keys(table)

    @dg.asset(
        key=table.key,
        deps=[dep(table, name, partitions) for name in table.inputs],
        partitions_def=table.partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=check_specs(table),
        group_name=table.id.domain,
        kinds={table.id.layer},
        owners=[table.owner],
        metadata=definition_metadata(table),
        code_version=table.version if table.contract else None,
        description=table.description,
        io_manager_key="io_manager",
        pool=str(table.id),  # of which dagster.yaml lets one run at a time build
        required_resource_keys={"platform", "pyspark"},
    )
    def step(context: dg.AssetExecutionContext) -> Iterator[dg.Output]:
        with failures_explained(), stoppable(context.instance, context.run.run_id):
            result = _built(table, context)
        yield from _outputs(table, result)
        _log_freshness(table, context)  # of what the outputs published

    return step


def _built(table: Table, context: dg.AssetExecutionContext) -> StepResult | None:
    """The staged partitions that are due, with the findings of the table's checks. None where there
    is nothing to publish: none is due, and the checks are logged here, or a job has published."""
    platform: Platform = context.resources.platform
    asked = _asked(table, context)
    for bronze in landed([table]):
        settle(bronze, platform, asked.keys)
    due = planned(table, platform, asked)
    _log_left(table, due, asked, context)
    if not due.keys:
        nothing_to_build(table, platform, asked, Log.of(context, table.key), context.log.info)
        return None
    context.log.info(f"{table.id}: building {counted(len(due.keys), 'partition')}")
    if platform.settings.spark.service:
        from data_platform.platform_defs.launching import launched  # slow: it imports boto3

        launched(table, platform.settings, asked, context)
        return None
    spark = context.resources.pyspark.spark_session
    return built(table, due, platform, spark, asked.run_id)


def _asked(table: Table, context: dg.AssetExecutionContext) -> StepRequest:
    chosen = context.run.tags.get(ONLY_PARTITIONS)
    lease = held_here(lease_of(context.run.run_id))
    return StepRequest(
        str(table.id),
        context.run.run_id,
        _requested(table, context),
        only_stale=ONLY_STALE in context.run.tags,
        among=json.loads(chosen) if chosen else None,
        epoch=lease.epoch if lease else None,
    )


def _requested(table: Table, context: dg.AssetExecutionContext) -> list[str]:
    """The partition keys of the run, '' for a table without partitions.

    A run is for one partition or a range, which Dagster marks by different tags. A run for
    partitions may also include tables without partitions.
    """
    if table.partitions is None:
        return [WHOLE_TABLE]
    if not (context.has_partition_key or context.has_partition_key_range):
        raise dg.Failure(
            f"{table.id} is partitioned: choose the partitions to build", allow_retries=False
        )
    return list(context.partition_keys)


def _log_left(
    table: Table, due: Plan, asked: StepRequest, context: dg.AssetExecutionContext
) -> None:
    """Log for Dagster the partitions of a range that this run does not build.

    Dagster expects a result of each check, and shows those without one as skipped. A backfill also
    expects a materialization of each; in other runs, partitions without input stay missing.
    """
    building = set(due.keys)
    if left := [key for key in asked.keys if key not in building]:
        found = checks_left_alone(table, context.resources.platform, due, left)
        log = Log.of(context, table.key)
        if BACKFILL_ID_TAG in context.run.tags:
            log.without_input(found.without_input)
        log.findings(found.findings)


def _log_freshness(table: Table, context: dg.AssetExecutionContext) -> None:
    try:
        found = finding_now(table, context.resources.platform)
    except Exception as error:  # the table is published, and the sensor evaluates the check as well
        context.log.warning(f"{table.id}: its freshness is not known: {type(error).__name__}")
        return
    if found:
        Log.of(context, table.key).findings([found])


def _outputs(table: Table, result: StepResult | None) -> Iterator[dg.Output[StepResult | None]]:
    """The step's outputs. Check results are logged for each partition, so their outputs are empty,
    but Dagster warns if they are missing, and downstream tables wait for the blocking ones."""
    yield dg.Output(result, output_name="result", metadata=dict(LOGGED))
    for spec in check_specs(table):
        metadata = dict(LOGGED) if spec.blocking else {**LOGGED, **SILENT}
        yield dg.Output(None, output_name=spec.get_python_identifier(), metadata=metadata)


def _require_inputs_once(table: Table) -> None:
    """Refuse two inputs from one table: Dagster allows each upstream asset once."""
    names: dict[TableId, str] = {}
    for name, upstream in table.inputs.items():
        if (first := names.setdefault(upstream, name)) != name:
            raise DeclarationError(
                f"{table.id}: its inputs {first} and {name} are one table, {upstream}; take it "
                "once, as far back as either reaches, and filter it in the function"
            )


def _require_whole_days(table: Table) -> None:
    """Refuse daily partitions with an offset in a date column, which has no time of day: one that
    starts at 06:00 would read rows of the next day."""
    if not isinstance(table.partitions, dg.TimeWindowPartitionsDefinition):
        return
    minute, hour, *_ = [*table.partitions.cron_schedule.split(), "*"]
    column = table.partitioning.columns[0]
    if isinstance(column.type, T.DateType) and hour != "*" and (minute, hour) != ("0", "0"):
        raise DeclarationError(
            f"{table.id}: its partitions begin at {hour.zfill(2)}:{minute.zfill(2)}, and its "
            f"partition column {column.name} is a date; leave the offset out, and let the column "
            "say which day a row counts for"
        )


def _require_fitting_keys(table: Table) -> None:
    if table.partitions and (why := misfit(table.partitioning, table.partitions)):
        raise ContractError(why, table=str(table.id))
