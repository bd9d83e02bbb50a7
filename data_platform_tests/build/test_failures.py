import errno
import inspect
import os
import re
from collections.abc import Callable

import dagster as dg
import pytest
from pyspark.errors import PySparkException
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from data_platform.build.failures import explanation, failures_explained
from data_platform.databases.errors import DatabaseTooNew, DatabaseUnavailable
from data_platform.lake.errors import PartitionConflict, SchemaConflict
from data_platform.telemetry.logs import OF_ERRORS, quiet_libraries


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


@pytest.mark.spark_only("Sail refuses a column when it is asked for columns, and names no line")
@pytest.mark.parametrize("column", [str, F.col])
def test_what_spark_refuses_of_a_function_is_told_once_with_its_line(
    spark: SparkSession, capfd: pytest.CaptureFixture[str], column: Callable[[str], str | Column]
) -> None:
    quiet_libraries()
    with pytest.raises(dg.Failure) as failed, failures_explained():
        spark.range(1).select(column("nope"))

    said = str(failed.value.description)
    assert re.match(r"\S+test_failures\.py:\d+: \[UNRESOLVED_COLUMN", said)
    assert "`nope` cannot be resolved" in said and "SQLSTATE" in said
    assert "Project" not in said  # the plan is in the cause
    assert "nope" not in capfd.readouterr().err


def test_the_loggers_that_spark_repeats_its_errors_in_are_there() -> None:
    source = inspect.getsource(PySparkException._log_exception)

    assert all(f'getLogger("{name}")' in source for name in OF_ERRORS)
