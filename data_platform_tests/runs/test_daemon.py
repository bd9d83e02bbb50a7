"""One daemon is at work on a database at a time."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from data_platform.build.platform import Platform
from data_platform.runs.daemon import LEASE, only_daemon
from data_platform.settings.environment import environment_kept, settings_at
from data_platform.settings.model import Settings

TERM = 1.5  # seconds
PATIENCE = 60  # seconds, on a busy machine


@pytest.fixture
def settings(tmp_path: Path, migrated_postgres_url: str) -> Iterator[Settings]:
    with environment_kept():
        yield settings_at(tmp_path, ledger_uri=migrated_postgres_url, run_lease=TERM)


@contextmanager
def another(settings: Settings) -> Iterator[threading.Event]:
    """A second daemon, in a thread, and whether it has begun."""
    begun, end = threading.Event(), threading.Event()

    def work() -> None:
        with only_daemon(settings):
            begun.set()
            end.wait(PATIENCE)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield begun
    finally:
        end.set()
        thread.join()


def test_a_daemon_waits_until_another_ends(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with ExitStack() as first:
        first.enter_context(only_daemon(settings))
        with another(settings) as begun:
            assert not begun.wait(2 * TERM)
            first.close()
            assert begun.wait(PATIENCE)

    assert "another daemon is at work" in caplog.text
    leases = Platform(settings).leases
    assert leases and leases.holders(LEASE) == {}


def test_a_daemon_begins_when_one_that_was_killed_has_not_beaten_for_the_term(
    settings: Settings,
) -> None:
    leases = Platform(settings).leases
    assert leases and leases.acquire(LEASE, "a killed daemon")

    with another(settings) as begun:
        assert begun.wait(PATIENCE)


def test_a_daemon_on_a_file_waits_for_nobody(tmp_path: Path) -> None:
    with only_daemon(settings_at(tmp_path)), only_daemon(settings_at(tmp_path)):
        assert Platform(settings_at(tmp_path)).leases is None
