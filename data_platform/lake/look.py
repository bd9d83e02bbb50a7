"""A cached view of the lake: each table is loaded once, however often it is asked for.

Planning many tables needs the files of each for itself and again for every table that reads it. A
look lives as long as one planning; the next one sees what was published since.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pyiceberg.manifest import DataFile

from data_platform.lake.catalog import Lake, LakeTable
from data_platform.lake.files import Files, files_by_partition
from data_platform.tables.identity import TableId


@dataclass(frozen=True)
class Look:
    """A cache of loaded tables and of the files in manifests, by path."""

    lake: Lake
    _tables: dict[TableId, LakeTable | None] = field(default_factory=dict, init=False, repr=False)
    _listed: dict[str, list[DataFile]] = field(default_factory=dict, init=False, repr=False)

    def find(self, table: TableId) -> LakeTable | None:
        """Like `Lake.find`; raises ForeignTable."""
        if table not in self._tables:
            self._tables[table] = self.lake.find(table)
        return self._tables[table]

    def files(
        self, table: TableId, keys: Iterable[str] | None = None, snapshot_id: int | None = None
    ) -> Files:
        """Like `files_by_partition`; empty for a table that was never written."""
        loaded = self.find(table)
        return files_by_partition(loaded, keys, snapshot_id, listed=self._listed) if loaded else {}
