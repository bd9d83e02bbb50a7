"""The daily reconciliation of the landing bucket with the ledger, as a scheduled job.

The sensor looks at what is new; this finds what it cannot see: late objects beyond its window,
objects whose event was lost, objects that vanished, keys that match no source.
"""

import datetime as dt
from collections.abc import Sequence

import dagster as dg

from data_platform.assets import Table
from data_platform.build.platform import Platform
from data_platform.landing.arrivals.inventory import reconcile_with
from data_platform.landing.arrivals.listing import Reconciliation
from data_platform.platform_defs.schedules import schedule
from data_platform.runs.tags import RECONCILIATION
from data_platform.telemetry.wording import counted

# Keys listed in the metadata; the first reconciliation of a full bucket finds every object.
_MOST_NAMED = 1000


def reconciliation_job(tables: Sequence[Table]) -> dg.JobDefinition:
    """The job that compares the landing bucket with the ledger."""
    sources = [table.source for table in tables if table.source]

    @dg.op(required_resource_keys={"platform"}, out=dg.Out(dg.Nothing))
    def compare_listing_with_ledger(context: dg.OpExecutionContext) -> None:
        """Records what the sensor missed; the next tick asks for its run."""
        platform: Platform = context.resources.platform
        if not platform.takes_arrivals:
            context.log.info("a virtual environment leaves what lands to production")
            return
        found = reconcile_with(
            platform.inventory, platform.bucket, sources, platform.ledger, dt.datetime.now(dt.UTC)
        )
        for key, what in list(found.repaired.items())[:_MOST_NAMED]:
            context.log.info(f"{what}: {key}")
        for key, error in list(found.failed.items())[:1]:
            context.log.warning(
                f"{counted(len(found.failed), 'object')} could not be looked at; "
                f"the first, {key}: {error}"
            )
        context.add_output_metadata(_metadata(found))

    @dg.job(
        name=RECONCILIATION,
        executor_def=dg.in_process_executor,
        description="Compares what is in the landing bucket with the ledger.",
    )
    def landing_reconciliation() -> None:
        compare_listing_with_ledger()

    return landing_reconciliation


def _metadata(found: Reconciliation) -> dict[str, dg.MetadataValue]:
    """The counts, and the keys that were corrected, each with what was wrong."""
    repaired = list(found.repaired.items())
    counted = {
        "listed": found.listed,
        "missed": len(found.missed),
        "changed": len(found.changed),
        "vanished": len(found.vanished),
        "unknown": len(found.unknown),
        "not looked at": len(found.failed),
    }
    records = [dg.TableRecord({"key": key, "what": what}) for key, what in repaired[:_MOST_NAMED]]
    schema = dg.TableSchema([dg.TableColumn("key"), dg.TableColumn("what")])
    named = dg.MetadataValue.table(records, schema=schema)
    return {
        **{name: dg.MetadataValue.int(count) for name, count in counted.items()},
        "repaired": named,
        "compared with": dg.MetadataValue.text(found.by),
    }


def reconciliation_schedule(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """The schedule that runs the job every night."""
    return schedule(
        job,
        name="landing_reconciliation_daily",
        cron="15 3 * * *",
        description="Every night: what no tick has seen waits no longer than that.",
    )
