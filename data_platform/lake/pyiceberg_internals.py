"""PyIceberg's private API: nothing else in the project uses it.

Its overwrite cannot be configured in which manifests it reads, how it arranges them, or what counts
as a conflict, and it makes its own file systems. The classes here have a public method for each
such step. The version is pinned in `pyproject.toml`, and a test compares everything used here with
it.
"""

from collections.abc import Callable
from typing import Literal

from pyarrow import fs
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO
from pyiceberg.manifest import ManifestFile
from pyiceberg.table import Table, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update import UpdatesAndRequirements, ValidatableTableRequirement
from pyiceberg.table.update.snapshot import ExpireSnapshots, _OverwriteFiles


class LeanTransaction(Transaction):
    """PyIceberg copies the whole metadata, with all snapshots, at each access; without updates no
    copy is needed."""

    @property
    def table_metadata(self) -> TableMetadata:
        return super().table_metadata if self._updates else self._table.metadata


class Overwrite(_OverwriteFiles):
    """PyIceberg's overwrite, some steps of which a subclass decides."""

    def may_list(self, manifest: ManifestFile) -> bool:
        """Whether a manifest may list one of the files to delete."""
        raise NotImplementedError

    def require_unchanged(self, table: Table) -> None:
        """Called if others committed since the transaction began; `table` is as it is now.

        Raises ValidationException if this must not be committed after them.
        """
        raise NotImplementedError

    def arranged(self, manifests: list[ManifestFile]) -> list[ManifestFile]:
        """The manifests that the snapshot lists, which hold the entries of these."""
        raise NotImplementedError

    def _validate_concurrency(self) -> None:
        window = self._commit_window
        if window is not None and not window.is_empty():
            self.require_unchanged(self._transaction._table)

    def _build_manifest_evaluator(self, spec_id: int) -> Callable[[ManifestFile], bool]:
        return self.may_list

    def _build_delete_files_partition_predicate(self) -> None:
        """Nothing to build: `may_list` decides."""

    def _process_manifests(self, manifests: list[ManifestFile]) -> list[ManifestFile]:
        return self.arranged(manifests)


class Unneeded(ValidatableTableRequirement):
    """Snapshots are there, and no tag or branch refers to them: PyIceberg removes a snapshot with
    those that were added since the table was loaded. Only a catalog that is asked here knows it."""

    type: Literal["data-platform-unneeded"] = "data-platform-unneeded"
    snapshots: set[int]

    def validate(self, base_metadata: TableMetadata | None) -> None:
        """Raises CommitFailedException."""
        there = {each.snapshot_id for each in base_metadata.snapshots} if base_metadata else set()
        named = base_metadata.refs.values() if base_metadata else ()
        if not self.snapshots <= there - {ref.snapshot_id for ref in named}:
            raise CommitFailedException("another writer has tagged or expired the same snapshots")


class Expiry(ExpireSnapshots):
    """PyIceberg's expiry, which is refused if a snapshot was tagged since the table was loaded."""

    def _commit(self) -> UpdatesAndRequirements:
        updates, requirements = super()._commit()
        unneeded = Unneeded(snapshots=self._snapshot_ids_to_expire)
        return updates, (*requirements, unneeded)  # type: ignore[return-value]  # not REST's own


class S3FileIO(PyArrowFileIO):
    """PyIceberg's files, those of S3 from a file system that a subclass gives."""

    def s3_filesystem(self) -> fs.FileSystem:
        """The file system of every bucket."""
        raise NotImplementedError

    def _initialize_s3_fs(self, netloc: str | None) -> fs.FileSystem:
        return self.s3_filesystem()


class SameFile(PyArrowFile):
    """The file of another object, for a subclass to read and write it in another way."""

    def __init__(self, file: PyArrowFile) -> None:
        super().__init__(file.location, file._path, file._filesystem, file._buffer_size)
