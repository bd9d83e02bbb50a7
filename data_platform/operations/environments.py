"""Virtual environments of tables: create, list and drop them.

An environment begins as references to production's snapshots, and what is built in it is written
to places of its own. `environment_diff` compares it with production, `promotion` promotes it.
"""

import datetime as dt
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

import sqlalchemy as sa

from data_platform.build.platform import Platform, lake_of
from data_platform.databases.schemas import copy_rows, drop_schema, make_schema
from data_platform.lake.builds import BUILDS
from data_platform.lake.environments import forget_table, refer
from data_platform.lake.upkeep.clean import referenced_by
from data_platform.landing.ledger.tables import objects
from data_platform.operations.repair import instance_of
from data_platform.runs.home import prepare_home
from data_platform.runs.in_process import TablesBusy
from data_platform.runs.liveness import at_work, driving
from data_platform.settings.model import Settings
from data_platform.settings.values import PREFIX
from data_platform.settings.virtual import inside, schema_of, warehouse_of
from data_platform.storage.errors import LakeError
from data_platform.storage.files import StoredFile
from data_platform.tables.identity import TableId
from data_platform.telemetry.wording import counted

_COPIED = objects, BUILDS
_COPIES = 10  # of a production that publishes meanwhile
_LOOKS = 10  # at leases, six of which are a term: whoever is gone is silent before the last


class OtherCatalog(LakeError):
    """The settings name another catalog than production's."""


@dataclass(frozen=True)
class Created:
    """A new environment and the number of its tables."""

    name: str
    tables: int

    @property
    def lines(self) -> list[str]:
        """What was done, as lines to print."""
        return [
            f"created {self.name}: {counted(self.tables, 'table')}, no data copied",
            f"DATA_PLATFORM_VIRTUAL_ENVIRONMENT={self.name} data-platform run builds in it what "
            "this code makes stale",
        ]


@dataclass(frozen=True)
class DroppedEnvironment:
    """An environment that was dropped: the files that were deleted, and those left because
    production, or another environment, refers to them."""

    name: str
    deleted: int
    kept: int

    @property
    def lines(self) -> list[str]:
        """What was done, as lines to print."""
        found = [f"dropped {self.name}: {counted(self.deleted, 'file')} deleted"]
        if self.kept:
            found.append(
                f"{counted(self.kept, 'file')} stay, which other tables refer to; `data-platform "
                "clean` deletes them when no snapshot needs them any more"
            )
        return found


def create(platform: Platform, name: str, *, waiting: Callable[[], None] = lambda: None) -> Created:
    """Make an environment whose tables are production's as they are now. Run it again if it was
    interrupted.

    Writes a metadata file for each table, and copies the rows of the ledger and of the register of
    builds within their database. Waits for another command that changes production. Raises
    NoEnvironment if it exists already, TablesBusy if production's tables do not stay as they are
    for long enough, OtherCatalog if the settings name another catalog than production's.
    """
    production = platform.production
    settings = inside(production.settings, name)
    require_catalog(production)
    with instance_of(production) as instance, driving(instance, production, waiting=waiting):
        platform.environments.set(name, "creating", among=(None, "creating", "kept"))
        for url in _databases(production.settings):
            make_schema(url, schema_of(name))
        prepare_home(settings)
        tables = _copy(production, settings)
        platform.environments.set(name, "ready", among=("creating",))
    return Created(name, tables)


def _copy(production: Platform, settings: Settings) -> int:
    """Copy production's tables, as references, with the rows about them; returns their number.

    Runs may publish meanwhile, and rows that say so must not be without the tables' commits: all
    is copied again until no table has changed in between. Rows that lag behind are those that a
    killed run leaves.
    """
    lake, here = lake_of(settings), production.settings.ledger_uri
    for table_id in lake.tables():
        forget_table(lake, table_id)  # of an attempt that was interrupted
    copied: dict[TableId, str] | None = None
    for _ in range(_COPIES):
        now = production.lake.metadata_locations(production.lake.tables())
        if now == copied:
            return len(now)
        for table_id, place in (copied or {}).items():
            if now.get(table_id) != place:
                forget_table(lake, table_id)
        for table_id in now:
            refer(production.lake.load(table_id), table_id, lake)
        copy_rows(here, settings.ledger_uri, schema_of(settings.virtual_environment), _COPIED)
        copied = now
    raise TablesBusy(
        f"production's tables changed each of the {_COPIES} times that they were copied; run "
        f"`data-platform environment create {settings.virtual_environment}` again when fewer "
        "runs are under way"
    )


def listed(platform: Platform) -> list[dict[str, object]]:
    """The environments, each with its state and when it was made."""
    return [
        {"name": each.name, "state": each.state, "created": each.created.replace(tzinfo=dt.UTC)}
        for each in platform.environments.all()
    ]


def drop(
    platform: Platform, name: str, *, waiting: Callable[[], None] = lambda: None
) -> DroppedEnvironment:
    """Remove an environment with its catalog, its ledger, its register and those of its files that
    nothing else refers to. Run it again if it was interrupted, or if it is kept for tables that
    production has dropped since, whose files `clean` does not touch.

    Waits for another command that changes production, which may be promoting from it. Raises
    NoEnvironment if there is none, TablesBusy while something is at work in it, OtherCatalog if the
    settings name another catalog than production's.
    """
    production, inner = platform.production, platform.inside(name)
    require_catalog(production)
    with instance_of(production) as instance, driving(instance, production, waiting=waiting):
        _close(platform, inner, name)
        deleted, kept = _delete_files(production, name)
        for url in _databases(production.settings):
            drop_schema(url, schema_of(name))
        shutil.rmtree(inner.settings.home, ignore_errors=True)
        if kept:
            platform.environments.set(name, "kept", among=("dropping",))
        else:
            platform.environments.forget(name, among=("dropping",))
    return DroppedEnvironment(name, deleted, kept)


def left_warehouses(platform: Platform) -> list[str]:
    """Where the files of dropped environments are that production refers to, for production to
    clean; none for an environment."""
    if platform.settings.virtual_environment:
        return []
    kept = [each.name for each in platform.environments.all() if each.state == "kept"]
    return [warehouse_of(platform.settings, name) for name in kept]


def forget_emptied(platform: Platform) -> None:
    """Forget the dropped environments of which no file is left."""
    for each in platform.environments.all():
        place = warehouse_of(platform.production.settings, each.name)
        if each.state == "kept" and not any(platform.storage.files(place)):
            platform.environments.forget(each.name, among=("kept",))


def require_catalog(production: Platform) -> None:
    """Raises OtherCatalog if production's catalog has none of the tables that were published.

    The settings then name another one, such as Glue where a catalog is not named at all. An
    environment would be empty, and files that production refers to would count as orphans.
    """
    published = sa.select(BUILDS.c.table_id).where(BUILDS.c.committed).distinct()
    with production.builds.database.read() as connection:
        names = sorted(connection.execute(published).scalars())
    if names and not {*names}.intersection(map(str, production.lake.tables())):
        raise OtherCatalog(
            f"the catalog {production.settings.catalog_uri} has none of production's tables, such "
            f"as {names[0]}; nothing was changed. Set {PREFIX}CATALOG to production's catalog; if "
            "it is that, and lost its tables, `data-platform run` builds them again"
        )


def _close(platform: Platform, inner: Platform, name: str) -> None:
    """Have nothing begin in the environment any more. Raises TablesBusy, and leaves it open, while
    something is at work in it, which may have begun before a drop that was interrupted here."""
    environments = platform.environments
    found = environments.find(name)
    if found and found.state in ("ready", "closing"):
        environments.set(name, "closing", among=("ready", "closing"))
        try:
            _require_idle(inner)
        except BaseException:
            environments.set(name, "ready", among=("closing",))
            raise
    environments.set(name, "dropping", among=("creating", "closing", "dropping", "kept"))


def _require_idle(inner: Platform) -> None:
    leases = inner.leases
    for _ in range(_LOOKS if leases else 1):
        driven, live, _ = at_work(inner)
        if not (driven or live):
            return
        if leases:  # the pods of a branch may have been killed a moment ago
            for silent in leases.look(""):
                leases.end(silent)
            time.sleep(leases.beats_every)
    what = f"run {live[0]}" if live else "a command"
    raise TablesBusy(
        f"{what} is at work in the virtual environment {inner.settings.virtual_environment}; stop "
        "its deployment or end it, and drop it then"
    )


def _delete_files(production: Platform, name: str) -> tuple[int, int]:
    """Delete the environment's files to which nothing else refers; how many, and how many stay."""
    place, storage = warehouse_of(production.settings, name), production.storage
    lakes = [production.lake, *production.lakes_beside()]
    listed = list(storage.files(place))
    used: set[str] = set()
    for table_id in _tables_below(place, listed):
        used |= referenced_by(table_id, lakes)
    orphans = [file.path for file in listed if file.path not in used]
    for path in orphans:
        storage.delete(path)
    for upload in storage.uploads(place):
        storage.abort(upload)
    return len(orphans), len(listed) - len(orphans)


def _tables_below(place: str, files: Iterable[StoredFile]) -> list[TableId]:
    """The tables whose files these are, by their folders: a role that may see some of Glue's tables
    is not shown the others, but refused when it asks for them."""
    folders = {"/".join(file.path.removeprefix(f"{place}/").split("/")[:3]) for file in files}
    found = []
    for folder in sorted(folders):
        with suppress(ValueError):  # of no table
            found.append(TableId.parse(folder))
    return found


def _databases(production: Settings) -> list[str]:
    """Production's databases, each once, all of which an environment has a part in."""
    urls = (production.catalog_uri, production.ledger_uri, production.dagster_database)
    return sorted({url for url in urls if url not in ("", "glue")})
