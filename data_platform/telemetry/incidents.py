"""Incidents: one for each cause that something is wrong, from when it is seen until it is gone.

Causes are observed as they stand (`health.causes`), and compared with the open incidents: a new
cause opens one, a cause that is gone closes its own. So partitions or runs that fail for one cause
are one incident, and a failure that a retry has mended is none.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from data_platform.databases.chunks import chunks
from data_platform.databases.connections import Database
from data_platform.databases.tables import METADATA, Message, Name, UtcDateTime
from data_platform.settings.alerts import Severity
from data_platform.storage.errors import LakeError

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
INCIDENTS = sa.Table(
    "incidents",
    METADATA,
    sa.Column("number", _ID, primary_key=True),
    sa.Column("cause", Name, nullable=False, index=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("subject", Message, nullable=False),
    sa.Column("rule", Message, nullable=False),
    sa.Column("severity", sa.String, nullable=False),
    sa.Column("owner", Message, nullable=False),
    sa.Column("title", Message, nullable=False),
    sa.Column("partitions", Message, nullable=False),
    sa.Column("reasons", sa.JSON, nullable=False),
    sa.Column("look", Message, nullable=False),
    sa.Column("mend", Message, nullable=False),
    sa.Column("run", Message, nullable=False),
    sa.Column("opened", UtcDateTime, nullable=False),
    sa.Column("seen", UtcDateTime, nullable=False),
    sa.Column("closed", UtcDateTime),
    sa.Column("acknowledged", UtcDateTime),
    sa.Column("acknowledged_by", Message, nullable=False, server_default=""),
    sa.Column("acknowledged_for", Message, nullable=False, server_default=""),
)
_ROW = INCIDENTS.c
_OPEN = _ROW.closed.is_(None)
sa.Index("incidents_open", _ROW.cause, unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN)


class UnknownIncident(LakeError):
    """There is no open incident of this number; the message lists those there are."""


class Kind(StrEnum):
    """What is wrong: partitions that checks hold back, landed objects that cannot be read or belong
    to no source, notifications that nobody understood, runs that fail, sensors that fail, buckets
    that break the standard, other assets whose checks fail, tables that are late, channels that
    take no notices, a platform that did nothing for a while."""

    HELD_BACK = "held_back"
    OBJECT = "object"
    DEAD_LETTERS = "dead_letters"
    RUN = "run"
    SENSOR = "sensor"
    BUCKET = "bucket"
    CHECK = "check"
    FRESHNESS = "freshness"
    CHANNEL = "channel"
    SILENCE = "silence"


class Event(StrEnum):
    """What became of an incident."""

    OPENED = "opened"
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Something that is wrong now: of a `kind`, at a `subject` (a table, an object, a sensor), by a
    `rule` (a check, a type of error).

    `partitions` are ranges as people write them, `reasons` texts with how often each holds; `look`
    is the command that shows more, `mend` says what to do, `run` is the newest run concerned.
    """

    kind: Kind
    subject: str
    rule: str
    severity: Severity
    owner: str
    title: str
    partitions: str = ""
    reasons: Mapping[str, int] = field(default_factory=dict)
    look: str = ""
    mend: str = ""
    run: str = ""

    @property
    def where(self) -> Iterator[str]:
        """The partitions and reasons as lines, those that it has."""
        if self.partitions:
            yield f"partitions: {self.partitions}"
        if self.reasons:
            reasons = (f"{reason} {count:,}" for reason, count in self.reasons.items())
            yield f"rows by rule: {', '.join(reasons)}"

    @property
    def ways_out(self) -> tuple[str, str]:
        """What shows more, and what to do, as lines."""
        return f"look: {self.look}", f"do: {self.mend}"

    @property
    def key(self) -> str:
        """What tells it from other causes."""
        return "\x1f".join((self.kind, self.subject, self.rule))


@dataclass(frozen=True, kw_only=True)
class Incident(Cause):
    """A cause with its number, when it was first and last seen, when it was gone (None while it is
    there), and who has said that they know of it, and why."""

    number: int
    opened: dt.datetime
    seen: dt.datetime
    closed: dt.datetime | None = None
    acknowledged: dt.datetime | None = None
    acknowledged_by: str = ""
    acknowledged_for: str = ""


@dataclass(frozen=True)
class Change:
    """An incident that was opened or closed."""

    event: Event
    incident: Incident


Told = Callable[[sa.Connection, list[Incident], list[Incident]], object]
"""Writes the notices of the open incidents and of those closed now, within the transaction."""


def reconcile(
    database: Database,
    causes: Iterable[Cause],
    seen: Callable[[Cause], bool],
    now: dt.datetime,
    told: Told = lambda *_: None,
) -> list[Change]:
    """Open, update and close incidents, so that the open ones are these causes.

    Only incidents whose causes would have been `seen` are closed: what could not be looked at may
    still be wrong. Raises DatabaseUnavailable.
    """
    wanted = {cause.key: cause for cause in causes}
    changes: list[Change] = []
    with database.write() as connection:
        known = {each.key: each for each in read(connection, _OPEN)}
        for key, cause in wanted.items():
            if key in known:
                _update(connection, known[key], cause)
            else:
                changes.append(Change(Event.OPENED, _opened(connection, cause, now)))
        gone = [each for key, each in known.items() if key not in wanted and seen(each)]
        for incident in gone:
            this = _ROW.number == incident.number
            connection.execute(sa.update(INCIDENTS).where(this).values(closed=now))
            changes.append(Change(Event.CLOSED, incident))
        for chunk in chunks(each.number for key, each in known.items() if key in wanted):
            these = _ROW.number.in_(chunk)
            connection.execute(sa.update(INCIDENTS).where(these).values(seen=now))
        told(connection, read(connection, _OPEN), gone)
    return changes


def incidents(database: Database, *, closed: bool = False, most: int = 1000) -> list[Incident]:
    """The open incidents, the oldest first; with `closed` those as well, the newest first."""
    with database.read() as connection:
        if closed:
            return read(connection, sa.true(), _ROW.number.desc(), most)
        return read(connection, _OPEN, _ROW.number, most)


def acknowledge(database: Database, number: int, who: str, why: str, now: dt.datetime) -> Incident:
    """Note that somebody knows of an open incident. Raises UnknownIncident."""
    values = {"acknowledged": now, "acknowledged_by": who, "acknowledged_for": why}
    this = (_ROW.number == number) & _OPEN
    with database.write() as connection:
        if not connection.execute(sa.update(INCIDENTS).where(this).values(values)).rowcount:
            there = ", ".join(str(each.number) for each in read(connection, _OPEN)) or "none"
            raise UnknownIncident(f"there is no open incident {number}; the open ones: {there}")
        return read(connection, this)[0]


def _update(connection: sa.Connection, known: Incident, cause: Cause) -> None:
    values = _values(cause)
    if any(getattr(known, name) != value for name, value in values.items()):
        connection.execute(sa.update(INCIDENTS).where(_ROW.number == known.number).values(values))


def _opened(connection: sa.Connection, cause: Cause, now: dt.datetime) -> Incident:
    row = {**_values(cause), "cause": cause.key, "opened": now, "seen": now}
    number = connection.execute(INCIDENTS.insert().values(row).returning(_ROW.number)).scalar_one()
    return Incident(**{**asdict(cause), "number": number, "opened": now, "seen": now})


def _values(cause: Cause) -> dict[str, Any]:
    own = {name: getattr(cause, name) for name in Cause.__dataclass_fields__}
    return {**own, "reasons": dict(cause.reasons)}


def read(
    connection: sa.Connection,
    which: sa.ColumnElement[bool],
    order: sa.ColumnElement[Any] = _ROW.number,
    most: int | None = None,
) -> list[Incident]:
    """The chosen incidents, within a transaction."""
    query = sa.select(INCIDENTS).where(which).order_by(order).limit(most)
    rows: Sequence[Mapping[Any, Any]] = connection.execute(query).mappings().all()
    return [
        Incident(
            **{
                **{name: value for name, value in row.items() if name != "cause"},
                "kind": Kind(row["kind"]),
                "severity": Severity(row["severity"]),
            }
        )
        for row in rows
    ]
