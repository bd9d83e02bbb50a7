"""The audit trail: who changed what, when, through what, and how it ended.

A change has an entry before it begins, and a second one when it ended, since no entry is ever
changed: the database refuses updates and deletions. A change whose first entry cannot be written is
not begun; one that has no second entry was interrupted.
"""

import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property

import sqlalchemy as sa
from sqlalchemy import event

from data_platform.access.people import Person
from data_platform.databases.connections import Database
from data_platform.databases.tables import METADATA, Message, Name, UtcDateTime
from data_platform.settings.values import account

AUDIT_TRAIL = sa.Table(
    "audit_trail",
    METADATA,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("change", Name, nullable=False, index=True),
    sa.Column("at", UtcDateTime, nullable=False, index=True),
    sa.Column("who", Message, nullable=False),
    sa.Column("role", sa.String, nullable=False),
    sa.Column("through", sa.String, nullable=False),
    sa.Column("action", Message, nullable=False),
    sa.Column("tables", Message, nullable=False),
    sa.Column("partitions", Message, nullable=False),
    sa.Column("run", Message, nullable=False),
    sa.Column("detail", Message, nullable=False),
    sa.Column("outcome", sa.String, nullable=False),
    sa.Column("account", Message, nullable=False, server_default=""),
)
# As the migration makes them.
_APPEND_ONLY = {
    "sqlite": [
        "CREATE TRIGGER audit_trail_kept BEFORE DELETE ON audit_trail "
        "BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END",
        "CREATE TRIGGER audit_trail_unchanged BEFORE UPDATE ON audit_trail "
        "BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END",
    ],
    "postgresql": [
        "CREATE OR REPLACE FUNCTION audit_trail_kept() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RAISE EXCEPTION 'the audit trail is append-only'; END$$",
        "CREATE TRIGGER audit_trail_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_trail "
        "EXECUTE FUNCTION audit_trail_kept()",
    ],
}
for _dialect, _statements in _APPEND_ONLY.items():
    for _statement in _statements:
        _made = sa.DDL(_statement).execute_if(dialect=_dialect)
        event.listen(AUDIT_TRAIL, "after_create", _made)

_ROW = AUDIT_TRAIL.c
# The database's clock, which all machines share; in UTC, with the microseconds SQLAlchemy expects.
_NOW = {
    "sqlite": sa.text("strftime('%Y-%m-%d %H:%M:%f000', 'now')"),
    "postgresql": sa.text("timezone('utc', clock_timestamp())"),
}
_LONGEST = 2000  # characters of any text, which may be as long as a request

_LOG = logging.getLogger(__name__)


class Through(StrEnum):
    """What a change was made through."""

    WEBSERVER = "webserver"
    COMMAND = "command"


class Outcome(StrEnum):
    """How a change ended; one that is begun is under way, or was interrupted."""

    BEGUN = "begun"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class Change:
    """What someone does. `partitions` are ranges as people write them, `run` the ids of runs or of
    a backfill, `detail` what else says what was done."""

    who: Person
    through: Through
    action: str
    tables: tuple[str, ...] = ()
    partitions: str = ""
    run: str = ""
    detail: str = ""
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A change as the trail has it: when it began, and what is known of it since. `account` is the
    system's, `user@host`, of the process that wrote it; whom it works for, a command claims."""

    at: datetime
    who: str
    role: str
    through: str
    action: str
    tables: str
    partitions: str
    run: str
    outcome: str
    detail: str
    account: str


@dataclass(frozen=True)
class Trail:
    """The audit trail in the platform's database. Every method raises DatabaseUnavailable if that
    cannot be used, or a server does not answer for `within` seconds."""

    uri: str
    within: float | None = None
    migrates: bool = True

    @cached_property
    def database(self) -> Database:
        """The database, migrated on first use if it `migrates`."""
        return Database(self.uri, within=self.within, migrates=self.migrates)

    def add(self, change: Change, outcome: Outcome) -> None:
        """Write an entry."""
        with self.database.beside() as connection:
            values = {
                "change": change.id,
                "at": _NOW[connection.dialect.name],
                "who": _kept(change.who.name),
                "role": str(change.who.role),
                "through": str(change.through),
                "action": _kept(change.action),
                "tables": _kept(", ".join(change.tables)),
                "partitions": _kept(change.partitions),
                "run": _kept(change.run),
                "detail": _kept(change.detail),
                "outcome": str(outcome),
                "account": _kept(account()),
            }
            connection.execute(AUDIT_TRAIL.insert().values(**values))

    def end(self, change: Change, outcome: Outcome) -> None:
        """Write how a change ended. It has happened: what cannot be written is logged."""
        try:
            self.add(change, outcome)
        except Exception as error:
            _LOG.warning("the audit trail does not say how %s ended: %s", change.action, error)

    @contextmanager
    def recorded(self, change: Change) -> Iterator[None]:
        """Writes the entries of what the block does; an error in it is the outcome."""
        self.add(change, Outcome.BEGUN)
        try:
            yield
        except BaseException as error:
            self.end(replace(change, detail=_with(change.detail, error)), Outcome.FAILED)
            raise
        self.end(change, Outcome.DONE)

    def entries(
        self,
        *,
        since: datetime | None = None,
        who: str | None = None,
        table: str | None = None,
        limit: int = 100,
    ) -> Sequence[Entry]:
        """The newest changes that began `since`, of a person, of a table; the newest last."""
        newest = sa.select(sa.func.max(_ROW.number)).group_by(_ROW.change)
        began = sa.select(_ROW.change, sa.func.min(_ROW.at).label("began")).group_by(_ROW.change)
        first = began.subquery()
        found = (
            sa.select(AUDIT_TRAIL, first.c.began)
            .join(first, first.c.change == _ROW.change)
            .where(_ROW.number.in_(newest))
            .order_by(_ROW.number.desc())
            .limit(limit)
        )
        if since is not None:
            found = found.where(first.c.began >= since)
        if who is not None:
            found = found.where(_ROW.who == who)
        if table is not None:
            listed = ", " + _ROW.tables + ", "
            found = found.where(listed.contains(f", {table}, ", autoescape=True))
        with self.database.read() as connection:
            rows = connection.execute(found).mappings().all()
        return [_entry(row) for row in reversed(rows)]


def entries_in(connection: sa.Connection) -> list[dict[str, object]]:
    """Every entry in the order in which they were written, as they are, for `append`."""
    there = {column["name"] for column in sa.inspect(connection).get_columns(AUDIT_TRAIL.name)}
    columns = [column for column in AUDIT_TRAIL.columns if column.name in there]
    found = connection.execute(sa.select(*columns).order_by(_ROW.number)).mappings()
    return [{name: value for name, value in row.items() if name != "number"} for row in found]


def append(connection: sa.Connection, entries: Sequence[Mapping[str, object]]) -> None:
    """Add entries after those that are there: only their numbers become others."""
    if entries:
        connection.execute(AUDIT_TRAIL.insert(), entries)


def _kept(text: str) -> str:
    """The text as an entry has it: not too long, and one that every database takes."""
    text = text[: _LONGEST + 1].encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _entry(row: sa.RowMapping) -> Entry:
    kept = {name: row[name] for name in Entry.__dataclass_fields__ if name != "at"}
    return Entry(at=row["began"], **kept)


def _with(detail: str, error: BaseException) -> str:
    why = f"{type(error).__name__}: {error}".removesuffix(": ")
    return f"{detail}; {why}" if detail else why
