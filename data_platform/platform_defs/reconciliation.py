"""The daily reconciliation: the full listing against the ledger, as a job on a schedule.

The sensor looks at what is new; this finds what it cannot have seen: late objects beyond its
window, objects that vanished, keys that match no source.
"""

import datetime as dt
from collections.abc import Sequence

import dagster as dg

from data_platform.assets import Table
from data_platform.landing.intake import reconcile
from data_platform.platform_defs.platform import Platform

RECONCILIATION = "landing_reconciliation"


def reconciliation_job(tables: Sequence[Table]) -> dg.JobDefinition:
    sources = [table.source for table in tables if table.source]

    @dg.op(required_resource_keys={"platform"}, out=dg.Out(dg.Nothing))
    def compare_listing_with_ledger(context: dg.OpExecutionContext) -> None:
        """Records what the sensor missed; the next tick asks for its run."""
        platform: Platform = context.resources.platform
        found = reconcile(platform.bucket, sources, platform.ledger, dt.datetime.now(dt.UTC))
        context.log.info(f"reconciled the landing bucket: {found}")
        context.add_output_metadata({"result": str(found)})

    @dg.job(
        name=RECONCILIATION,
        executor_def=dg.in_process_executor,
        description="Compares the full listing of the landing bucket with the ledger.",
    )
    def landing_reconciliation() -> None:
        compare_listing_with_ledger()

    return landing_reconciliation


def reconciliation_schedule(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name="landing_reconciliation_daily",
        job=job,
        cron_schedule="15 3 * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every night, so that nothing waits longer than a day.",
    )
