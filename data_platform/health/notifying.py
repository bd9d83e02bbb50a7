"""Send the notices of incidents to their channels.

A channel gets at most so many messages an hour for each owner: the last of them sums up all that
waits. One that accepts nothing is tried again after longer and longer waits, and is an incident
itself.
"""

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from data_platform.databases.connections import Database
from data_platform.settings.alerts import TRACE, Alerts
from data_platform.tables.identity import LAYERS
from data_platform.telemetry.ids import trace_of
from data_platform.telemetry.incidents import Cause, Event, Incident, Kind, Told
from data_platform.telemetry.notices import (
    Notice,
    mark_sent,
    messages_since,
    postpone,
    tell,
    waiting,
)
from data_platform.telemetry.wording import counted

_LONGEST = 30.0  # seconds: Dagster ends a tick after a minute
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
"""Sends a message with these notices to a channel; returns whether it was accepted."""


def telling(alerts: Alerts, always: Sequence[str], now: dt.datetime) -> Told:
    """Writes the notices of incidents for the channels of their routes, and for those that `always`
    get one."""

    def channels(incident: Incident) -> list[str]:
        routed = alerts.channels(incident.owner, layer_of(incident), incident.severity)
        silent = incident.subject if incident.kind is Kind.CHANNEL else ""
        return [*(name for name in routed if name != silent), *always]  # it could not say so

    return lambda connection, open_, closed: tell(connection, open_, closed, channels, now)


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
    yields the names of channels that did not accept it. What cannot be sent within half a minute
    waits for the next call."""
    channels, end = [*alerts.urls, *unlimited], time.monotonic() + _LONGEST
    for channel in channels:
        for message in _messages(database, channel, alerts, now, unlimited):
            if time.monotonic() > end:
                return
            if not send(channel, message):
                postpone(database, message, now)
                yield channel
                break
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


def text_of(message: Sequence[Notice], alerts: Alerts, place: str) -> Text:
    """What a message says of the platform at this place."""
    if len(message) == 1:
        return _single(message[0], alerts, place)
    opened = [notice for notice in message if notice.event is Event.OPENED]
    lines = [f"{notice.event} {_numbered(notice.incident)}" for notice in message[:_LISTED]]
    if more := len(message) - len(lines):
        lines.append(f"and {more} more")
    owner = message[0].incident.owner
    count = counted(len(opened), "more incident")
    title = f"{place}: {owner}: {count} opened, {len(message) - len(opened)} closed"
    severity = "error" if any(each.incident.severity == "error" for each in opened) else "warning"
    lines.append("All of them: data-platform incidents")
    return Text(title, "\n".join(lines), severity, not opened)


def _single(notice: Notice, alerts: Alerts, place: str) -> Text:
    incident, closed = notice.incident, notice.event is Event.CLOSED
    lines = [f"owner: {incident.owner}", *incident.where]
    if closed:
        lines.append(f"open since {incident.opened:%Y-%m-%d %H:%M} UTC")
    else:
        lines += incident.ways_out
    lines += [*_links(incident, alerts), f"id: {place}-{notice.key}"]
    title = f"{place}: {notice.event}: {_numbered(incident)}"
    return Text(title, "\n".join(lines), str(incident.severity), closed)


def _links(incident: Incident, alerts: Alerts) -> Iterator[str]:
    if not incident.run:
        return
    yield f"run: {alerts.dagster}/runs/{incident.run}" if alerts.dagster else f"run: {incident.run}"
    if alerts.traces:
        yield f"trace: {alerts.traces.replace(TRACE, trace_of(incident.run))}"


def _numbered(incident: Incident) -> str:
    return f"incident {incident.number}: {incident.title}"
