"""Bytes and monthly cost of every table and domain, as an asset that is built once a month."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from data_platform.buckets.prices import AS_OF, monthly_cost, price
from data_platform.buckets.standard import OWNER
from data_platform.build.dagster_internals import AssetJob
from data_platform.lake.refusals import passing_over
from data_platform.lake.rejected import REJECTED_LAYERS
from data_platform.lake.sizes import TableBytes, sizes
from data_platform.platform_defs.schedules import asset_job, schedule
from data_platform.settings.model import Settings

KEY = dg.AssetKey(["platform", "storage_costs"])
JOB = "storage_costs"


def storage_costs(settings: Settings) -> dg.AssetsDefinition:
    """The asset with the cost of tables at the price of these settings; only bytes without one."""

    def measured(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        own = settings.storage_price is not None
        source = "DATA_PLATFORM_STORAGE_PRICE" if own else f"list price of {AS_OF}"
        with passing_over() as guard:
            found = list(sizes(context.resources.platform.lake, guard))
            yield dg.MaterializeResult(metadata=report(found, price(settings), source))

    return dg.asset(
        key=KEY,
        required_resource_keys={"platform"},
        group_name="platform",
        owners=[OWNER],
        tags={"domain": "platform", "layer": "platform"},
        kinds={"s3"},
        description="Bytes and monthly cost of every table and domain, by the tables' metadata.",
    )(measured)


def report(found: Sequence[TableBytes], price: float | None, source: str) -> dict[str, Any]:
    """The metadata: totals and numbers by domain for Dagster to plot, and a table of the tables.

    `bytes` are all that tables hold; `history_bytes` those that only old snapshots refer to,
    `rejected_bytes` those of quarantine and duplicates. Costs are US dollars a month.
    """
    domains: dict[str, list[TableBytes]] = {}
    for each in found:
        domains.setdefault(each.table.domain, []).append(each)
    metadata = dict(_figures(found, price, ""))
    for domain, own in sorted(domains.items()):
        metadata |= _figures(own, price, f"{domain}/")
    if price is not None:
        metadata |= {"usd_per_gb_and_month": price, "price": source}
    return {**metadata, "tables": _table(found, price)}


def _table(found: Sequence[TableBytes], price: float | None) -> dg.TableMetadataValue:
    columns = [
        dg.TableColumn("table"),
        dg.TableColumn("bytes", "int", description="of the files that it consists of now"),
        dg.TableColumn("history_bytes", "int", description="of those of its old snapshots alone"),
    ]
    if price is not None:
        described = "of both, were all in S3 Standard"
        columns.append(dg.TableColumn("monthly_usd", "float", description=described))
    rows = [
        (str(each.table), each.current, each.history, monthly_cost(each.total, price))
        for each in sorted(found, key=lambda each: -each.total)
    ]
    names = [column.name for column in columns]
    records = [dg.TableRecord(dict(zip(names, row, strict=False))) for row in rows]
    return dg.MetadataValue.table(records, dg.TableSchema(columns))


def _figures(found: Iterable[TableBytes], price: float | None, of: str) -> Mapping[str, Any]:
    total: Counter[str] = Counter(bytes=0, history_bytes=0, rejected_bytes=0)
    for each in found:
        total["bytes"] += each.total
        total["history_bytes"] += each.history
        if each.table.layer in REJECTED_LAYERS.values():
            total["rejected_bytes"] += each.total
    cost = monthly_cost(total["bytes"], price)
    named = {f"{of}{name}": value for name, value in total.items()}
    return named if cost is None else {**named, f"{of}monthly_usd": cost}


def storage_costs_job() -> AssetJob:
    """The job that measures what tables hold and cost."""
    return asset_job(JOB, KEY, "Measures what tables hold and cost.")


def storage_costs_schedule(job: AssetJob) -> dg.ScheduleDefinition:
    """The schedule that runs the job on the first of each month."""
    return schedule(
        job,
        name="storage_costs_monthly",
        cron="45 4 1 * *",
        description="On the first of each month.",
    )
