"""Migrates a database to the tables of this version, by alembic's migrations in `versions`.

Migrations run in one write transaction while other writers wait: when a database is first used, or
by `data-platform migrate` alone where other versions may be at work on it.
Alembic is imported only if there is something to do; no other module touches a private part of it,
and a test compares it with the installed version. A new migration is a file in `versions`, its
revision the new `HEAD`, which the chart names, too (`docker/helm/Chart.yaml`); a test compares the
result with the tables in code.
"""

import os
from collections.abc import Collection

import sqlalchemy as sa

from data_platform.databases.errors import (
    BeingRestored,
    DatabaseNotMigrated,
    DatabaseTooNew,
    shown,
)
from data_platform.databases.tables import METADATA

HEAD = "0018"

# Dagster's storage may be in the same schema, and uses alembic's default name.
VERSION_TABLE, DAGSTERS_VERSION_TABLE = "data_platform_version", "alembic_version"
RESTORING = "restoring"
"""The version of tables that a restore is about to make: nobody else opens the database."""


def is_current(connection: sa.Connection) -> bool:
    """Whether the tables are of this version."""
    return version_of(connection) == HEAD


def upgrade(connection: sa.Connection, to: str = HEAD) -> None:
    """Migrate the tables within the connection's transaction, which must hold the write lock.

    Raises DatabaseTooNew if a later version of this package has migrated them, BeingRestored while
    a backup is restored.
    """
    version = version_of(connection)
    if version == to:  # another process was first
        return
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(os.path.dirname(__file__))
    require_known(version, shown(connection.engine.url))

    def steps(revision, context):
        return script._upgrade_revs(to, revision)

    with EnvironmentContext(Config(), script, fn=steps) as environment:
        environment.configure(connection=connection, version_table=VERSION_TABLE)
        environment.run_migrations()


def require_known(version: str | None, of: str) -> None:
    """Raises DatabaseTooNew if a later version of this package has made the tables `of` this,
    BeingRestored if a restore is about to make them."""
    if version is None or version == HEAD:
        return
    if version == RESTORING:
        raise BeingRestored(
            f"database {of}: a backup is being restored into it; wait until that has ended. If it "
            "was interrupted, restore the backup into a new home and empty databases"
        )
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(os.path.dirname(__file__))
    if version not in {known.revision for known in script.walk_revisions()}:
        raise DatabaseTooNew(
            f"database {of}: its tables are of version {version}, and this package knows them up "
            f"to {HEAD}; use the package that changed them, or a newer one. Nothing was changed."
        )


def require_current(connection: sa.Connection) -> None:
    """Raises DatabaseNotMigrated if the tables are of an earlier version, or not there at all,
    and what `require_known` does."""
    version, place = version_of(connection), shown(connection.engine.url)
    if version == HEAD:
        return
    require_known(version, place)
    found = f"its tables are of version {version}" if version else "it has no tables yet"
    raise DatabaseNotMigrated(
        f"database {place}: {found}, and this package needs version {HEAD}; run `data-platform "
        "migrate` when this package is deployed (older ones then refuse to start), or use the one "
        "that is deployed. Nothing was changed."
    )


def remove(connection: sa.Connection, *, but: Collection[sa.Table] = ()) -> None:
    """Remove the tables, so that they can be made as another version had them."""
    METADATA.drop_all(connection, [t for t in METADATA.sorted_tables if t not in but])
    connection.execute(sa.text(f"DROP TABLE IF EXISTS {VERSION_TABLE}"))


def reserve(connection: sa.Connection, *, but: Collection[sa.Table]) -> None:
    """Remove the tables until a restore makes them: whoever opens the database meanwhile gets
    BeingRestored, and who has opened it finds no tables."""
    remove(connection, but=but)
    version = sa.Table(VERSION_TABLE, sa.MetaData(), sa.Column("version_num", sa.String(32)))
    version.create(connection)
    connection.execute(version.insert().values(version_num=RESTORING))


def version_of(connection: sa.Connection, table: str = VERSION_TABLE) -> str | None:
    """The revision of the database's tables, as alembic notes it in `table`; None if they were
    never migrated."""
    if not sa.inspect(connection).has_table(table):
        return None
    return connection.execute(sa.text(f"SELECT version_num FROM {table}")).scalar()
