"""Refuse the writes of a process that has lost its lease, in the transaction that would make them.

A process that was frozen or cut off for longer than its lease still believes that it may write. So
each write within `fenced` looks for the lease's row first, and keeps it until it is committed: a
lease cannot be ended while such a transaction is open, nor can one begin after that.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import event

from data_platform.databases.errors import LeaseLost
from data_platform.databases.limits import IDLE, limit_postgres
from data_platform.databases.tables import METADATA, Name
from data_platform.databases.urls import WAIT_SECONDS

LEASES = sa.Table(
    "leases",
    METADATA,
    # Another one each time that a lease is taken.
    sa.Column("epoch", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("name", Name, nullable=False, unique=True),
    sa.Column("holder", sa.String, nullable=False),
    sa.Column("term", sa.Float, nullable=False),
    sa.Column("beats", sa.BigInteger, nullable=False),
    sa.Column("seen", sa.BigInteger, nullable=False),
    sa.Column("watched", sa.Float, nullable=False),
    sa.Column("silent", sa.Float, nullable=False),
)


@dataclass(frozen=True)
class Lease:
    """A lease as its holder knows it: `url` is the database it is in, which `connect` opens for a
    statement that is a transaction of its own."""

    name: str
    epoch: int
    url: sa.URL
    connect: Callable[[], AbstractContextManager[sa.Connection]]

    def require(self, connection: sa.Connection) -> None:
        """Raises LeaseLost if the lease is no longer held; else it is until the transaction ends.

        With a connection to another database it is only known to be held now.
        """
        if _place(connection.engine.url) == _place(self.url):
            # Against deletion alone, so that nobody who beats or looks waits.
            self._require(connection, self._mine.with_for_update(read=True, key_share=True))
        else:
            self.require_now()

    def require_now(self) -> None:
        """Raises LeaseLost if the lease is not held now."""
        with self.connect() as connection:
            self._require(connection, self._mine)

    @property
    def _mine(self) -> sa.Select:
        return sa.select(LEASES.c.epoch).where(LEASES.c.epoch == self.epoch)

    def _require(self, connection: sa.Connection, query: sa.Select) -> None:
        if connection.execute(query).scalar() is None:
            raise LeaseLost(
                f"{self.name}: the lease of this process expired, since it missed its heartbeats, "
                "and others do its work; nothing more of it is written. It was frozen, or cut off "
                "from its database; what is still due is built by the next run"
            )


RUNS = "run/"
"""How the names of runs' leases begin."""


def lease_of(run_id: str) -> str:
    """The name of a run's lease."""
    return f"{RUNS}{run_id}"


# The leases that this process holds, by name: whoever commits knows the run, not the lease.
_HELD: dict[str, Lease] = {}
_fence: ContextVar[Lease | None] = ContextVar("fence", default=None)


@contextmanager
def held(lease: Lease) -> Iterator[None]:
    """Within the block this process holds the lease."""
    _HELD[lease.name] = lease
    try:
        yield
    finally:
        _HELD.pop(lease.name, None)


def held_here(name: str) -> Lease | None:
    """The lease of this name, if this process holds it or has lost it."""
    return _HELD.get(name)


@contextmanager
def fenced(name: str) -> Iterator[None]:
    """Writes in this block, of this thread, are refused with LeaseLost once the lease is lost; a
    process that never had one may write."""
    token = _fence.set(held_here(name))
    try:
        yield
    finally:
        _fence.reset(token)


def require_held(connection: sa.Connection) -> None:
    """Raises LeaseLost if this block's lease is lost."""
    if lease := _fence.get():
        lease.require(connection)


def require_held_now() -> None:
    """The same, for a write that is no transaction of a database."""
    if lease := _fence.get():
        lease.require_now()


def fence(engine: sa.Engine, table: str) -> None:
    """Refuse changes of the table through a library's engine where the block's lease is lost.

    On PostgreSQL a transaction of a process that is frozen ends as those of `Database` do.
    """

    @event.listens_for(engine, "before_execute")
    def refuse(connection: sa.Connection, statement: object, *_: object) -> None:
        # An ORM's statement has a copy of the table.
        if isinstance(statement, sa.UpdateBase) and getattr(statement.table, "name", "") == table:
            require_held(connection)

    @event.listens_for(engine, "begin")
    def limit(connection: sa.Connection) -> None:
        if connection.dialect.name == "postgresql":
            limit_postgres(connection, WAIT_SECONDS, IDLE)


def _place(url: sa.URL) -> tuple[object, ...]:
    """What two URLs of the same tables have in common."""
    port = url.port or (5432 if url.get_backend_name() == "postgresql" else None)
    schema = url.username, tuple(sorted(url.query.items()))
    return url.get_backend_name(), url.host, port, url.database, schema
