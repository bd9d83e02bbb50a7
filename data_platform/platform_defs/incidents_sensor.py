"""A sensor that opens and closes incidents."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence

import dagster as dg

from data_platform.assets import Table
from data_platform.build.platform import Platform
from data_platform.health.causes import PLATFORM, Causes, OtherCheck
from data_platform.platform_defs import bucket_audit
from data_platform.telemetry.incidents import Change, Event, Kind, reconcile
from data_platform.telemetry.wording import counted

NAME = "incidents"


def incidents_sensor(
    tables: Sequence[Table], others: Iterable[dg.AssetsDefinition]
) -> dg.SensorDefinition:
    """The sensor for these tables, and for the checks of other assets."""
    checks = list(checks_of(others))

    @dg.sensor(
        name=NAME,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"platform"},
        description="Opens an incident for each cause that something is wrong, and closes it when "
        "the cause is gone.",
    )
    def incidents(context: dg.SensorEvaluationContext):
        platform: Platform = context.resources.platform
        now = dt.datetime.now(dt.UTC)
        causes = Causes(platform, tables, checks)
        found, observed = causes.observe(context.instance, now)
        changes = reconcile(platform.builds.database, found, observed, now)
        for trouble in causes.troubles:
            context.log.error(trouble)
        for change in changes:
            context.log.warning(_said(change))
        open_ = f"{counted(len(found), 'incident')} open" if found else "no incident is open"
        return dg.SkipReason("; ".join([*map(_said, changes), open_]))

    return incidents


def _said(change: Change) -> str:
    what = "opened" if change.event is Event.OPENED else "closed"
    return f"incident {change.incident.number} {what}: {change.incident.title}"


def checks_of(others: Iterable[dg.AssetsDefinition]) -> Iterator[OtherCheck]:
    """The checks of assets that are not tables, with their owners."""
    for asset in others:
        for spec in asset.check_specs:
            is_bucket = spec.asset_key == bucket_audit.KEY
            owners = asset.specs_by_key[spec.asset_key].owners
            yield OtherCheck(
                spec.key,
                next(iter(owners), PLATFORM),
                Kind.BUCKET if is_bucket else Kind.CHECK,
            )
