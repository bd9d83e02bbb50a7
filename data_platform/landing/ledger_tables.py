"""The ledger's table, its rows, and its transactions. What is done with them is in `ledger`."""

import random
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.schema import CreateIndex, CreateTable

State = Literal["pending", "loaded", "failed", "unknown"]
STATES: tuple[State, ...] = ("pending", "loaded", "failed", "unknown")


class LedgerError(RuntimeError):
    """The ledger cannot be read or written; the message says why and what to do."""


class UtcDateTime(sa.TypeDecorator[datetime]):
    """A moment: aware in Python, UTC without a zone in the database, whichever it is."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value else None


objects = sa.Table(
    "landed_objects",
    sa.MetaData(),
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("bucket", sa.String, nullable=False),
    sa.Column("key", sa.String, nullable=False),
    sa.Column("version", sa.String, nullable=False),
    sa.Column("latest", sa.Boolean, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("modified", UtcDateTime, nullable=False),
    sa.Column("etag", sa.String),
    sa.Column("source", sa.String),
    sa.Column("partition", sa.String),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("run_id", sa.String),
    sa.Column("load_id", sa.String),
    sa.Column("rows", sa.BigInteger),
    sa.Column("error", sa.String),
    sa.Column("first_seen", UtcDateTime, nullable=False),
    sa.Column("updated", UtcDateTime, nullable=False),
    sa.Column("vanished", UtcDateTime),
)
_c = objects.c
INDEXES = (
    # One latest version per key, whoever writes; and how a tick finds what it knows of a listing.
    sa.Index(
        "landed_latest", _c.bucket, _c.key, unique=True,
        sqlite_where=_c.latest.is_(True), postgresql_where=_c.latest.is_(True),
    ),
    # With the key, or else SQLite prefers the next one for its order and reads all of a source.
    sa.Index("landed_state", _c.state, _c.source, _c.partition, _c.key),
    sa.Index("landed_partition", _c.source, _c.partition, _c.key, _c.id),
)  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One object version. Moments are UTC; `first_seen` is bronze's `_ingested_at`.

    `version` is the size with the etag or, where a bucket has none, with the content's hash.
    `attempts` counts the runs that could not read it for a reason that may pass, the last of them
    for `error`. `load_id` is the bronze attempt that its `rows` were published in, or, while it is
    pending, prepared for. `previous` (only in `effective`) is the loaded version to fall back to,
    maybe itself.
    """

    id: int
    bucket: str
    key: str
    version: str
    latest: bool
    size: int
    modified: datetime
    etag: str | None
    source: str | None
    partition: str | None
    state: State
    attempts: int
    run_id: str | None
    load_id: str | None
    rows: int | None
    error: str | None
    first_seen: datetime
    updated: datetime
    vanished: datetime | None
    previous: "Entry | None" = None

    @property
    def available(self) -> bool:
        """Whether the landing bucket still holds these bytes."""
        return self.latest and self.vanished is None


def read_entries(connection: sa.Connection, query: sa.Select[Any]) -> list[Entry]:
    """The rows that a query for all columns finds."""
    return [Entry(**row) for row in connection.execute(query).mappings()]


def insert_latest(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add the rows as their keys' latest versions."""
    if rows:
        older = sa.and_(
            _c.bucket == sa.bindparam("_bucket"),
            _c.key == sa.bindparam("_key"),
            _c.latest.is_(True),
        )
        keys = [{"_bucket": row["bucket"], "_key": row["key"]} for row in rows]
        connection.execute(sa.update(objects).where(older).values(latest=False), keys)
        connection.execute(sa.insert(objects), rows)


def update_by_id(
    connection: sa.Connection,
    columns: Mapping[int, Mapping[str, Any]],
    *only: sa.ColumnElement[bool],
    **same: Any,
) -> None:
    """Set columns by id, and the `same` in all, of the rows for which `only` holds.

    One statement for all rows that set the same columns.
    """
    by_names = sorted(columns.items(), key=lambda item: sorted(item[1]))
    for names, alike in groupby(by_names, key=lambda item: sorted(item[1])):
        statement = sa.update(objects).where(_c.id == sa.bindparam("_id"), *only)
        values = {name: sa.bindparam(f"_{name}") for name in names}
        connection.execute(
            statement.values(values | same),
            [{"_id": id} | {f"_{name}": new[name] for name in names} for id, new in alike],
        )


class Database:
    """Transactions on the ledger's table, which is created when it is first used.

    On SQLite: WAL, so that readers do not wait for the writer; `BEGIN IMMEDIATE` for writers, so
    that two of them queue up for `busy_timeout` seconds instead of failing half way; a connection
    for each transaction, so that none is shared over a fork.
    """

    def __init__(self, url: str, *, busy_timeout: float) -> None:
        self.engine = sa.create_engine(url, poolclass=sa.NullPool)
        self._busy_timeout = busy_timeout
        self._ready = False
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", self._on_sqlite_connect)
            event.listen(self.engine, "begin", _on_sqlite_begin)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        with self._errors():
            self._create()
            with self.engine.connect() as connection, connection.begin():
                yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        with self._errors():
            self._create()
            with self._begin_write() as connection:
                yield connection

    @contextmanager
    def _begin_write(self) -> Iterator[sa.Connection]:
        with self.engine.connect() as connection:
            connection = connection.execution_options(writes=True)
            with connection.begin():
                yield connection

    def _create(self) -> None:
        if self._ready:
            return
        with self._begin_write() as connection:
            connection.execute(CreateTable(objects, if_not_exists=True))
            for index in INDEXES:
                connection.execute(CreateIndex(index, if_not_exists=True))
        self._ready = True

    def _on_sqlite_connect(self, connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # SQLAlchemy begins, below
        connection.execute(f"PRAGMA busy_timeout = {round(self._busy_timeout * 1000)}")
        _use_wal(connection, time.monotonic() + self._busy_timeout)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (exc.DBAPIError, sqlite3.Error) as error:
            cause = getattr(error, "orig", None) or error
            url = self.engine.url.render_as_string(hide_password=True)
            raise LedgerError(f"ledger {url}: {cause}{self._advice(str(cause))}") from error

    def _advice(self, cause: str) -> str:
        if "locked" in cause:
            return (
                f" for more than {self._busy_timeout:g} s: another process holds it; nothing was "
                "changed, end that process or try again"
            )
        if "unable to open" in cause:
            return "; does its directory exist, and may this user write there?"
        if "readonly" in cause:
            return "; make the file and its directory writable for this user"
        if "full" in cause:
            return "; nothing was changed, free some space and try again"
        return ""


def _use_wal(connection: sqlite3.Connection, deadline: float) -> None:
    # Changing a new file's mode needs every lock at once, and SQLite answers "locked" without
    # waiting where another connection is changing it, too.
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(random.uniform(0.005, 0.02))


def _on_sqlite_begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
