"""The ledger's SQL table, its entries, and the statements that several modules share."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Literal

import sqlalchemy as sa

from data_platform.databases.tables import METADATA, Message, Name, UtcDateTime
from data_platform.landing.source import Cause

State = Literal[
    "pending", "loaded", "failed", "unknown", "moving", "moved", "unsettled", "forgotten"
]
STATES: tuple[State, ...] = ("pending", "loaded", "failed", "unknown")  # the states that are shown


objects = sa.Table(
    "landed_objects",
    METADATA,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("bucket", Name, nullable=False),
    sa.Column("key", Name, nullable=False),
    sa.Column("version", sa.String, nullable=False),
    sa.Column("latest", sa.Boolean, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("modified", UtcDateTime, nullable=False),
    sa.Column("etag", sa.String),
    sa.Column("source", Name),
    sa.Column("partition", Name),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("run_id", sa.String),
    sa.Column("bronze_version", sa.String),
    sa.Column("rows", sa.BigInteger),
    sa.Column("error", Message),
    sa.Column("first_seen", UtcDateTime, nullable=False),
    sa.Column("updated", UtcDateTime, nullable=False),
    sa.Column("vanished", UtcDateTime),
    sa.Column("cause", sa.String),
    sa.Column("declaration", sa.String),
)
_c = objects.c
# Enforces one latest version per key under concurrent writers; ticks look keys up through it.
sa.Index(
    "landed_latest", _c.bucket, _c.key, unique=True,
    sqlite_where=_c.latest.is_(True), postgresql_where=_c.latest.is_(True),
)  # fmt: skip
# Includes the key; otherwise SQLite prefers the next index for its order and reads a whole source.
sa.Index("landed_state", _c.state, _c.source, _c.partition, _c.key)
sa.Index("landed_partition", _c.source, _c.partition, _c.key, _c.id)
sa.Index("landed_arrival", _c.first_seen)


@dataclass(frozen=True)
class Entry:
    """One object version. Times are UTC; `first_seen` is bronze's `_ingested_at`: a version that
    arrived later always has a later one, even if the clock was set back (`recording.arrive`).

    `version` is the size with the etag or, if the bucket has none, with the content's hash.
    `attempts` counts the runs that could not read it because of a transient error; `error` is the
    last of these. `bronze_version` is the version of bronze's partition that its `rows` were
    published in or, while it is pending, prepared for. `previous` (set by `effective` only) is the
    loaded version to fall back to, possibly itself. `stands_in` (likewise) is the other partition
    whose files have the rows of a `moving` version: see `moves`. `cause` is why an unknown object
    has no source; `error` says it in words. `declaration` is the version of the table's declaration
    under which a failed object could not be read; under another one it may be readable.
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
    bronze_version: str | None
    rows: int | None
    error: str | None
    first_seen: datetime
    updated: datetime
    vanished: datetime | None
    cause: Cause | None = None
    declaration: str | None = None
    previous: "Entry | None" = None
    stands_in: str | None = None

    @property
    def available(self) -> bool:
        """Whether the landing bucket still holds these bytes."""
        return self.latest and self.vanished is None


def digest_of(entries: Iterable[Entry], *, unread: Collection[int] = ()) -> str:
    """A SHA-256 over the ids of one partition's object versions. If the bytes of an earlier version
    land again they get a new id, so pending versions always change the digest.

    `unread` ids count as their `previous` version: with the ids that a run could not read, this is
    the digest of what that run wrote, which differs from the digest with what is still pending.
    """
    counted = (entry.previous if entry.id in unread else entry for entry in entries)
    lines = (f"{entry.id}\n" for entry in counted if entry is not None)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_entries(connection: sa.Connection, query: sa.Select[Any]) -> list[Entry]:
    """The entries that a query for all columns returns."""
    return [Entry(**row) for row in connection.execute(query).mappings()]


def insert_latest(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows as the latest versions of their keys."""
    if rows:
        older = sa.and_(
            _c.bucket == sa.bindparam("_bucket"),
            _c.key == sa.bindparam("_key"),
            _c.latest.is_(True),
        )
        keys = [{"_bucket": row["bucket"], "_key": row["key"]} for row in rows]
        connection.execute(sa.update(objects).where(older).values(latest=False), keys)
        connection.execute(sa.insert(objects), rows)


def drop_superseded(connection: sa.Connection, ids: Sequence[int], now: datetime) -> None:
    """Clear the prepared state of earlier versions of what is loaded now (its ids): the load
    replaced the partition, so it no longer matters whether killed runs had published them."""
    loaded = objects.alias("loaded")
    same = [loaded.c[n] == _c[n] for n in ("bucket", "key", "source", "partition")]
    later = sa.exists().where(
        loaded.c.id.in_(ids), loaded.c.state == "loaded", loaded.c.id > _c.id, *same
    )
    prepared = sa.and_(_c.state == "pending", _c.bronze_version.is_not(None), later)
    connection.execute(sa.update(objects).where(prepared).values(bronze_version=None, updated=now))


def update_by_id(
    connection: sa.Connection,
    columns: Mapping[int, Mapping[str, Any]],
    *only: sa.ColumnElement[bool],
    **same: Any,
) -> None:
    """Update rows by id: `same` columns in all of them, and only rows for which `only` holds.

    Uses one statement for all rows that set the same columns.
    """
    by_names = sorted(columns.items(), key=lambda item: sorted(item[1]))
    for names, alike in groupby(by_names, key=lambda item: sorted(item[1])):
        statement = sa.update(objects).where(_c.id == sa.bindparam("_id"), *only)
        values = {name: sa.bindparam(f"_{name}") for name in names}
        connection.execute(
            statement.values(values | same),
            [{"_id": id} | {f"_{name}": new[name] for name in names} for id, new in alike],
        )


def latest_of(connection: sa.Connection, bucket: str, keys: Collection[str]) -> dict[str, Entry]:
    """The latest version of each of these keys that the ledger has."""
    query = sa.select(objects).where(
        _c.bucket == bucket, _c.latest.is_(True), _c.key.in_(list(keys))
    )
    return {entry.key: entry for entry in read_entries(connection, query)}


def last_arrival(connection: sa.Connection) -> datetime | None:
    """The newest `first_seen` of all versions."""
    return connection.execute(sa.select(sa.func.max(_c.first_seen))).scalar()


def rename_bucket(connection: sa.Connection, old: str, new: str) -> None:
    """Have the entries of a bucket be those of another, to which its objects were copied."""
    if old != new:
        connection.execute(sa.update(objects).where(_c.bucket == old).values(bucket=new))
