"""Send the notices of incidents to their channels.

A channel gets at most so many messages an hour for each owner: the last of them sums up all that
waits. One that takes nothing is tried again after longer and longer waits, and is an incident
itself.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from data_platform.databases.connections import Database
from data_platform.settings.alerts import TRACE, Alerts
from data_platform.tables.identity import LAYERS
from data_platform.telemetry.ids import trace_of
from data_platform.telemetry.incidents import Cause, Change, Event, Incident, Kind, Noted
from data_platform.telemetry.notices import (
    Notice,
    add,
    mark_sent,
    messages_since,
    postpone,
    waiting,
)
from data_platform.telemetry.wording import counted

_HOUR = dt.timedelta(hours=1)
_LISTED = 20  # incidents that a summary names


@dataclass(frozen=True)
class Text:
    """A message; `severity` is that of the worst incident that it says is open."""

    title: str
    body: str
    severity: str
    resolved: bool


Send = Callable[[str, Sequence[Notice]], bool]
"""Sends a message with these notices to a channel; returns whether it was taken."""


def noting(alerts: Alerts, always: Sequence[str], now: dt.datetime) -> Noted:
    """Writes the notices of a change for the channels of its routes, and for those that `always`
    get one."""

    def noted(connection, change: Change) -> None:
        incident = change.incident
        routed = alerts.channels(incident.owner, layer_of(incident), incident.severity)
        silent = incident.subject if incident.kind is Kind.CHANNEL else ""
        channels = [name for name in routed if name != silent]  # which is down, and cannot say so
        add(connection, change, [*channels, *always], now)

    return noted


def layer_of(cause: Cause) -> str:
    """The layer of what is wrong: of a table, or bronze for a landed object; empty for the rest."""
    if cause.kind is Kind.OBJECT:
        return "bronze"
    layer, *rest = cause.subject.split("/")
    return layer if layer in LAYERS and len(rest) == 2 else ""


def notify(
    database: Database, alerts: Alerts, now: dt.datetime, send: Send, *, unlimited: Sequence[str]
) -> Iterator[str]:
    """Send what waits for the channels of `alerts`, and for those that get every notice by itself;
    yields the names of channels that did not take it."""
    for channel in [*alerts.urls, *unlimited]:
        for message in _messages(database, channel, alerts, now, unlimited):
            if not send(channel, message):
                postpone(database, message, now)
                yield channel
                break  # the rest waits for the next tick
            mark_sent(database, message, now)


def _messages(
    database: Database,
    channel: str,
    alerts: Alerts,
    now: dt.datetime,
    unlimited: Sequence[str],
) -> Iterator[list[Notice]]:
    """The messages that a channel gets now, each with its notices."""
    due = waiting(database, channel, now)
    for owner in dict.fromkeys(notice.incident.owner for notice in due):
        of_owner = [notice for notice in due if notice.incident.owner == owner]
        left = len(of_owner)
        if channel not in unlimited:
            left = alerts.most_an_hour - messages_since(database, channel, owner, now - _HOUR)
        if left <= 0:
            continue
        single = of_owner if len(of_owner) <= left else of_owner[: left - 1]
        yield from ([notice] for notice in single)
        if rest := of_owner[len(single) :]:
            yield rest


def text_of(message: Sequence[Notice], alerts: Alerts) -> Text:
    """What a message says."""
    if len(message) == 1:
        return _single(message[0], alerts)
    opened = [notice for notice in message if notice.event is Event.OPENED]
    lines = [f"{notice.event} {_numbered(notice.incident)}" for notice in message[:_LISTED]]
    if more := len(message) - len(lines):
        lines.append(f"and {more} more")
    owner = message[0].incident.owner
    count = counted(len(opened), "more incident")
    title = f"{owner}: {count} opened, {len(message) - len(opened)} closed"
    severity = "error" if any(each.incident.severity == "error" for each in opened) else "warning"
    lines.append("All of them: data-platform incidents")
    return Text(title, "\n".join(lines), severity, not opened)


def _single(notice: Notice, alerts: Alerts) -> Text:
    incident, closed = notice.incident, notice.event is Event.CLOSED
    lines = [f"owner: {incident.owner}"]
    if incident.partitions:
        lines.append(f"partitions: {incident.partitions}")
    if incident.reasons:
        reasons = (f"{reason} {count:,}" for reason, count in incident.reasons.items())
        lines.append(f"rows by rule: {', '.join(reasons)}")
    if closed:
        lines.append(f"open since {incident.opened:%Y-%m-%d %H:%M} UTC")
    else:
        lines += [f"look: {incident.look}", f"do: {incident.mend}"]
    lines += [*_links(incident, alerts), f"id: {notice.key}"]
    title = f"{notice.event}: {_numbered(incident)}"
    return Text(title, "\n".join(lines), str(incident.severity), closed)


def _links(incident: Incident, alerts: Alerts) -> Iterator[str]:
    if not incident.run:
        return
    yield f"run: {alerts.dagster}/runs/{incident.run}" if alerts.dagster else f"run: {incident.run}"
    if alerts.traces:
        yield f"trace: {alerts.traces.replace(TRACE, trace_of(incident.run))}"


def _numbered(incident: Incident) -> str:
    return f"incident {incident.number}: {incident.title}"
