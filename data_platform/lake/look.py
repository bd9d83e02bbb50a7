"""One look at the lake: tables as they are found first, whoever asks how often.

Whoever plans many tables asks for the files of each for itself, and again for every table that
reads it. What belongs here is what a single look saves; a look is held by who plans, and ends with
it: the next one finds what was published since.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pyiceberg.manifest import DataFile

from data_platform.lake.catalog import Lake, LakeTable
from data_platform.lake.files import Files, files_by_partition
from data_platform.tables.identity import TableId


@dataclass(frozen=True)
class Look:
    """The tables that were asked for, and the files of the manifests that were read, by path."""

    lake: Lake
    _tables: dict[TableId, LakeTable | None] = field(default_factory=dict, init=False, repr=False)
    _listed: dict[str, list[DataFile]] = field(default_factory=dict, init=False, repr=False)

    def find(self, table: TableId) -> LakeTable | None:
        """As `Lake.find`, which raises ForeignTable."""
        if table not in self._tables:
            self._tables[table] = self.lake.find(table)
        return self._tables[table]

    def files(
        self, table: TableId, keys: Iterable[str] | None = None, snapshot_id: int | None = None
    ) -> Files:
        """As `files_by_partition`; none of a table that was never written."""
        loaded = self.find(table)
        return files_by_partition(loaded, keys, snapshot_id, listed=self._listed) if loaded else {}
