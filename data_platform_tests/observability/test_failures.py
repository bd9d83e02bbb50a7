import errno
import os

import dagster as dg
import pytest

from data_platform.databases.errors import DatabaseTooNew, DatabaseUnavailable
from data_platform.lake.errors import PartitionConflict, SchemaConflict
from data_platform.observability.failures import explanation, failures_explained


@pytest.mark.parametrize(
    "error",
    [PartitionConflict("first"), DatabaseUnavailable("locked"), OSError()],
)
def test_only_what_time_may_heal_is_tried_again(error):
    wanted = OSError if type(error) is OSError else dg.RetryRequested
    with pytest.raises(wanted), failures_explained():
        raise error


@pytest.mark.parametrize("kind", [SchemaConflict, DatabaseTooNew])
def test_an_error_that_says_the_way_out_is_the_runs_message(kind):
    with pytest.raises(dg.Failure) as failed, failures_explained():
        raise kind("column n was removed")
    assert failed.value.description == "column n was removed"
    assert not failed.value.allow_retries


@pytest.mark.parametrize(
    ("code", "way_out"),
    [(errno.ENOSPC, "free some space"), (errno.EROFS, "make the place writable")],
)
def test_a_place_that_cannot_be_written_is_named_with_the_way_out(code, way_out):
    with pytest.raises(dg.Failure) as failed, failures_explained():
        raise OSError(code, os.strerror(code), "/warehouse/a.parquet")
    assert os.strerror(code) in str(failed.value.description)
    assert "/warehouse/a.parquet" in str(failed.value.description)
    assert way_out in str(failed.value.description)


def test_of_a_tasks_stack_trace_the_line_that_matters_is_kept():
    trace = (
        "An exception was thrown from the Python worker.\n"
        '  File "parquet.py", line 1, in write\n'
        "OSError: [Errno 28] Error writing bytes to file. Detail: No space left on device\n\n"
    )
    found = explanation(trace)
    assert found and found.startswith("OSError: [Errno 28] Error writing")


def test_a_damaged_file_is_named_with_its_table_and_the_ways_out():
    path = "file:///home/warehouse/silver/shop/sales/data/3f2a-0/2011-03-07-1.parquet"
    found = explanation(
        "org.apache.spark.SparkException: [FAILED_READ_FILE.NO_HINT] Encountered error while "
        f"reading file {path}.  SQLSTATE: KD001\n\tat org.apache.spark..."
    )
    assert found and found.startswith(f"{path}, a data file of silver/shop/sales, cannot be read")
    assert "data-platform rollback silver/shop/sales" in found


def test_anything_else_keeps_its_stack_trace():
    with pytest.raises(ZeroDivisionError), failures_explained():
        raise ZeroDivisionError
