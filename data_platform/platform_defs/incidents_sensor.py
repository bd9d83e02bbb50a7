"""A sensor that opens and closes incidents, and sends the notices about them."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import dagster as dg

from data_platform.assets import Table
from data_platform.build.platform import Platform
from data_platform.health.arrival_causes import PLATFORM
from data_platform.health.causes import SENSOR, Causes, OtherCheck, channel_fails
from data_platform.health.notifying import notify, telling, text_of
from data_platform.health.sensor_states import declared_sensors
from data_platform.platform_defs import bucket_audit
from data_platform.settings.alerts import COLLECTOR, Alerts, alerts_of
from data_platform.settings.model import Settings
from data_platform.settings.values import SettingsError
from data_platform.telemetry.channels import deliver
from data_platform.telemetry.incident_events import request
from data_platform.telemetry.incidents import Cause, Change, Event, Kind, reconcile
from data_platform.telemetry.incidents import incidents as read_open
from data_platform.telemetry.notices import Notice, drop_others
from data_platform.telemetry.otlp import exports, records
from data_platform.telemetry.wording import counted


def incidents_sensor(
    tables: Sequence[Table], others: Iterable[dg.AssetsDefinition]
) -> dg.SensorDefinition:
    """The sensor for these tables, and for the checks of other assets."""
    checks = list(checks_of(others))
    kept: list[Causes] = []

    @dg.sensor(
        name=SENSOR,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"platform"},
        description="Opens an incident for each cause that something is wrong, closes it when the "
        "cause is gone, and sends notices of both.",
    )
    def incidents(context: dg.SensorEvaluationContext):
        platform: Platform = context.resources.platform
        now = dt.datetime.now(dt.UTC)
        if not kept:
            names, last = declared_sensors(context), _last(context)
            kept.append(Causes(platform, tables, checks, names, last=last))
        [causes] = kept
        alerts, wrong = _alerts(platform.settings)
        always = [COLLECTOR] if exports("logs") else []
        causes.channels = [*alerts.urls, *always]
        observed = causes.observe(context.instance, now)
        context.update_cursor(str(now.timestamp()))
        database = platform.builds.database
        found = [*observed.causes, *wrong]
        told = telling(alerts, always, now)
        changes = reconcile(database, found, observed.seen, now, told)
        for text in observed.troubles:
            context.log.error(text)
        for change in changes:
            context.log.warning(_said(change))
        if not wrong:
            drop_others(database, causes.channels)
        send = partial(_send, alerts, platform.settings)
        for channel in notify(database, alerts, now, send, unlimited=always):
            context.log.error(f"channel {channel} did not accept a notice; it is tried again")
        count = len(read_open(database))
        open_ = f"{counted(count, 'incident')} open" if count else "no incident is open"
        return dg.SkipReason("; ".join([*map(_said, changes), open_]))

    return incidents


def _last(context: dg.SensorEvaluationContext) -> dt.datetime | None:
    return dt.datetime.fromtimestamp(float(context.cursor), dt.UTC) if context.cursor else None


def _alerts(settings: Settings) -> tuple[Alerts, list[Cause]]:
    """The channels and routes, and what is wrong with them; none in a virtual environment, whose
    incidents concern those who work in it."""
    if settings.virtual_environment:
        return Alerts(), []
    try:
        return alerts_of(settings.alerts), []
    except SettingsError as error:
        return Alerts(), [channel_fails("alerts", f"nobody is told of incidents: {error}")]


def _send(alerts: Alerts, settings: Settings, channel: str, notices: Sequence[Notice]) -> bool:
    if channel == COLLECTOR:
        return all(map(_exported, notices))
    text = text_of(notices, alerts, f"{settings.project}-{settings.environment}")
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
