"""One daemon is at work on a database at a time."""

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from data_platform.build.platform import Platform
from data_platform.databases.urls import with_driver
from data_platform.runs.daemon import LEASE, only_daemon
from data_platform.settings.environment import environment_kept, settings_at
from data_platform.settings.model import Settings

TERM = 1.5  # seconds
LONG = 12  # seconds, for a holder that beats in this process, however busy the machine is
PATIENCE = 60  # seconds, on a busy machine


@pytest.fixture
def settings(tmp_path: Path, migrated_postgres_url: str) -> Iterator[Settings]:
    with environment_kept():
        yield settings_at(tmp_path, ledger_uri=migrated_postgres_url, run_lease=TERM)


def daemon(settings: Settings) -> AbstractContextManager[None]:
    return only_daemon(settings, lost=lambda: None)


@contextmanager
def another(settings: Settings) -> Iterator[threading.Event]:
    """A second daemon, in a thread, and whether it has begun."""
    begun, end = threading.Event(), threading.Event()

    def work() -> None:
        with daemon(settings):
            begun.set()
            end.wait(PATIENCE)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield begun
    finally:
        end.set()
        thread.join()


def wait_until_logged(caplog: pytest.LogCaptureFixture, said: str) -> None:
    end = time.monotonic() + PATIENCE
    while said not in caplog.text and time.monotonic() < end:
        time.sleep(0.05)
    assert said in caplog.text


def test_a_daemon_waits_until_another_ends(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings = replace(settings, run_lease=LONG)
    leases = Platform(settings).leases
    assert leases
    with ExitStack() as first:
        first.enter_context(daemon(settings))
        with another(settings) as begun:
            wait_until_logged(caplog, "another daemon is at work")
            assert not begun.wait(1.5 * leases.beats_every)  # it has looked
            first.close()
            assert begun.wait(PATIENCE)

    assert leases.holders(LEASE) == {}


def test_a_daemon_begins_when_one_that_was_killed_has_not_beaten_for_the_term(
    settings: Settings,
) -> None:
    leases = Platform(settings).leases
    assert leases and leases.acquire(LEASE, "a killed daemon")

    with another(settings) as begun:
        assert begun.wait(PATIENCE)


def test_a_daemon_that_waits_does_so_while_the_database_is_away(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    leases = Platform(settings).leases
    assert leases and leases.acquire(LEASE, "a killed daemon")
    engine = sa.create_engine(with_driver(settings.ledger_uri), poolclass=sa.NullPool)

    def rename(table: str, name: str) -> None:
        with engine.begin() as connection:
            connection.execute(sa.text(f"ALTER TABLE {table} RENAME TO {name}"))

    with another(settings) as begun:
        wait_until_logged(caplog, "another daemon is at work")
        rename("leases", "away")
        wait_until_logged(caplog, "this daemon still waits")
        rename("away", "leases")
        assert begun.wait(PATIENCE)


def test_a_daemon_on_a_file_waits_for_nobody(tmp_path: Path) -> None:
    with daemon(settings_at(tmp_path)), daemon(settings_at(tmp_path)):
        assert Platform(settings_at(tmp_path)).leases is None
