"""A fresh database for each test: a SQLite file, or one of a real PostgreSQL server."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from data_platform.databases.urls import with_driver
from tools.servers import Postgres

DATABASES = ("sqlite", pytest.param("postgresql", marks=pytest.mark.integration))

# Most servers order texts as a language does; the platform's names must not mind.
_ENGLISH = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en' LOCALE 'C'"


@pytest.fixture(scope="session")
def server(postgres: Postgres) -> Iterator[sa.URL]:
    """The server's own database; this process and those it starts know the password."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PGPASSWORD", postgres.password)
        yield sa.make_url(postgres.url)


@pytest.fixture
def new_postgres_url(server: sa.URL) -> Iterator[Callable[[], str]]:
    """Gives an empty database's URL, without a password, as settings have it."""
    url = with_driver(server.render_as_string())
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    made: list[str] = []

    def run(statement: str) -> None:
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)

    def new() -> str:
        made.append(f"test_{uuid.uuid4().hex[:12]}")
        run(f"CREATE DATABASE {made[-1]} {_ENGLISH}")
        return server.set(database=made[-1]).render_as_string()

    yield new
    for name in made:
        run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgres_url(new_postgres_url: Callable[[], str]) -> str:
    return new_postgres_url()


@pytest.fixture(params=DATABASES)
def new_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Gives an empty database's URL, of each kind that the platform works with."""
    if request.param == "sqlite":
        return lambda: f"sqlite:///{tmp_path}/{uuid.uuid4().hex[:12]}.db"
    return request.getfixturevalue("new_postgres_url")


@pytest.fixture
def database_url(new_database_url: Callable[[], str]) -> str:
    return new_database_url()


@pytest.fixture(params=DATABASES)
def server_url(request: pytest.FixtureRequest) -> str:
    """An empty database's URL on a server; empty for a home that has its own files."""
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
