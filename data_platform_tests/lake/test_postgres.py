"""Commits, and the races of writers, with catalog and register on PostgreSQL as on SQLite."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from data_platform.databases.errors import LeaseLost
from data_platform.databases.fencing import fenced, held
from data_platform.databases.leases import HeldLease, Leases
from data_platform.databases.urls import with_driver
from data_platform.lake.catalog import open_catalog
from data_platform_tests.lake.writing.test_commit import (  # noqa: F401  pytest runs them here, too
    WRITERS,
    test_a_table_loaded_before_anothers_commit_conflicts_inside_the_commit,
    test_a_write_replaces_its_partitions_and_leaves_the_others,
    test_a_writer_on_an_older_base_conflicts_and_changes_nothing,
    test_a_year_and_another_day_written_at_once_both_commit,
    test_eight_processes_writing_different_partitions_all_commit,
    test_of_writers_of_one_partition_one_whole_version_is_left,
    test_the_old_rows_stay_readable_in_the_snapshot_before,
    test_writers_that_find_no_catalog_and_no_table_all_make_the_same,
)
from data_platform_tests.support.lake_home import SALES, LakeHome

pytestmark = pytest.mark.integration


@pytest.fixture
def home(tmp_path: Path, migrated_postgres_url: str) -> LakeHome:
    return LakeHome(tmp_path, database=migrated_postgres_url)


def test_a_catalog_that_is_opened_by_many_at_once_is_made_once(
    new_postgres_url: Callable[[], str],
) -> None:
    """PyIceberg looks whether its tables are there, and then makes them."""
    for _ in range(5):  # who is first differs
        properties = {"type": "sql", "uri": with_driver(new_postgres_url())}
        together = threading.Barrier(WRITERS)

        def look(_: int, properties=properties, together=together) -> list:
            together.wait()
            return open_catalog(properties).list_namespaces()

        with ThreadPoolExecutor(WRITERS) as pool:
            assert list(pool.map(look, range(WRITERS))) == [[]] * WRITERS


def test_the_catalog_refuses_the_commit_of_a_run_that_has_lost_its_lease(home: LakeHome) -> None:
    """PyIceberg's own statement is refused, however far the commit had come."""
    leases = Leases(home.database, term=60)
    lease = leases.take("run/a", "here")
    with held(lease), fenced("run/a"):
        table = home.make()
        with table.transaction() as transaction:
            transaction.set_properties({"written": "while it was held"})
        leases.withdraw([HeldLease("run/a", lease.epoch, "here")])
        with pytest.raises(LeaseLost), home.lake.load(SALES).transaction() as transaction:
            transaction.set_properties({"written": "after it was lost"})
        with pytest.raises(LeaseLost):
            home.lake.catalog.drop_table(SALES.identifier)

    assert home.again().lake.load(SALES).properties["written"] == "while it was held"
