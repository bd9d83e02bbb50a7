"""Virtual environments of tables: which there are, and how a table gets into one.

An environment's tables begin as metadata files of its own that refer to production's manifests and
data files: nothing else is written. From then on each side commits for itself. Neither deletes a
file that the other refers to (`upkeep.clean`).
"""

import datetime as dt
import uuid
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import sqlalchemy as sa
from pyiceberg.exceptions import (
    NamespaceAlreadyExistsError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.serializers import ToOutputFile
from pyiceberg.table import Table
from sqlalchemy.exc import IntegrityError

from data_platform.databases.connections import Database
from data_platform.databases.migration import HEAD
from data_platform.databases.server import look
from data_platform.databases.tables import METADATA, Name
from data_platform.lake.catalog import Lake
from data_platform.lake.expiry import BASE
from data_platform.lake.files import files_by_partition, versions
from data_platform.storage.errors import LakeError
from data_platform.tables.identity import TableId

State = Literal["creating", "ready", "closing", "dropping", "kept"]

ENVIRONMENTS = sa.Table(
    "environments",
    METADATA,
    sa.Column("name", Name, primary_key=True),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("created", sa.DateTime, nullable=False),
)


class NoEnvironment(LakeError):
    """There is no environment of that name, or it cannot be used in its state."""


class OtherTables(LakeError):
    """Production's database has the tables of another version of this package."""


def require_same_tables(uri: str) -> None:
    """Raises OtherTables if production's database at `uri` is of another version than this code,
    which may be a branch's: it must not migrate what production's code uses."""
    there = look(uri, lambda: dt.datetime.now(dt.UTC)).tables
    if there not in (None, HEAD):
        raise OtherTables(
            f"production's database has tables of version {there}, and this code those of {HEAD}; "
            "nothing was changed. Use the version of this package that production has, or "
            "`data-platform migrate` production first, when its new version is deployed"
        )


@dataclass(frozen=True)
class Environment:
    """A virtual environment. `closing`: it is to be dropped if nothing is at work in it; `kept`: it
    was dropped, and production refers to files of it; `created` is in UTC, without a time zone."""

    name: str
    state: State
    created: dt.datetime


@dataclass(frozen=True)
class Environments:
    """The environments beside production, in production's database at `uri`. From `within` an
    environment that database is not migrated: methods raise OtherTables if it is of another
    version."""

    uri: str
    within: bool = False
    migrates: bool = True

    @cached_property
    def database(self) -> Database:
        """The database, migrated on first use by production alone, if it `migrates`."""
        if self.within:
            require_same_tables(self.uri)
        return Database(self.uri, migrates=self.migrates)

    def all(self) -> list[Environment]:
        """Every environment, by name."""
        query = sa.select(ENVIRONMENTS).order_by(ENVIRONMENTS.c.name)
        with self.database.read() as connection:
            return [Environment(**row) for row in connection.execute(query).mappings()]

    def find(self, name: str) -> Environment | None:
        """The environment of that name."""
        return next((each for each in self.all() if each.name == name), None)

    def require(self, name: str) -> Environment:
        """The environment, ready to be used. Raises NoEnvironment."""
        found = self.find(name)
        if found is None or found.state == "kept":
            raise NoEnvironment(
                f"there is no virtual environment {name}; `data-platform environment create "
                f"{name}` makes it, `data-platform environment list` lists them"
            )
        if found.state != "ready":
            what = "create" if found.state == "creating" else "drop"
            raise NoEnvironment(
                f"the virtual environment {name} is {found.state}, and that was not completed; "
                f"run `data-platform environment {what} {name}` again"
            )
        return found

    def set(self, name: str, state: State, *, among: Collection[State | None]) -> None:
        """Give an environment a state, None being that of one that does not exist. Raises
        NoEnvironment if it is not in one of the states `among` which it may be."""
        with self.database.write() as connection:
            of_name = ENVIRONMENTS.c.name == name
            now = connection.execute(sa.select(ENVIRONMENTS.c.state).where(of_name)).scalar()
            if now not in among:
                raise NoEnvironment(
                    f"the virtual environment {name} {f'is {now}' if now else 'does not exist'}; "
                    "`data-platform environment list` lists them"
                )
            row: dict[str, object] = {"name": name, "state": state}
            if state == "creating":
                row["created"] = dt.datetime.now(dt.UTC).replace(tzinfo=None)
            if now is None:
                connection.execute(ENVIRONMENTS.insert().values(**row))
            else:
                connection.execute(sa.update(ENVIRONMENTS).where(of_name).values(**row))

    def forget(self, name: str, *, among: Collection[State]) -> None:
        """Remove an environment of which nothing is left, unless it is in another state by now."""
        this = ENVIRONMENTS.c.name == name, ENVIRONMENTS.c.state.in_(among)
        with self.database.write() as connection:
            connection.execute(ENVIRONMENTS.delete().where(*this))


def forget_virtual(connection: sa.Connection) -> None:
    """Forget the environments of a platform that was restored: only what production refers to of
    them came along."""
    connection.execute(ENVIRONMENTS.delete().where(ENVIRONMENTS.c.state != "kept"))


def refer(table: Table, table_id: TableId, into: Lake) -> None:
    """Make the table in another lake, with references to the files that it has now.

    It has the same snapshots, but not the log of metadata files, the oldest of which each commit
    deletes. A table that is there is left as it is.
    """
    if into.exists(table_id):
        return
    location, current = into.location(table_id), table.current_snapshot()
    base = {BASE: str(current.snapshot_id)} if current else {}
    metadata = table.metadata.model_copy(
        update={
            "location": location,
            "table_uuid": uuid.uuid4(),
            "metadata_log": [],
            "properties": {**table.metadata.properties, **base},
        }
    )
    file = f"{location}/metadata/00000-{uuid.uuid4()}.metadata.json"
    ToOutputFile.table_metadata(metadata, table.io.new_output(file))
    namespace, _ = table_id.identifier
    with suppress(NamespaceAlreadyExistsError, IntegrityError):
        into.catalog.create_namespace(namespace)
    with suppress(TableAlreadyExistsError):
        into.catalog.register_table(table_id.identifier, file)


def forget_table(lake: Lake, table_id: TableId) -> None:
    """Remove a table from a lake's catalog, and no file."""
    with suppress(NoSuchTableError):
        lake.catalog.drop_table(table_id.identifier)


def base_versions(lake: Lake, table_id: TableId) -> dict[str, str]:
    """The version that each partition of an environment's table had in production when the
    environment was made; empty for a table that production did not have."""
    table = lake.find(table_id)
    base = table.properties.get(BASE) if table else None
    if table is None or base is None:
        return {}
    return versions(files_by_partition(table, None, int(base)))
