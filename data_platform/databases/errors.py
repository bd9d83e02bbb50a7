"""Errors of databases: which one, why, and what to do, never with a password."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy import exc

# What the databases' own messages say, and what to do; the first that matches.
_WAYS_OUT = (
    ("locked|lock timeout", "another process holds it: end that process, or try again"),
    ("unable to open", "its directory must exist, and this user must be able to write there"),
    ("readonly database", "make the file and its directory writable for this user"),
    ("not a database", "its file is something else: name another one, or move that file away"),
    ("disk.* full|disk I/O error|No space left", "free some space on its disk and try again"),
    (
        "password authentication failed|no password supplied",
        "set DATA_PLATFORM_DATABASE_PASSWORD to the password of the URL's user",
    ),
    (
        r"\b(database|role) .* does not exist",
        "create it on the server, or name another one in DATA_PLATFORM_DATABASE",
    ),
    (
        "too many clients|connection slots|too many connections",
        "end processes that are not needed, or raise the server's max_connections, and try again",
    ),
    ("permission denied", "the URL's user needs CONNECT on the database and CREATE on its schema"),
    (
        "could not translate host name|could not connect|connection refused|timeout expired",
        "see that the server is up and that the host and port of DATA_PLATFORM_DATABASE are its",
    ),
    ("read-only transaction", "it is a standby: name the primary server"),
)

# The connection may have been lost during a commit, so it is not known whether that counts.
_LOST = (
    "server closed the connection|terminating connection|SSL SYSCALL|connection reset"
    "|SSL connection has been closed|could not (receive|send) data"
)


class DatabaseError(RuntimeError):
    """A database cannot be used."""


class DatabaseUnavailable(DatabaseError):
    """The database is locked or out of reach; a later try may succeed."""


class LeaseLost(DatabaseError):
    """This process has lost its lease, so others do its work; nothing of the write was made."""


class BeingRestored(DatabaseError):
    """A backup is being restored into the database, or was until that was interrupted."""


class DatabaseTooNew(DatabaseError):
    """A later version of this package has changed the tables; only a newer one can use them."""


class DatabaseNotMigrated(DatabaseError):
    """The tables are not yet those of this version, and only `data-platform migrate` may change
    them."""


def unavailable(url: sa.URL | str, error: BaseException) -> DatabaseUnavailable:
    """The error with the database (its URL, or its name), the cause, and what to do."""
    # libpq writes several lines, the last ones with the statement.
    cause = " ".join(re.split(r"\nLINE \d+:", str(error))[0].split())
    advice = next(
        (way_out for text, way_out in _WAYS_OUT if re.search(text, cause, re.IGNORECASE)),
        "see that it can be reached and try again",
    )
    lost = re.search(_LOST, cause, re.IGNORECASE)
    then = "Its last transaction counts whole or not at all" if lost else "Nothing was changed"
    if isinstance(url, str):  # a library's, of whose transactions nothing is known here
        then = "What is published stays so, and the next run goes on from there"
    return DatabaseUnavailable(f"database {shown(url)}: {cause}; {advice}. {then}.")


@contextmanager
def reaching(url: sa.URL) -> Iterator[None]:
    """Turns every error of a driver into DatabaseUnavailable, for transactions of the platform's
    own at `url`."""
    try:
        yield
    except (exc.DBAPIError, sqlite3.Error) as error:  # SQLite's own, before SQLAlchemy has it
        raise unavailable(url, getattr(error, "orig", None) or error) from error


@contextmanager
def explaining(name: str) -> Iterator[None]:
    """Turns database errors of a library into DatabaseUnavailable of `name`.

    For libraries that make their own engines and may catch such errors themselves.
    """
    try:
        yield
    except (exc.OperationalError, exc.InterfaceError) as error:
        raise unavailable(name, error.orig or error) from error


def shown(url: sa.URL | str) -> str:
    """How messages name a database: SQLite's file, or a server's URL."""
    if isinstance(url, str):
        return url
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)
