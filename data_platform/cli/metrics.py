"""The values of the platform's metrics now: metrics."""

import datetime as dt
from collections.abc import Mapping

import click

from data_platform.cli import printing as out
from data_platform.cli.options import JSON, declarations, open_platform
from data_platform.cli.reporting import reporting


@click.command()
@click.argument("name", required=False, default="")
@click.option("--send", is_flag=True, help="export them once, as Dagster's sensor does")
@JSON
@reporting
def metrics(name: str, send: bool, as_json: bool) -> None:
    """The metrics whose names have NAME in them, with their values now; all of them without NAME.

    They are what is exported to an OpenTelemetry collector where OTEL_EXPORTER_OTLP_ENDPOINT names
    one: by Dagster's sensor `metrics`, or by --send where no daemon runs.
    """
    platform = open_platform()
    tables, _ = declarations()
    from data_platform.health.measuring import Measuring
    from data_platform.operations.repair import instance_of
    from data_platform.telemetry.otlp import meters

    exporting = meters() if send else None
    if send and exporting is None:
        raise click.ClickException(
            "no collector for metrics is named; set OTEL_EXPORTER_OTLP_ENDPOINT, such as "
            "http://localhost:4318"
        )
    with instance_of(platform) as instance:
        found = Measuring(platform, tables).observe(instance, dt.datetime.now(dt.UTC), _warn)
    if exporting:
        exporting.export(found)
    shown = [
        {
            "metric": each.metric.name,
            "value": each.value,
            "unit": each.metric.unit,
            "labels": dict(each.labels) if as_json else _text(each.labels),
        }
        for each in found
        if name in each.metric.name
    ]
    if as_json:
        out.as_json(shown)
    else:
        out.records("values", shown)


def _text(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{label}={value}" for label, value in labels.items())


def _warn(trouble: str) -> None:
    click.echo(f"warning: {trouble}", err=True)
