"""A sensor that observes the platform's metrics and exports them, where OpenTelemetry's variables
name a collector.

A sensor is evaluated by one process at a time, wherever the platform runs, and its ticks show in
the UI whether metrics are exported.
"""

import datetime as dt
from collections.abc import Sequence

import dagster as dg

from data_platform.assets import Table
from data_platform.build.platform import Platform
from data_platform.health.measuring import Measuring
from data_platform.health.sensor_states import declared_sensors
from data_platform.settings.environment import variables_of
from data_platform.telemetry.otlp import exports, meters
from data_platform.telemetry.wording import counted

NAME = "metrics"
_INTERVAL = "OTEL_METRIC_EXPORT_INTERVAL"  # milliseconds
_SECONDS, _LEAST_SECONDS = 60, 5


def metrics_sensors(tables: Sequence[Table]) -> list[dg.SensorDefinition]:
    """The sensor; none without a collector for metrics."""
    return [_sensor(tables)] if exports("metrics") else []


def _sensor(tables: Sequence[Table]) -> dg.SensorDefinition:
    kept: list[Measuring] = []

    @dg.sensor(
        name=NAME,
        minimum_interval_seconds=_interval(),
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"platform"},
        description="Exports the metrics of the platform to an OpenTelemetry collector.",
    )
    def metrics(context: dg.SensorEvaluationContext):
        platform: Platform = context.resources.platform
        if not kept:
            kept.append(Measuring(platform, tables, declared_sensors(context)))
        exporting = meters()
        if exporting is None:
            return dg.SkipReason("nothing is exported: check the OTEL_ variables")
        now = dt.datetime.now(dt.UTC)
        found = kept[0].observe(context.instance, now, context.log.warning)
        exporting.export(found)
        return dg.SkipReason(f"{counted(len(found), 'value')} exported")

    return metrics


def _interval() -> int:
    """Seconds between two exports."""
    given = variables_of(("OTEL_",)).get(_INTERVAL, "")
    seconds = int(given) // 1000 if given.strip().isdigit() else _SECONDS
    return max(seconds, _LEAST_SECONDS)
