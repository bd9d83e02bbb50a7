"""Open the Dagster instance of a home; missing files are created, one process at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import dagster as dg

from data_platform.build.dagster_internals import MIGRATIONS
from data_platform.databases.errors import DatabaseTooNew, explaining
from data_platform.runs.home import prepare_home
from data_platform.settings.environment import enter_home
from data_platform.settings.model import Settings
from data_platform.settings.values import home_explained


@contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The home's Dagster instance, with the home's directories and databases created if missing.

    Sets DAGSTER_HOME for this process and those it starts. Raises DatabaseUnavailable if Dagster's
    databases cannot be used, while opening them or later.
    """
    place = f"of Dagster, {settings.dagster_database or settings.dagster_home}"
    with ExitStack() as stack:
        stack.enter_context(explaining(place))
        with _alone(settings):
            prepare_home(settings)
            enter_home(settings)
            # Dagster makes its SQLite files without a lock of its own: of two processes that find
            # no version in one, the second fails (UNIQUE constraint failed: alembic_version).
            instance = stack.enter_context(dg.DagsterInstance.get())
        yield instance


def upgrade_storage(instance: dg.DagsterInstance, settings: Settings) -> None:
    """Bring Dagster's storage up to date. Raises DatabaseTooNew if a later version of Dagster has
    changed it."""
    from alembic.util import CommandError

    try:
        instance.upgrade()
    except CommandError as error:
        raise DatabaseTooNew(
            f"{settings.dagster_database or settings.dagster_home}: a later version of Dagster has "
            f"changed its storage ({error}); use the package that changed it, or a newer one"
        ) from error


def missing_migrations(revision: str) -> int | None:
    """How many migrations a storage of Dagster at this revision lacks; None for a revision that
    only a later Dagster knows."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", MIGRATIONS)
    newest_first = [each.revision for each in ScriptDirectory.from_config(config).walk_revisions()]
    return newest_first.index(revision) if revision in newest_first else None


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold the home's lock, which the system releases however the process ends."""
    with home_explained(settings.home):
        settings.dagster_home.mkdir(parents=True, exist_ok=True)
        opening = (settings.dagster_home / "opening.lock").open("a")
    with opening as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
