"""Which kind of table has which step: the one place where a step is chosen."""

from pyspark.sql import SparkSession

from data_platform.assets import BronzeTable, JudgedTable, MergedTable, Table
from data_platform.build.bronze import build_bronze
from data_platform.build.merged import build_merged
from data_platform.build.planning import Plan
from data_platform.build.platform import Platform
from data_platform.build.result import StepResult
from data_platform.build.steps import build


def build_step(
    table: Table, plan: Plan, platform: Platform, spark: SparkSession, run_id: str
) -> StepResult:
    """Compute and stage the partitions of the plan, by the step of the table's kind."""
    match table:
        case BronzeTable():
            return build_bronze(table, plan, platform, spark, run_id)
        case MergedTable():
            return build_merged(table, plan, platform, spark, run_id)
        case JudgedTable():
            return build(table, plan, platform, spark, run_id)
    raise TypeError(f"{table.id}: there is no step for a {type(table).__name__}")
