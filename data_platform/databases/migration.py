"""Migrates a database to the tables of this version, by alembic's migrations in `versions`.

Migrations run when a database is first used, in one write transaction while other writers wait.
Alembic is imported only if there is something to do; no other module touches a private part of it,
and a test compares it with the installed version. A new migration is a file in `versions`, its
revision the new `HEAD`; a test compares the result with the tables in code.
"""

import os

import sqlalchemy as sa

from data_platform.databases.errors import DatabaseTooNew, shown

HEAD = "0013"

# Dagster's storage may be in the same schema, and uses alembic's default name.
VERSION_TABLE = "data_platform_version"


def is_current(connection: sa.Connection) -> bool:
    """Whether the tables are of this version."""
    return version_of(connection) == HEAD


def upgrade(connection: sa.Connection, to: str = HEAD) -> None:
    """Migrate the tables within the connection's transaction, which must hold the write lock.

    Raises DatabaseTooNew if a later version of this package has migrated them.
    """
    version = version_of(connection)
    if version == to:  # another process was first
        return
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(os.path.dirname(__file__))
    known = {revision.revision for revision in script.walk_revisions()}
    for asked in (version, to):
        if asked is not None and asked not in known:
            raise DatabaseTooNew(
                f"database {shown(connection.engine.url)}: its tables are of version {asked}, and "
                f"this package knows them up to {HEAD}; use the package that changed them, or a "
                "newer one. Nothing was changed."
            )

    def steps(revision, context):
        return script._upgrade_revs(to, revision)

    with EnvironmentContext(Config(), script, fn=steps) as environment:
        environment.configure(connection=connection, version_table=VERSION_TABLE)
        environment.run_migrations()


def version_of(connection: sa.Connection) -> str | None:
    """The revision of the database's tables; None if it was never migrated."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
