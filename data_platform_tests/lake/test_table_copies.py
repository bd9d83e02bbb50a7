"""The tables of a backup: as they were together, whatever is published meanwhile."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from data_platform.lake.catalog import Lake, LakeTable
from data_platform.lake.errors import NotThere
from data_platform.lake.files import files_by_partition, versions
from data_platform.lake.rejected import REJECTED_LAYERS, files_of_attempts
from data_platform.lake.table_copies import loaded, tables_now
from data_platform.tables.identity import TableId
from data_platform_tests.support.lake_home import MONDAY, SALES, LakeHome


@pytest.fixture
def home(tmp_path: Path) -> LakeHome:
    home = LakeHome(tmp_path)
    home.make_rejecting()
    return home


def publisher(home: LakeHome) -> Callable[[], None]:
    """Publishes a version with rows of each kind, each time another."""
    other, numbers = home.again(), iter(range(1, 1000))

    def publish() -> None:
        n = next(numbers)
        other.judge({MONDAY: [n]}, bad={MONDAY: [-n]}, repeated={MONDAY: [n]})

    publish()
    return publish


def rejected_of_the_version(tables: dict[TableId, LakeTable]) -> list[int]:
    """How many rows of each kind are those that the published version rejected."""
    version = versions(files_by_partition(tables[SALES]))
    beside = [tables[SALES.sibling(layer)] for layer in REJECTED_LAYERS.values()]
    return [len(files_of_attempts(table, version).get(MONDAY, ())) for table in beside]


def test_rejected_rows_are_there_for_a_version_that_is_published_while_the_catalog_is_read(
    home: LakeHome,
) -> None:
    """Another version is published after each connection to the catalog."""
    publish, lock = publisher(home), threading.RLock()

    def after(*_: Any) -> None:
        with lock:
            publish()

    engine = home.lake.catalog.engine  # type: ignore[attr-defined]
    event.listen(engine, "checkin", after)
    found = tables_now(home.lake)
    event.remove(engine, "checkin", after)

    tables = {TableId.of(t.name()): t for t in loaded(home.lake, found)}
    assert rejected_of_the_version(tables) == [1, 1]
    assert home.lake.load(SALES).metadata_location != found[SALES]


def test_a_catalog_that_is_asked_table_by_table_tells_of_rejected_rows_last(home: LakeHome) -> None:
    publish = publisher(home)

    class AskedOneByOne(Lake):
        """As Glue is; another version is published after each answer."""

        def metadata_locations(self, tables):
            found = {}
            for table in tables:
                found |= super().metadata_locations([table])
                publish()
            return found

    lake = AskedOneByOne(home.lake.properties, home.lake.warehouse)

    tables = {TableId.of(t.name()): t for t in loaded(lake, tables_now(lake))}

    assert rejected_of_the_version(tables) == [1, 1]


def test_a_table_whose_metadata_was_deleted_by_later_writes_is_named(home: LakeHome) -> None:
    publish = publisher(home)
    found = tables_now(home.lake)
    for _ in range(12):
        publish()

    with pytest.raises(NotThere, match=r"sales: its metadata file was deleted by later writes"):
        loaded(home.lake, found)
