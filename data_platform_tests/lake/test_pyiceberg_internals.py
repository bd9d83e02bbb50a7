"""What `pyiceberg_internals` relies on is in the installed PyIceberg."""

from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog.memory import InMemoryCatalog
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO
from pyiceberg.schema import Schema
from pyiceberg.table import Table, Transaction
from pyiceberg.table.update import ValidatableTableRequirement
from pyiceberg.table.update.snapshot import CommitWindow, ExpireSnapshots, _OverwriteFiles
from pyiceberg.types import LongType, NestedField

from data_platform_tests.support.upstream import is_pinned, parameters

_CALLED: list[tuple[Any, str]] = [
    (PyArrowFile, "location, path, fs, buffer_size="),
    (PyArrowFileIO._initialize_s3_fs, "self, netloc"),
    (Transaction, "table, autocommit="),
    (
        _OverwriteFiles,
        "operation, transaction, io, commit_uuid=, snapshot_properties=, branch=",
    ),
    (_OverwriteFiles._validate_concurrency, "self"),
    (_OverwriteFiles._build_manifest_evaluator, "self, spec_id"),
    (_OverwriteFiles._build_delete_files_partition_predicate, "self"),
    (_OverwriteFiles._process_manifests, "self, manifests"),
    (_OverwriteFiles.fetch_manifest_entry, "self, manifest, discard_deleted="),
    (_OverwriteFiles.new_manifest_writer, "self, spec"),
    (CommitWindow.is_empty, "self"),
    (ExpireSnapshots._commit, "self"),
    (ValidatableTableRequirement.validate, "self, base_metadata"),
]


@pytest.fixture
def a_table(tmp_path: Path) -> Table:
    catalog = InMemoryCatalog("one", warehouse=str(tmp_path))
    catalog.create_namespace("shop")
    return catalog.create_table("shop.sales", Schema(NestedField(1, "n", LongType())))


def test_the_version_is_the_one_that_is_pinned() -> None:
    assert is_pinned("pyiceberg")


@pytest.mark.parametrize(
    ("function", "wanted"), _CALLED, ids=lambda each: getattr(each, "__qualname__", "")
)
def test_what_is_called_or_replaced_takes_the_same_arguments(function: Any, wanted: str) -> None:
    assert parameters(function) == wanted


def test_a_transaction_has_its_updates_and_its_table(a_table: Table) -> None:
    transaction = Transaction(a_table)

    assert not transaction._updates
    assert transaction._table is a_table


def test_an_overwrite_has_its_transaction_and_its_window(a_table: Table) -> None:
    overwrite = a_table.transaction().update_snapshot().overwrite()

    assert isinstance(overwrite, _OverwriteFiles)
    assert overwrite._commit_window is None
    assert overwrite._transaction._table is a_table


def test_a_file_has_its_path_its_file_system_and_the_size_of_its_buffer() -> None:
    file = PyArrowFileIO().new_input("/a/file")

    assert (file._path, file._buffer_size) == ("/a/file", 1024 * 1024)
    assert file._filesystem.type_name == "local"
