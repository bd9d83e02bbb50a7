"""A fresh database for each test: a SQLite file, or one of a real PostgreSQL server.

Migrations take longer than most tests, so they run once in a process, and new databases are copies
of what they made. An empty one is for tests of migrations.
"""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from data_platform.databases.connections import Database
from data_platform.databases.errors import DatabaseUnavailable
from data_platform.databases.urls import with_driver
from tools.postgres_server import Postgres

DATABASES = ("sqlite", pytest.param("postgresql", marks=pytest.mark.integration))


@cache
def migrated_file() -> bytes:
    """A SQLite database with the platform's tables."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "migrated.db")
        with Database(f"sqlite:///{file}").read():
            pass
        return file.read_bytes()


def make_migrated(file: Path) -> None:
    """Make a SQLite database with the platform's tables, unless there is one, or no space."""
    if file.exists() or not file.parent.is_dir():
        return
    copy = file.with_name(f"{file.name}.{uuid.uuid4().hex}")
    with suppress(OSError, DatabaseUnavailable):  # another thread may be first
        copy.write_bytes(migrated_file())
        os.link(copy, file)
    copy.unlink(missing_ok=True)


@event.listens_for(sa.Engine, "do_connect")
def _migrated(dialect: sa.Dialect, _: object, arguments: list[Any], options: object) -> None:
    """The database of a new home is a copy of a migrated one."""
    if dialect.name == "sqlite" and Path(arguments[0]).name == "ledger.db":
        make_migrated(Path(arguments[0]))


# Most servers order texts as a language does; the platform's names must not mind.
_ENGLISH = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en' LOCALE 'C'"


@dataclass
class Databases:
    """Makes databases on the server whose own one is at `url`."""

    url: sa.URL
    made: list[str] = field(default_factory=list)
    users: list[str] = field(default_factory=list)

    @cached_property
    def _engine(self) -> sa.Engine:
        url = with_driver(self.url.render_as_string())
        return sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)

    @cached_property
    def _migrated(self) -> str:
        name = f"migrated_{uuid.uuid4().hex[:12]}"
        self._run(f"CREATE DATABASE {name} {_ENGLISH}")
        with Database(self._url(name)).read():
            pass
        return name

    def empty(self) -> str:
        """A new database's URL, without a password, as settings have it."""
        return self._new(_ENGLISH)

    def migrated(self) -> str:
        """The same of a database with the platform's tables."""
        return self._new(f"TEMPLATE {self._migrated}")

    def new_user(self, user: str, password: str) -> None:
        """Make a user who may do nothing but log in."""
        self._run(f"CREATE ROLE {user} LOGIN PASSWORD '{password}'")
        self.users.append(user)

    def give(self, url: str, user: str) -> None:
        """Make a user the owner of a database that was made here."""
        self._run(f"ALTER DATABASE {sa.make_url(url).database} OWNER TO {user}")

    def drop(self) -> None:
        """Drop what was made."""
        while self.made:
            self._run(f"DROP DATABASE {self.made.pop()} WITH (FORCE)")
        while self.users:
            self._run(f"DROP ROLE {self.users.pop()}")

    def _new(self, options: str) -> str:
        self.made.append(f"test_{uuid.uuid4().hex[:12]}")
        self._run(f"CREATE DATABASE {self.made[-1]} {options}")
        return self._url(self.made[-1])

    def _url(self, name: str) -> str:
        return self.url.set(database=name).render_as_string()

    def _run(self, statement: str) -> None:
        with self._engine.connect() as connection:
            connection.exec_driver_sql(statement)


@pytest.fixture(scope="session")
def server(postgres: Postgres) -> Iterator[sa.URL]:
    """The server's own database; this process and those it starts know the password."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PGPASSWORD", postgres.password)
        yield sa.make_url(postgres.url)


@pytest.fixture(scope="session")
def all_databases(server: sa.URL) -> Databases:
    return Databases(server)


@pytest.fixture
def databases(all_databases: Databases) -> Iterator[Databases]:
    """Those that it makes are dropped after the test."""
    yield all_databases
    all_databases.drop()


@pytest.fixture
def new_postgres_url(databases: Databases) -> Callable[[], str]:
    """Gives an empty database's URL."""
    return databases.empty


@pytest.fixture
def postgres_url(databases: Databases) -> str:
    return databases.empty()


@pytest.fixture
def migrated_postgres_url(databases: Databases) -> str:
    return databases.migrated()


@pytest.fixture(params=DATABASES)
def new_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Gives an empty database's URL, of each kind that the platform works with."""
    if request.param == "sqlite":
        return lambda: f"sqlite:///{tmp_path}/{uuid.uuid4().hex[:12]}.db"
    return request.getfixturevalue("new_postgres_url")


@pytest.fixture(params=DATABASES)
def migrated_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database with the platform's tables."""
    if request.param == "sqlite":
        make_migrated(tmp_path / "migrated.db")
        return f"sqlite:///{tmp_path}/migrated.db"
    return request.getfixturevalue("migrated_postgres_url")


@pytest.fixture
def database_url(new_database_url: Callable[[], str]) -> str:
    return new_database_url()


@pytest.fixture(params=DATABASES)
def server_url(request: pytest.FixtureRequest) -> str:
    """A database's URL on a server; empty for a home that has its own files."""
    return "" if request.param == "sqlite" else request.getfixturevalue("migrated_postgres_url")
