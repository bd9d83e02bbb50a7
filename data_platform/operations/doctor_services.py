"""Examine the services that the settings name: stores, queue, databases, and their clocks.

Changes nothing: tables of an older version are not migrated, and an upload that shows whether the
warehouse may be written to is aborted.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import sqlalchemy as sa

from data_platform.build.platform import Platform
from data_platform.databases.errors import DatabaseError
from data_platform.databases.migration import HEAD, RESTORING
from data_platform.databases.server import NOTHING, Look, look
from data_platform.databases.urls import is_sqlite
from data_platform.lake.files import some
from data_platform.landing.arrivals.queue import QueueError, QueueIntake
from data_platform.operations.examined import Examined
from data_platform.runs.instance import missing_migrations
from data_platform.runs.liveness import at_work
from data_platform.settings.environment import give_password
from data_platform.storage import s3_errors
from data_platform.storage.errors import LakeError
from data_platform.storage.object_store import is_object
from data_platform.tables.identity import TableId
from data_platform.telemetry.wording import counted

# Seconds. AWS refuses what was signed by a clock that is minutes off.
MOST_OFF, MOST_OFF_TO_WORK = 30, 300
_RUNS = "history/runs.db"  # of Dagster's files the first one that it makes
_CLOCK = "let this machine's clock follow a time server (chrony, systemd-timesyncd)"


def examine_services(platform: Platform, tables: Sequence[TableId] = ()) -> Iterator[Examined]:
    """Stores, queue, databases, the clocks of those that have one, and locks; whether the `tables`
    can be written, since a role may have no more rights than for them."""
    settings = platform.settings
    ahead: dict[str, float] = {}
    if is_object(settings.landing_uri):
        yield _store("landing bucket", [settings.landing_uri], platform, ahead)
    if is_object(settings.warehouse_uri):
        root = settings.warehouse_uri
        places = ["/".join([root, *table.path, ""]) for table in tables] or [root]
        yield _store("warehouse", places, platform, ahead, written=True)
    if isinstance(queue := platform.intake, QueueIntake):
        yield _answers("queue", lambda: f"about {counted(queue.waiting(), 'message')} waiting")
    yield from _databases(platform, ahead)
    yield from _clock(ahead)


def _store(
    what: str,
    places: Sequence[str],
    platform: Platform,
    ahead: dict[str, float],
    *,
    written: bool = False,
) -> Examined:
    def ask() -> None:
        ahead[what] = (platform.store.time(places[0]) - platform.clock()).total_seconds()
        for place in places if written else ():
            platform.store.require_writable(place)

    return _answers(what, ask)


def _databases(platform: Platform, ahead: dict[str, float]) -> Iterator[Examined]:
    settings = platform.settings
    give_password(settings)
    seen: dict[str, Look] = {}

    def ask(uri: str) -> None:
        if uri not in seen:  # one database may be all three
            seen[uri] = look(uri, platform.clock)

    of_dagster = settings.dagster_database or f"sqlite:///{settings.dagster_home}/{_RUNS}"
    for what, uri in {
        "catalog": settings.catalog_uri,
        "ledger": settings.ledger_uri,
        "Dagster's database": of_dagster,
    }.items():
        if uri == "glue":
            yield _answers(what, lambda: counted(len(platform.lake.tables()), "table"))
        elif _is_absent(uri):  # connecting would create the file
            continue
        else:
            yield _answers(what, lambda uri=uri: ask(uri))
            if uri in seen and not is_sqlite(uri):
                ahead[what] = seen[uri].ahead
    yield from _permissions(seen, settings.ledger_uri)
    if settings.ledger_uri in seen:
        yield _tables(seen[settings.ledger_uri].tables, settings.migrates)
    if revision := seen.get(of_dagster, NOTHING).dagster:
        yield _tables_of_dagster(revision)
    if is_sqlite(settings.ledger_uri) or seen.get(settings.ledger_uri, NOTHING).tables == HEAD:
        yield _locks(platform)
    else:
        yield Examined("locks", "unknown, since they are in the ledger's database")
    if settings.catalog_uri not in ("glue", settings.ledger_uri) and platform.leases:
        yield Examined(
            "databases",
            "the catalog and the ledger are not in one database",
            "a run that was frozen or cut off may publish though its lease is lost: let "
            "DATA_PLATFORM_DATABASE name one PostgreSQL for both",
            warning=True,
        )


def _permissions(seen: Mapping[str, Look], ledger: str) -> Iterator[Examined]:
    """What the databases' user lacks: to create tables that are not there, or to write to others.
    Where tables are those of this version, another user may have made them."""
    for uri, found in seen.items():
        user = sa.make_url(uri).username
        if uri == ledger and found.tables != HEAD and not found.creates:
            said = f"{user} may not create tables in {uri}"
            yield Examined("permissions", said, f"let its owner GRANT CREATE ON SCHEMA to {user}")
        if found.closed:
            said = f"{user} may not write to {some(list(found.closed))} in {uri}"
            way_out = (
                "let their owner GRANT SELECT, INSERT, UPDATE, DELETE on the tables (SELECT, "
                f"INSERT on audit_trail) and USAGE, SELECT on their sequences TO {user}"
            )
            yield Examined("permissions", said, way_out)


def _is_absent(uri: str) -> bool:
    name = sa.make_url(uri).database
    return is_sqlite(uri) and bool(name) and not Path(name).is_file()


def _tables(version: str | None, migrates: bool) -> Examined:
    what = "tables of the ledger"
    if version == HEAD:
        return Examined(what, f"version {version}, as this package's")
    if version is None and migrates:
        return Examined(what, "none yet: a run creates them")
    if version is None:
        return Examined(what, "none yet", "`data-platform migrate` creates them")
    if version == RESTORING:
        said = "a backup is being restored, or was until that was interrupted"
        return Examined(what, said, "if so, restore into empty databases")
    said = f"version {version}, this package's is {HEAD}"
    if version > HEAD:
        return Examined(what, said, "use the package that changed them")
    way_out = (
        f"`data-platform migrate` brings them up to date{', as the next run does' * migrates}; "
        "processes of an older package can then no longer start"
    )
    return Examined(what, said, way_out, warning=migrates)


def _tables_of_dagster(revision: str) -> Examined:
    what, missing = "tables of Dagster", missing_migrations(revision)
    if missing is None:
        said = f"revision {revision}, which this version of Dagster does not know"
        way_out = "use the package that changed them, or a newer one: daemon and webserver may fail"
    elif missing:
        said = f"revision {revision}, {counted(missing, 'migration')} behind this version's"
        way_out = "`data-platform migrate` brings them up to date"
    else:
        return Examined(what, f"revision {revision}, as this version's")
    return Examined(what, said, way_out, warning=True)


def _clock(ahead: dict[str, float]) -> Iterator[Examined]:
    """This machine's clock against the services'; a second or two are a request's own time."""
    if not ahead:
        return
    what, most = max(ahead.items(), key=lambda each: abs(each[1]))
    said = f"{abs(most):.0f} s {'behind' if most > 0 else 'ahead of'} that of the {what}"
    if abs(most) <= MOST_OFF:
        yield Examined("clock", said)
    else:
        yield Examined("clock", said, _CLOCK, warning=abs(most) <= MOST_OFF_TO_WORK)


def _answers(what: str, ask: Callable[[], object]) -> Examined:
    try:
        found = ask()
    except (DatabaseError, LakeError, OSError) as error:
        why = s3_errors.explanation(str(error)) or str(error)
        way_out = "correct the setting that names it; `data-platform settings` lists all"
        return Examined(what, why, s3_errors.way_out(why) or way_out)
    except QueueError as error:
        return Examined(what, str(error), "correct DATA_PLATFORM_QUEUE, or the queue's policy")
    return Examined(what, f"answers{f', {found}' if isinstance(found, str) else ''}")


def _locks(platform: Platform) -> Examined:
    driven, live, dead = at_work(platform)
    if dead:
        gone = counted(len(dead), "run")
        said = f"the process of {gone} is gone: {', '.join(dead)}"
        return Examined("locks", said, "`data-platform run` marks it failed and goes on")
    busy = ", ".join(
        [*(["a command drives this home"] if driven else []), *(f"run {run}" for run in live)]
    )
    return Examined("locks", busy or "free: nothing is at work")
