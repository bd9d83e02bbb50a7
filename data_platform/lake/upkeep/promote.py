"""Promotion: production's table gets partitions of an environment's, by reference to their files.

The files stay where they are. Their entries are made anew from the files themselves, so what is
promoted is known to be whole. Readers find a column in a file by its number, so both tables must
have given it the same one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

from pyiceberg.manifest import DataFile
from pyiceberg.schema import index_by_name
from pyiceberg.table import Table

from data_platform.lake.builds import Build
from data_platform.lake.catalog import Lake
from data_platform.lake.files import (
    Files,
    StagedFile,
    attempt_of,
    data_files,
    files_by_partition,
    some,
)
from data_platform.lake.rejected import REJECTED_LAYERS, files_of_attempts, rejected_by
from data_platform.lake.writing.commit import replace_with_rejected
from data_platform.lake.writing.publish import CONTRACT, Published, published_as
from data_platform.storage.errors import LakeError
from data_platform.tables.identity import TableId
from data_platform.tables.outcomes import DATA, Outcome

PROMOTED_FROM = "data_platform.promoted-from"  # property of a snapshot: the environment


@dataclass(frozen=True)
class Promotion:
    """Versions of partitions to be published in `table`, their files and those of the rows that
    they reject; `base` are the versions that they replace."""

    table: Table
    builds: Mapping[str, Build]
    base: Mapping[str, str]
    files: list[DataFile]
    beside: list[tuple[Table, list[DataFile]]]

    def apply(self, name: str) -> int:
        """Publish them, as promoted from the environment `name`, in one commit; returns the id of
        its snapshot. Raises PartitionConflict if another writer was first."""
        contracts = {build.contract for build in self.builds.values()}
        return replace_with_rejected(
            self.table,
            self.beside,
            keys=self.builds,
            add=self.files,
            base=self.base,
            properties={
                "data_platform.run": f"promotion of {name}",
                PROMOTED_FROM: name,
                CONTRACT: ", ".join(sorted(contracts)),
            },
        )


def plan_promotion(
    inner: Lake,
    into: Mapping[Outcome, Table],
    table_id: TableId,
    builds: Mapping[str, Build],
    base: Mapping[str, str],
) -> Promotion:
    """The promotion of these builds, by partition, from the lake of an environment to production's
    tables `into`.

    Raises LakeError if a file of them is not whole, if the environment has published another
    version since, or lost rows that they rejected, or if its columns have other ids.
    """
    attempts = {key: build.attempt for key, build in builds.items()}
    there = inner.load(table_id)
    _require_ids(there, into[DATA])
    live = files_by_partition(there, attempts)
    for key, attempt in attempts.items():
        if any(attempt_of(file.file_path) != attempt for file in live.get(key, ())):
            raise LakeError(
                f"{table_id} {key} was published again in the environment while it was being "
                "promoted; promote it again when nothing builds it"
            )
    beside = []
    for outcome, layer in REJECTED_LAYERS.items():
        if outcome in into:
            rejecting = rejected_by(inner, table_id, layer)
            if rejecting:
                _require_ids(rejecting, into[outcome])
            found = files_of_attempts(rejecting, attempts) if rejecting else {}
            for key, build in builds.items():
                _require_rows(table_id.sibling(layer), key, found, build.rejected[layer])
            beside.append((into[outcome], data_files(into[outcome], _as_staged(found))))
    return Promotion(into[DATA], builds, base, data_files(into[DATA], _as_staged(live)), beside)


def promoted(lake: Lake, table_id: TableId, keys: Iterable[str]) -> dict[str, Published]:
    """What production's table holds of partitions that were promoted."""
    table, keys = lake.load(table_id), list(keys)
    current = table.current_snapshot()
    files = chain.from_iterable(files_by_partition(table, keys).values())
    return published_as(table, files, current.snapshot_id, keys) if current else {}


def _require_ids(there: Table, here: Table) -> None:
    """Raises LakeError unless each column of the environment's table has the same id `here`."""
    ids = index_by_name(here.schema())
    other = [name for name, id in index_by_name(there.schema()).items() if ids.get(name) != id]
    if other:
        raise LakeError(
            f"{TableId.of(here.name())}: the environment numbers the columns {some(other)} "
            "otherwise than production, so its files would be read as other columns; build the "
            "table in production with `data-platform run`"
        )


def _as_staged(files: Files) -> Iterable[StagedFile]:
    for key, group in files.items():
        for file in group:
            yield StagedFile(key, file.file_path, file.record_count, file.file_size_in_bytes)


def _require_rows(rejecting: TableId, key: str, files: Files, rows: int) -> None:
    there = sum(file.record_count for file in files.get(key, ()))
    if there != rows:
        raise LakeError(
            f"{rejecting} has {there} of the {rows} rows that {key} rejected in the environment; "
            "build the partition in it again, and promote it then"
        )
