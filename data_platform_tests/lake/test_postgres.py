"""Commits, and the races of writers, with catalog and register on PostgreSQL as on SQLite."""

from pathlib import Path

import pytest

from data_platform_tests.lake.home import Home
from data_platform_tests.lake.test_commit import (  # noqa: F401  pytest runs them here, too
    test_a_table_loaded_before_anothers_commit_conflicts_inside_the_commit,
    test_a_write_replaces_its_partitions_and_leaves_the_others,
    test_a_writer_on_an_older_base_conflicts_and_changes_nothing,
    test_a_year_and_another_day_written_at_once_both_commit,
    test_eight_processes_writing_different_partitions_all_commit,
    test_of_writers_of_one_partition_one_whole_version_is_left,
    test_the_old_rows_stay_readable_in_the_snapshot_before,
    test_writers_that_find_no_catalog_and_no_table_all_make_the_same,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def home(tmp_path: Path, postgres_url: str) -> Home:
    return Home(tmp_path, database=postgres_url)
