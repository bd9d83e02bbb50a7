"""Homes and databases as earlier versions of the package left them, under this one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from data_platform.databases import migration
from data_platform.databases.connections import Database
from data_platform.databases.copies import TableCopies, copies_of_files, snapshot
from data_platform.databases.errors import DatabaseTooNew
from data_platform.databases.migration import HEAD, version_of
from data_platform.databases.urls import is_sqlite, with_driver
from data_platform.operations.backup import (
    LEDGER,
    LEDGER_FILE,
    LEDGER_TABLES,
    TABLES,
    Copies,
    sqlite_file,
)
from data_platform.operations.restore import restore
from data_platform.runs.instance import open_instance, upgrade_storage
from data_platform.settings.environment import environment_kept
from data_platform.settings.model import Settings
from data_platform.storage.archive import new_archive, open_archive
from data_platform.storage.files import Storage
from data_platform_tests.support.backups import (
    DAYS,
    SILVER,
    backed_up,
    copied,
    loaded,
    materialized,
    shop_in,
)
from data_platform_tests.support.places import Place
from data_platform_tests.support.small_shop import SmallShop

_SCRIPT = ScriptDirectory(str(Path(migration.__file__).parent))
VERSIONS = sorted(revision.revision for revision in _SCRIPT.walk_revisions())
RENAMED = {"bronze_version": "load_id"}  # columns by what they were called before
COPIED = ("landed_objects", "builds")


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    with environment_kept():
        yield


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> SmallShop:
    with environment_kept():
        return loaded(shop_in(tmp_path_factory.mktemp("old")))


def fill(url: str, version: str, source: sa.Connection) -> None:
    """A database of an earlier version with the rows of a present one, as far as it has columns."""
    engine = sa.create_engine(with_driver(url), poolclass=sa.NullPool)
    with engine.begin() as connection:
        migration.remove(connection)
        migration.upgrade(connection, version)
        found = sa.MetaData()
        for name in COPIED:
            table = sa.Table(name, found, autoload_with=connection)
            rows = source.execute(sa.text(f"SELECT * FROM {name}")).mappings().all()
            columns = ", ".join(f'"{column.name}"' for column in table.columns)
            values = [as_it_was(row, table) for row in rows]
            assert values
            marks = ", ".join(f":{column.name}" for column in table.columns)
            connection.execute(sa.text(f"INSERT INTO {name} ({columns}) VALUES ({marks})"), values)
            number_on(connection, table)
        assert version_of(connection) == version


def number_on(connection: sa.Connection, table: sa.Table) -> None:
    """Have the next row's number follow those of rows that came with theirs."""
    if connection.dialect.name == "postgresql":
        for column in (c for c in table.primary_key if isinstance(c.type, sa.Integer)):
            sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
            last = sa.select(sa.func.max(column)).scalar_subquery()
            connection.execute(sa.select(sa.func.setval(sequence, last)))


def as_it_was(row: sa.RowMapping, table: sa.Table) -> dict[str, object]:
    before = {RENAMED.get(name, name): value for name, value in row.items()} | dict(row)
    return {
        column.name: bool(value) if isinstance(column.type, sa.Boolean) else value
        for column in table.columns
        for value in [before[column.name]]
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_a_home_of_any_earlier_version_has_all_its_tables_and_builds_nothing_anew(
    old: SmallShop, version: str, new_database_url: Callable[[], str]
) -> None:
    url = new_database_url()
    with Database(old.platform().settings.ledger_uri).read() as source:
        fill(url, version, source)
    before = old.platform()
    now = older(old, url)

    assert now.platform().ledger.summary() == before.ledger.summary()
    found, known = (p.builds.latest(SILVER) for p in (now.platform(), before))
    assert found.keys() == known.keys()
    for key, build in known.items():
        kept = {"attempt", "state", "contract", "inputs", "rows", "quarantined", "created"}
        assert all(getattr(found[key], name) == getattr(build, name) for name in kept)
    assert now.run() == set()
    with now.platform().builds.database.read() as connection:
        assert version_of(connection) == HEAD


@pytest.mark.parametrize("version", ["0006", "0009", "0012"])
def test_a_backup_of_an_earlier_version_is_restored_and_nothing_is_built_anew(
    old: SmallShop, version: str, new_database_url: Callable[[], str], tmp_path: Path
) -> None:
    url, backup = new_database_url(), str(tmp_path / "backup")
    with Database(old.platform().settings.ledger_uri).read() as source:
        fill(url, version, source)
    backed_up(old, f"{backup}-now")
    with_ledger_of(url, version, f"{backup}-now", backup)
    home = tmp_path / "new"
    new = SmallShop(home, Place.directory(home), others={"ledger_uri": new_database_url()})
    copied(old, new)

    done = restore(new.platform(), backup)

    before, now = old.platform(), new.platform()
    assert done.tables == len(old.everything())
    assert new.everything() == old.everything()
    assert now.ledger.summary() == before.ledger.summary()
    found, known = (p.builds.latest(SILVER) for p in (now, before))
    assert {k: (b.attempt, b.state) for k, b in found.items()} == {
        k: (b.attempt, b.state) for k, b in known.items()
    }
    assert new.run() == set()
    new.land("2011-03-06", ["e,5"])
    assert new.run() == {"bronze 2011-03-06", "silver 2011-03-06"}
    with now.builds.database.read() as connection:
        assert version_of(connection) == HEAD


def with_ledger_of(url: str, version: str, backup: str, target: str) -> None:
    """The backup as an earlier version would have made it, with the ledger at this URL."""
    made, older = open_archive(backup, Storage()), new_archive(target, Storage())
    about = {name: value for name, value in made.about.items() if name != "files"}
    for name in made.about["files"]:
        if name.startswith("dagster/") or name == TABLES:
            with made.reading(name) as source, older.writing(name) as sink:
                sink.write(source.read())
    with ExitStack() as stack:
        if is_sqlite(url):
            scratch = Path(stack.enter_context(TemporaryDirectory()))
            ledger: Copies = copies_of_files({LEDGER_FILE: sqlite_file(url)}, scratch)
        else:
            connection = stack.enter_context(snapshot(url))
            ledger = TableCopies(connection, LEDGER, LEDGER_TABLES)
        older.finish({**about, "migration": version, LEDGER: ledger.write(older.writing)})


def older(shop: SmallShop, url: str) -> SmallShop:
    return SmallShop(shop.home, shop.place, others={"ledger_uri": url})


def storages(settings: Settings) -> list[sa.Engine]:
    """Dagster's databases, without the logs of runs, which have events alone."""
    names = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")
    urls = [f"sqlite:///{settings.dagster_home}/{name}" for name in names]
    if settings.dagster_database:
        urls = [with_driver(settings.dagster_database)]
    return [sa.create_engine(url, poolclass=sa.NullPool) for url in urls]


def revise(settings: Settings, revision: str) -> None:
    for engine in storages(settings):
        with engine.begin() as connection:
            connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")


@pytest.fixture
def shop(tmp_path: Path, server_url: str) -> SmallShop:
    """Its metadata is in files, and on a server."""
    return loaded(SmallShop(tmp_path / "home", shop_in(tmp_path / "home").place, server_url))


def test_dagsters_storage_of_an_earlier_version_is_brought_up_to_date(shop: SmallShop) -> None:
    settings = shop.platform().settings
    column, table = "using_default_limit", "concurrency_limits"  # of Dagster's newest migration

    def having() -> set[bool]:
        found = set()
        for engine in storages(settings):
            inspected = sa.inspect(engine)
            if inspected.has_table(table):
                found.add(column in {c["name"] for c in inspected.get_columns(table)})
        return found

    for engine in storages(settings):
        if sa.inspect(engine).has_table(table):
            with engine.begin() as connection:
                connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN {column}")
    revise(settings, "6b7fb194ff9c")
    assert having() == {False}

    with open_instance(settings) as instance:
        upgrade_storage(instance, settings)

    assert having() == {True}
    assert materialized(shop) == DAYS


def test_dagsters_storage_of_a_later_version_is_refused(shop: SmallShop) -> None:
    settings = shop.platform().settings
    revise(settings, "ffffffffffff")

    with (
        open_instance(settings) as instance,
        pytest.raises(DatabaseTooNew, match=r"a later version of Dagster .* use the package"),
    ):
        upgrade_storage(instance, settings)
