"""Transactions on the platform's database, SQLite or PostgreSQL, that behave the same on both.

There is one writer at a time, and readers do not wait for it: two sensors may tick at once, and
each reads again under the write lock before it changes anything.
"""

import math
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy import event, exc

from data_platform.databases.errors import reaching, shown, unavailable
from data_platform.databases.fencing import require_held
from data_platform.databases.limits import IDLE, limit_postgres
from data_platform.databases.migration import (
    is_current,
    require_current,
    require_known,
    upgrade,
    version_of,
)
from data_platform.databases.urls import WAIT_SECONDS, is_sqlite, with_driver

# Key of the PostgreSQL advisory lock for writers; PostgreSQL has no lock for a whole database.
_WRITERS = int.from_bytes(b"platform")


class Database:
    """The database at an SQLAlchemy URL, opened on first use, which also creates or migrates its
    tables; one that does not migrate raises DatabaseNotMigrated instead.

    A writer waits at most `wait` seconds for another. With `within`, a server that does not answer
    for so many seconds is out of reach, whatever happened to the packets. Every method raises
    DatabaseUnavailable if the database cannot be used, DatabaseTooNew if a later version of this
    package has migrated it.
    Each transaction has its own connection: none is shared across a fork, and the next one works
    after a server was away.
    """

    def __init__(
        self,
        url: str,
        *,
        wait: float = WAIT_SECONDS,
        within: float | None = None,
        migrates: bool = True,
    ) -> None:
        self._wait = wait
        self._migrates = migrates
        self._ready = False
        url = with_driver(url)
        if is_sqlite(url):
            self.engine = sa.create_engine(url, poolclass=sa.NullPool)
            event.listen(self.engine, "connect", self._on_sqlite_connect)
            event.listen(self.engine, "begin", _on_sqlite_begin)
        else:  # updates of many rows are sent as a batch, not with a round trip for each
            self.engine = sa.create_engine(
                url,
                poolclass=sa.NullPool,
                executemany_mode="values_plus_batch",
                connect_args=_answering(sa.make_url(url), within) if within else {},
            )

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A read transaction, which sees the database as it was at its first statement."""
        with reaching(self.engine.url):
            self._prepare()
            with self._begin_read() as connection:
                yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A write transaction; no two overlap. Raises LeaseLost within a `fenced` block whose
        lease is lost."""
        with reaching(self.engine.url):
            self._prepare()
            with self._begin_write() as connection:
                require_held(connection)
                yield connection

    @contextmanager
    def restoring(self) -> Iterator[sa.Connection]:
        """A write transaction on the tables as they are, which are neither made nor migrated."""
        with reaching(self.engine.url), self._begin_write() as connection:
            yield connection

    @contextmanager
    def beside(self) -> Iterator[sa.Connection]:
        """A connection beside the writers, for rows that only this process changes. Each statement
        is a transaction: no row stays locked where the process is frozen between two."""
        with reaching(self.engine.url):
            self._prepare()
            with self.engine.connect() as connection:
                yield connection.execution_options(isolation_level="AUTOCOMMIT")

    def version(self) -> str | None:
        """The version of the tables, None without any; neither makes nor migrates them. Raises
        DatabaseTooNew for a later one than this package knows."""
        with reaching(self.engine.url), self._begin_read() as connection:
            version = version_of(connection)
        require_known(version, shown(self.engine.url))
        return version

    def migrate(self) -> None:
        """Make or migrate the tables, also of a database that does not by itself."""
        with reaching(self.engine.url), self._begin_write() as connection:
            upgrade(connection)
        self._ready = True

    def _prepare(self) -> None:
        if self._ready:
            return
        with self._begin_read() as connection:
            current = is_current(connection)
            if not (current or self._migrates):
                require_current(connection)
        if not current:
            with self._begin_write() as connection:
                upgrade(connection)
        self._ready = True

    @contextmanager
    def _begin_read(self) -> Iterator[sa.Connection]:
        with self.engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                level = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
                connection = connection.execution_options(**level)
            with connection.begin():
                yield connection

    @contextmanager
    def _begin_write(self) -> Iterator[sa.Connection]:
        with self.engine.connect() as connection:
            connection = connection.execution_options(writes=True)
            with connection.begin():
                if connection.dialect.name == "postgresql":
                    self._lock_postgres(connection)
                yield connection

    def _lock_postgres(self, connection: sa.Connection) -> None:
        """Take the write lock, as BEGIN IMMEDIATE does in SQLite; it ends with the transaction.

        A process that hangs, or whose machine is gone, holds it no longer than others wait.
        """
        limit_postgres(connection, self._wait, "lock_timeout", IDLE)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITERS)))

    def _on_sqlite_connect(self, connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # transactions are begun by `_on_sqlite_begin`
        connection.execute(f"PRAGMA busy_timeout = {round(self._wait * 1000)}")
        _use_wal(connection, time.monotonic() + self._wait)


def _answering(url: sa.URL, within: float) -> dict[str, object]:
    """libpq's parameters with which a server that does not answer counts as out of reach."""
    milliseconds = round(within * 1000)
    return {
        "connect_timeout": max(2, math.ceil(within)),  # libpq's least
        "tcp_user_timeout": milliseconds,
        "options": f"{url.query.get('options', '')} -c statement_timeout={milliseconds}".strip(),
    }


def explained(engine: sa.Engine) -> sa.Engine:
    """The engine of a library, whose operational errors become DatabaseUnavailable."""
    event.listen(engine, "handle_error", _explain)
    return engine


def _explain(context: sa.ExceptionContext) -> None:
    operation = (exc.OperationalError, exc.InterfaceError)
    if isinstance(context.sqlalchemy_exception, operation) and context.engine:
        raise unavailable(context.engine.url, context.original_exception)


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
    options = connection.get_execution_options()
    if options.get("isolation_level") != "AUTOCOMMIT":  # else SQLite commits each statement
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("writes") else "BEGIN")
