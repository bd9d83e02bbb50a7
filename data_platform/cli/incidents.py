"""What is wrong, and who knows of it: incidents."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from data_platform.cli import printing as out
from data_platform.cli.audit_log import recorded
from data_platform.cli.exit_codes import ExitCode
from data_platform.cli.options import JSON, open_platform
from data_platform.cli.reporting import reporting

if TYPE_CHECKING:  # slow: SQLAlchemy
    from data_platform.telemetry.incidents import Incident


@click.group(invoke_without_command=True)
@click.option("--all", "closed", is_flag=True, help="the closed ones as well, newest first")
@click.option("--check", is_flag=True, help="exit with 3 if one is open, or none was looked for")
@JSON
@click.pass_context
@reporting
def incidents(context: click.Context, closed: bool, check: bool, as_json: bool) -> None:
    """What is wrong with the platform: one incident for each cause, as Dagster's sensor
    `incidents` has last seen it, with what shows more and what to do."""
    if context.invoked_subcommand:
        return
    from data_platform.health.causes import SENSOR, SILENT
    from data_platform.health.sensor_states import last_evaluations
    from data_platform.operations.repair import instance_of
    from data_platform.telemetry.incidents import incidents as read

    platform, now = open_platform(), dt.datetime.now(dt.UTC)
    found = read(platform.builds.database, closed=closed)
    with instance_of(platform) as instance:
        looked = last_evaluations(instance, [SENSOR]).get(SENSOR)
    late = looked is None or now - looked > SILENT
    if late:
        since = f"since {_moment(looked)}" if looked else "yet"
        said = f"warning: nothing has looked for incidents {since}; Dagster's daemon does, by its "
        click.echo(f"{said}sensor {SENSOR!r}: `make dev`, or a deployment", err=True)
    if as_json:
        out.as_json([asdict(each) for each in found])
    elif not found:
        out.paragraph("no incident is recorded" if closed else "no incident is recorded as open")
    else:
        for each in found:
            for line in (_headline(each), *(f"  {line}" for line in _lines(each))):
                out.paragraph(line)
    if check and (late or any(each.closed is None for each in found)):
        raise SystemExit(ExitCode.NEEDS_DECISION)


@incidents.command()
@click.argument("number", type=int)
@click.option("--reason", required=True, metavar="WHY", help="what is being done about it")
@click.option("--by", metavar="WHO", help="who knows of it; by default DATA_PLATFORM_ACTOR")
@reporting
def acknowledge(number: int, reason: str, by: str | None) -> None:
    """Say that you know of the open incident NUMBER, and what is being done about it."""
    if not reason.strip():
        raise click.UsageError("--reason is empty; say what is being done about it")
    platform = open_platform()
    from data_platform.telemetry.incidents import acknowledge as acknowledged

    who, now = by or platform.settings.actor, dt.datetime.now(dt.UTC)
    with recorded(platform, "acknowledge", detail=f"incident {number}, by {who}: {reason}"):
        found = acknowledged(platform.builds.database, number, who, reason.strip(), now)
    click.echo(f"incident {found.number} is acknowledged by {who}: {found.title}")


def _headline(incident: Incident) -> str:
    state = f", closed {_moment(incident.closed)}" if incident.closed else ""
    return (
        f"{incident.number} {incident.severity}: {incident.title} "
        f"(since {_moment(incident.opened)}{state}; {incident.owner})"
    )


def _lines(incident: Incident) -> Iterator[str]:
    yield from incident.where
    if incident.acknowledged:
        yield f"acknowledged by {incident.acknowledged_by}: {incident.acknowledged_for}"
    if incident.closed is None:
        yield from incident.ways_out
    if incident.run:
        yield f"run: {incident.run}"


def _moment(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
