"""What depends on the kind of a table: its step, its checks, whether it can be tried.

Only this module, `build.tables` and `assets` distinguish kinds. A new kind is a class in `assets`,
with its source or contract, a schema in `build.tables`, and a case in each function here.
"""

import inspect
from collections.abc import Iterable
from dataclasses import replace

from pyspark.sql import SparkSession

from data_platform.assets import BronzeTable, JudgedTable, MergedTable, Table
from data_platform.build.bronze import build_bronze
from data_platform.build.damaged import damaged_input_named
from data_platform.build.merged import build_merged
from data_platform.build.planning import Plan
from data_platform.build.platform import Platform
from data_platform.build.result import StepResult
from data_platform.build.steps import build
from data_platform.lake.writing.publish import WRITTEN, StagedWrite
from data_platform.quality import findings as checks
from data_platform.storage.errors import LakeError
from data_platform.telemetry.tracing import phase

CheckText = tuple[str, bool, str]
"""A check's name, whether it blocks, and its description."""


def landed(tables: Iterable[Table]) -> list[BronzeTable]:
    """The bronze tables, which hold landed rows."""
    return [table for table in tables if isinstance(table, BronzeTable)]


def derived(tables: Iterable[Table]) -> list[Table]:
    """The tables that are computed from other tables."""
    return [table for table in tables if not isinstance(table, BronzeTable)]


def judged(tables: Iterable[Table]) -> list[JudgedTable]:
    """The tables whose rows are judged by a contract."""
    return [table for table in tables if isinstance(table, JudgedTable)]


def build_step(
    table: Table, plan: Plan, platform: Platform, spark: SparkSession, run_id: str
) -> StepResult:
    """Compute and stage the partitions of the plan, by the step of the table's kind."""
    name = "parse" if isinstance(table, BronzeTable) else "compute"
    with (
        phase(name, run_id, table.id, partitions=len(plan.keys)) as work,
        damaged_input_named(plan, platform, spark),
    ):
        result = _step(table, plan, platform, spark, run_id)
        work.set_figures(**_figures(result.write))
    return replace(result, seconds={**result.seconds, name: work.seconds})


def _step(
    table: Table, plan: Plan, platform: Platform, spark: SparkSession, run_id: str
) -> StepResult:
    match table:
        case BronzeTable():
            return build_bronze(table, plan, platform, spark, run_id)
        case MergedTable():
            return build_merged(table, plan, platform, spark, run_id)
        case JudgedTable():
            return build(table, plan, platform, spark, run_id)
    raise TypeError(f"{table.id}: there is no step for a {type(table).__name__}")


def _figures(write: StagedWrite) -> dict[str, str | int]:
    """What was staged, as figures of a span."""
    files = [file for of in write.staged.files.values() for file in of]
    return {
        "attempt": write.attempt,
        "rows_staged": sum(file.rows for file in files),
        "bytes_staged": sum(file.bytes for file in files),
        "held_back": len(write.held_back),
    }


def require_tried(table: Table) -> JudgedTable:
    """Return the table. Raises LakeError for a kind whose partitions cannot be tried."""
    match table:
        case MergedTable():
            raise LakeError(
                f"{table.id} merges what changed of its input, so no partition of it can be tried; "
                f"try {', '.join(map(str, table.inputs.values()))}"
            )
        case JudgedTable():
            return table
    raise LakeError(f"{table.id} is read from its source, it has no function to try")


def partition_checks(table: Table) -> list[CheckText]:
    """The checks of each partition."""
    return [
        (checks.VOLUME, False, "Rows are of the order of the partitions before."),
        (WRITTEN, True, "The files to be published are on disk what their writers reported."),
        *_own_checks(table),
    ]


def _own_checks(table: Table) -> list[CheckText]:
    received = "Every row received is published, quarantined or a duplicate."
    inputs = (checks.INPUTS, False, "No input is held back by its checks.")
    match table:
        case BronzeTable():
            reading = "Every landed object could be read; where none could, nothing is published."
            return [(checks.READABLE, False, reading), (checks.CONSERVATION, True, received)]
        case MergedTable():
            kept = (
                "Every row of the table and of what changed is in it, or gave way to a newer one."
            )
            return [*_of_contract(table), (checks.CONSERVATION, True, kept), inputs]
        case JudgedTable() if table.lineage:
            return [*_of_contract(table), (checks.CONSERVATION, True, received)]
        case JudgedTable():  # its function may make any number of rows
            return [*_of_contract(table), inputs]
    return []


def _of_contract(table: JudgedTable) -> list[CheckText]:
    share = "The share of quarantined rows is within the contract's threshold."
    found: list[CheckText] = [(checks.RULES, True, share)]
    if table.partition_by:
        own = "Every row is of the partition that it was built for, or of one around it."
        found.append((checks.PARTITION, table.outside == "blocking", own))
    return found


def modules_of(table: Table) -> set[str]:
    """The modules of its function, or of what reads its source's objects and names their
    partitions."""
    match table:
        case BronzeTable():
            source = table.source
            return {type(source.format).__module__, inspect.unwrap(source.partition).__module__}
        case JudgedTable():
            return {inspect.unwrap(table.function).__module__}
    return set()
