"""A sensor that opens and closes incidents, and sends the notices about them."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import dagster as dg

from data_platform.assets import Table
from data_platform.build.platform import Platform
from data_platform.health.causes import PLATFORM, Causes, OtherCheck
from data_platform.health.notifying import notify, noting, text_of
from data_platform.platform_defs import bucket_audit
from data_platform.settings.alerts import Alerts, alerts_of
from data_platform.telemetry.channels import deliver
from data_platform.telemetry.incident_events import request
from data_platform.telemetry.incidents import Change, Event, Kind, reconcile
from data_platform.telemetry.notices import Notice
from data_platform.telemetry.otlp import exports, records
from data_platform.telemetry.wording import counted

NAME = "incidents"
COLLECTOR = "otlp"
"""The channel of a collector, which gets every notice."""


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
        description="Opens an incident for each cause that something is wrong, closes it when the "
        "cause is gone, and sends notices of both.",
    )
    def incidents(context: dg.SensorEvaluationContext):
        platform: Platform = context.resources.platform
        settings, now = platform.settings, dt.datetime.now(dt.UTC)
        alerts = alerts_of(settings.alerts, settings.aws_region)
        always = [COLLECTOR] if exports("logs") else []
        causes = Causes(platform, tables, checks, _last(context))
        found, observed = causes.observe(context.instance, now)
        database = platform.builds.database
        changes = reconcile(database, found, observed, now, noting(alerts, always, now))
        for text in causes.troubles:
            context.log.error(text)
        for change in changes:
            context.log.warning(_said(change))
        send = partial(_send, alerts)
        for channel in notify(database, alerts, now, send, unlimited=always):
            context.log.error(f"the channel {channel} took no notice; it is tried again")
        open_ = f"{counted(len(found), 'incident')} open" if found else "no incident is open"
        context.update_cursor(str(now.timestamp()))
        return dg.SkipReason("; ".join([*map(_said, changes), open_]))

    return incidents


def _last(context: dg.SensorEvaluationContext) -> dt.datetime | None:
    return dt.datetime.fromtimestamp(float(context.cursor), dt.UTC) if context.cursor else None


def _send(alerts: Alerts, channel: str, notices: Sequence[Notice]) -> bool:
    if channel == COLLECTOR:
        return all(map(_exported, notices))
    text = text_of(notices, alerts)
    kind = "failure" if text.severity == "error" else "warning"
    kind = "success" if text.resolved else kind
    return deliver(channel, alerts.urls[channel], text.title, text.body, kind=kind)


def _exported(notice: Notice) -> bool:
    exporting = records()
    if exporting is None:
        return False
    try:
        exporting.export(partial(request, notice.event, notice.incident, notice.at))
    except OSError:  # the disk is full; the notice waits
        return False
    return True


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
