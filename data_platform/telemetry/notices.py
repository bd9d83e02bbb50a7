"""Notices of incidents that wait to be sent, by channel.

A notice is written in the transaction that opens or closes its incident, and marked as sent after
the channel took it: it is sent at least once, and names its incident and event, by which a second
one is known.
"""

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from data_platform.databases.connections import Database
from data_platform.databases.tables import METADATA, Name, UtcDateTime
from data_platform.telemetry.incidents import INCIDENTS, Change, Event, Incident, read

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
        """What tells the notice from others, also when it is sent twice."""
        return f"incident-{self.incident.number}-{self.event}"


def add(
    connection: sa.Connection, change: Change, channels: Iterable[str], at: dt.datetime
) -> None:
    """Write the notices of a change, within its transaction."""
    rows = [
        {
            "incident": change.incident.number,
            "event": change.event,
            "at": at,
            "channel": channel,
            "owner": change.incident.owner,
            "tries": 0,
            "next_try": at,
        }
        for channel in channels
    ]
    if rows:
        connection.execute(_NOTICES.insert(), rows)


def waiting(database: Database, channel: str, now: dt.datetime) -> list[Notice]:
    """The notices of a channel that are due, the oldest first."""
    query = sa.select(_NOTICES).where(_WAITS, _ROW.channel == channel, _ROW.next_try <= now)
    with database.read() as connection:
        rows = connection.execute(query.order_by(_ROW.number)).all()
        of = {row.incident for row in rows}
        known = {each.number: each for each in read(connection, INCIDENTS.c.number.in_(of))}
    return [
        Notice(row.number, Event(row.event), row.at, row.tries, known[row.incident]) for row in rows
    ]


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
    these = _ROW.number.in_(numbers)
    with database.write() as connection:
        connection.execute(sa.update(_NOTICES).where(these).values(sent=now, message=min(numbers)))


def postpone(database: Database, notices: Collection[Notice], now: dt.datetime) -> None:
    """Note that a message with these notices was not taken: after longer and longer waits it is
    sent again."""
    tries = max(notice.tries for notice in notices) + 1
    at = now + min(dt.timedelta(minutes=2**tries), _LONGEST_WAIT)
    these = _ROW.number.in_([notice.number for notice in notices])
    with database.write() as connection:
        connection.execute(sa.update(_NOTICES).where(these).values(tries=tries, next_try=at))


def not_taken(database: Database, tries: int) -> dict[str, int]:
    """The channels that have not taken a notice after so many tries, with how many wait there."""
    failing = sa.select(_ROW.channel).where(_WAITS, _ROW.tries >= tries)
    query = sa.select(_ROW.channel, sa.func.count()).where(_WAITS, _ROW.channel.in_(failing))
    with database.read() as connection:
        rows = connection.execute(query.group_by(_ROW.channel))
        return {channel: count for channel, count in rows}
