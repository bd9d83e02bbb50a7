"""Notices of incidents that wait to be sent, by channel.

A notice is written in the transaction that opens or closes its incident, and marked as sent after
the channel took it: it is sent at least once, in order, and has a key by which a second one is
known.
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from data_platform.databases.chunks import chunks
from data_platform.databases.connections import Database
from data_platform.databases.tables import METADATA, Name, UtcDateTime
from data_platform.telemetry.incidents import INCIDENTS, Event, Incident, read

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_NOTICES = sa.Table(
    "notices",
    METADATA,
    sa.Column("number", _ID, primary_key=True),
    sa.Column("incident", _ID, sa.ForeignKey(INCIDENTS.c.number), nullable=False, index=True),
    sa.Column("event", sa.String, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("channel", Name, nullable=False),
    sa.Column("owner", Name, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("next_try", UtcDateTime, nullable=False),
    sa.Column("message", _ID),
    sa.Column("sent", UtcDateTime),
)
_ROW = _NOTICES.c
_WAITS = _ROW.sent.is_(None)
sa.Index(
    "notices_waiting",
    _ROW.channel,
    _ROW.number,
    sqlite_where=_WAITS,
    postgresql_where=_WAITS,
)
sa.Index("notices_sent", _ROW.channel, _ROW.sent)
_LONGEST_WAIT = dt.timedelta(hours=1)


@dataclass(frozen=True)
class Notice:
    """That an incident was opened or closed, for one channel; `tries` failed so far."""

    number: int
    event: Event
    at: dt.datetime
    tries: int
    incident: Incident

    @property
    def key(self) -> str:
        """What tells the notice from others of the platform, also when it is sent twice."""
        return f"{self.incident.number}-{self.incident.opened:%Y%m%d%H%M%S}-{self.event}"


def tell(
    connection: sa.Connection,
    open_: Sequence[Incident],
    closed: Sequence[Incident],
    channels: Callable[[Incident], Iterable[str]],
    now: dt.datetime,
) -> None:
    """Write what is to be told, within the transaction that opens and closes incidents.

    An open incident is told once to each of its `channels`, also to one that it gets later. Of a
    closed one those hear who heard of it; where that still waits, nobody hears of either.
    """
    told = _told(connection, [each.number for each in (*open_, *closed)])
    rows = [
        _row_of(incident, Event.OPENED, channel, now)
        for incident in open_
        for channel in channels(incident)
        if (incident.number, channel) not in told
    ]
    for incident in closed:
        for (number, channel), notice in told.items():
            if number != incident.number:
                continue
            if notice.sent is None:
                connection.execute(_NOTICES.delete().where(_ROW.number == notice.number))
            else:
                rows.append(_row_of(incident, Event.CLOSED, channel, now))
    if rows:
        connection.execute(_NOTICES.insert(), rows)


def _told(connection: sa.Connection, incidents: Sequence[int]) -> dict[tuple[int, str], sa.Row]:
    """The notice that each incident is open, by its number and the channel."""
    found: dict[tuple[int, str], sa.Row] = {}
    for chunk in chunks(incidents):
        query = sa.select(_ROW.incident, _ROW.channel, _ROW.number, _ROW.sent).where(
            _ROW.event == Event.OPENED, _ROW.incident.in_(chunk)
        )
        found |= {(row.incident, row.channel): row for row in connection.execute(query)}
    return found


def _row_of(incident: Incident, event: Event, channel: str, at: dt.datetime) -> dict[str, object]:
    return {
        "incident": incident.number,
        "event": event,
        "at": at,
        "channel": channel,
        "owner": incident.owner,
        "tries": 0,
        "next_try": at,
    }


def waiting(database: Database, channel: str, now: dt.datetime) -> list[Notice]:
    """The notices of a channel, the oldest first; none while it waits for its next try."""
    query = sa.select(_NOTICES).where(_WAITS, _ROW.channel == channel).order_by(_ROW.number)
    with database.read() as connection:
        rows = connection.execute(query).all()
        if any(row.next_try > now for row in rows):
            return []
        known: dict[int, Incident] = {}
        for chunk in chunks({row.incident for row in rows}):
            found = read(connection, INCIDENTS.c.number.in_(chunk))
            known |= {each.number: each for each in found}
    return [
        Notice(row.number, Event(row.event), row.at, row.tries, known[row.incident]) for row in rows
    ]


def drop_others(database: Database, channels: Collection[str]) -> None:
    """Remove what waits for channels that there are no more."""
    with database.write() as connection:
        connection.execute(_NOTICES.delete().where(_WAITS, _ROW.channel.not_in(channels)))


def messages_since(database: Database, channel: str, owner: str, since: dt.datetime) -> int:
    """How many messages a channel took for an owner; a message may have several notices."""
    query = sa.select(sa.func.count(sa.distinct(_ROW.message))).where(
        _ROW.channel == channel, _ROW.owner == owner, _ROW.sent >= since
    )
    with database.read() as connection:
        return connection.execute(query).scalar_one()


def mark_sent(database: Database, notices: Collection[Notice], now: dt.datetime) -> None:
    """Note that a message with these notices was taken."""
    numbers = [notice.number for notice in notices]
    _update(database, numbers, sent=now, message=min(numbers))


def postpone(database: Database, notices: Collection[Notice], now: dt.datetime) -> None:
    """Note that a message with these notices was not taken: after longer and longer waits it is
    sent again."""
    tries = max(notice.tries for notice in notices) + 1
    at = now + min(dt.timedelta(minutes=2 ** min(tries, 10)), _LONGEST_WAIT)
    _update(database, [notice.number for notice in notices], tries=tries, next_try=at)


def _update(database: Database, numbers: Sequence[int], **values: object) -> None:
    with database.write() as connection:
        for chunk in chunks(numbers):
            connection.execute(sa.update(_NOTICES).where(_ROW.number.in_(chunk)).values(values))


def not_taken(database: Database, tries: int) -> dict[str, int]:
    """The channels that have not taken a notice after so many tries, with how many wait there."""
    failing = sa.select(_ROW.channel).where(_WAITS, _ROW.tries >= tries)
    query = sa.select(_ROW.channel, sa.func.count()).where(_WAITS, _ROW.channel.in_(failing))
    with database.read() as connection:
        rows = connection.execute(query.group_by(_ROW.channel))
        return {channel: count for channel, count in rows}
