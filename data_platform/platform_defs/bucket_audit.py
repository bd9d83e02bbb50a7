"""The monthly audit of buckets and queues: an asset with a check for each rule and purpose.

The rules and the comparison are in `buckets`.
"""

import datetime as dt
import json
from collections.abc import Iterator, Sequence

import dagster as dg

from data_platform.buckets.account import connect
from data_platform.buckets.audit import EXISTS, UNEXPECTED, Failure, audit, rules_of
from data_platform.buckets.standard import OWNER, Purpose, QueuePurpose, TableTiers
from data_platform.buckets.unmanaged import unmanaged_places
from data_platform.build.dagster_internals import AssetJob
from data_platform.platform_defs.schedules import asset_job, schedule
from data_platform.settings.model import Settings
from data_platform.telemetry.warnings import previews_accepted

KEY = dg.AssetKey(["platform", "buckets_audit"])
JOB = "buckets_audit"

# The last partition is the current month: an audit sees the buckets as they are now.
MONTHS = dg.MonthlyPartitionsDefinition(start_date="2026-01-01", end_offset=1)


PURPOSES: tuple[Purpose | QueuePurpose, ...] = (*Purpose, *QueuePurpose)


def check_name(rule: str, purpose: Purpose | QueuePurpose) -> str:
    """`tls_only__raw_landing`"""
    return f"{rule}__{purpose.replace('-', '_')}"


def bucket_audit(settings: Settings, tables: tuple[TableTiers, ...] = ()) -> dg.AssetsDefinition:
    """The audit asset for the buckets of these settings; `tables` are those in the warehouse."""

    def buckets_audit(context: dg.AssetExecutionContext):
        _require_this_month(context.partition_keys)
        account, clients = connect(settings)
        found = audit(clients, account, settings.project, settings.environment, tables)
        for failure in found.failures:
            context.log.warning(_line(failure))
        metadata = {
            "account": account.id,
            "buckets": list(found.buckets),
            "queues": list(found.queues),
            "deviations": len(found.failures),
        }
        for what, said in unmanaged_places(settings, account).items():
            context.log.warning(said)
            metadata[what] = said
        yield dg.MaterializeResult(
            metadata=metadata, check_results=list(_check_results(found.failures))
        )

    with previews_accepted():
        return dg.asset(
            key=KEY,
            partitions_def=MONTHS,
            check_specs=_check_specs(),
            backfill_policy=dg.BackfillPolicy.single_run(),
            group_name="platform",
            owners=[OWNER],
            tags={"domain": "platform", "layer": "platform"},
            kinds={"s3", "sqs"},
            description="Every bucket with the project's prefix, and the queues of what lands, "
            "against the standard.",
        )(buckets_audit)


def bucket_audit_job() -> AssetJob:
    """The job that audits buckets and queues."""
    return asset_job(JOB, KEY, "Audits the buckets and queues.")


def bucket_audit_schedule(job: AssetJob) -> dg.ScheduleDefinition:
    """The schedule that audits the month that begins, on its first day."""

    def this_month(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        month = f"{context.scheduled_execution_time:%Y-%m}-01"
        return dg.RunRequest(run_key=month, partition_key=month)

    return schedule(
        job,
        name="buckets_audit_monthly",
        cron="30 4 1 * *",
        description="On the first of each month.",
        request=this_month,
    )


def _check_specs() -> list[dg.AssetCheckSpec]:
    with previews_accepted():
        return [
            dg.AssetCheckSpec(name, asset=KEY, description=description, partitions_def=MONTHS)
            for name, description in _checks().items()
        ]


def _checks() -> dict[str, str]:
    """Name and description of every check."""
    found = {
        check_name(rule, purpose): f"{purpose}: {description}"
        for purpose in PURPOSES
        for rule, description in rules_of(purpose).items()
    }
    return {**found, UNEXPECTED: "Every bucket with the project's prefix is in the standard."}


def _check_results(failures: Sequence[Failure]) -> Iterator[dg.AssetCheckResult]:
    """A result for each check, with every bucket or queue that fails it and the commands to fix
    it."""
    failed: dict[str, list[Failure]] = {}
    for failure in failures:
        name = check_name(failure.rule, failure.purpose) if failure.purpose else failure.rule
        failed.setdefault(name, []).append(failure)
    missing = {f.purpose: f.name for f in failures if f.purpose and f.rule == EXISTS}
    unseen = {
        check_name(rule, purpose): f"{name} is not there: nothing to look at"
        for purpose, name in missing.items()
        for rule in rules_of(purpose)
    }
    for name in _checks():
        broken = failed.get(name, [])
        yield dg.AssetCheckResult(
            check_name=name,
            passed=not broken and name not in unseen,
            description="; ".join(map(_line, broken)) or unseen.get(name),
            metadata={f.name: f.command for f in broken},
        )


def _line(failure: Failure) -> str:
    choice = f" (needs a human decision: {failure.loosens})" if failure.loosens else ""
    return (
        f"{failure.name}: {failure.rule}: {failure.expected}; found {failure.found}; "
        f"fix it with: {failure.command}{choice}"
    )


def _require_this_month(keys: Sequence[str]) -> None:
    month = f"{dt.datetime.now(dt.UTC):%Y-%m}-01"
    if list(keys) != [month]:
        raise dg.Failure(
            "buckets and queues can only be seen as they are now: audit the partition "
            f"{month}, not {json.dumps(list(keys))}",
            allow_retries=False,
        )
