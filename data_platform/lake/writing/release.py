"""Publishing a held back attempt at a partition as it is, by a person's decision.

The attempt's files are staged and recorded. Its rejected rows are already in the quarantine and the
duplicates, beside those of the published version, which are replaced together with it.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from data_platform.lake.builds import Build, Builds
from data_platform.lake.catalog import Lake
from data_platform.lake.files import (
    StagedFile,
    attempt_of,
    data_files,
    files_by_partition,
    versions,
)
from data_platform.lake.origin import origin
from data_platform.lake.rejected import REJECTED_LAYERS, rejected_by
from data_platform.lake.writing.commit import replace_partitions, require_base
from data_platform.lake.writing.publish import ATTEMPT, CONTRACT, Published
from data_platform.storage.errors import LakeError
from data_platform.storage.files import Storage
from data_platform.tables.identity import TableId

RELEASED = "data_platform.released"  # property of a snapshot: who released it, and why


class NotReleasable(LakeError):
    """A partition that is not held back, or cannot be published as it was staged."""


@dataclass(frozen=True)
class Release:
    """A held back attempt that can be published: its files, and those of its rejected rows that
    belong to no other attempt. `base` is the version that it replaces."""

    table: Table
    build: Build
    base: Mapping[str, str]
    files: list[DataFile]
    beside: list[Table]

    def apply(self, builds: Builds, by: str) -> Published:
        """Publish it; `by` says who does so and why. Raises PartitionConflict if another writer was
        first.

        It is recorded first: if this process dies before the commit, the partition counts as stale
        and is judged again.
        """
        key, build = self.build.partition, self.build
        live = files_by_partition(self.table.refresh(), [key])
        require_base(self.table, self.base, live, [key])
        builds.release(build, by)
        properties = {RELEASED: by, ATTEMPT: build.attempt, CONTRACT: build.contract}
        for table in self.beside:
            replace_partitions(
                table,
                keys=[key],
                add=[],
                base=None,
                properties=properties,
                keep=lambda _, file: attempt_of(file.file_path) == build.attempt,
            )
        snapshot = replace_partitions(
            self.table,
            keys=[key],
            add=self.files,
            base=self.base,
            properties={
                **properties,
                **origin(build.run_id),
                "data_platform.partitions": "1",
            },
        )
        builds.commit(TableId.parse(build.table_id), {key: build.attempt})
        return Published(
            snapshot,
            sum(file.record_count for file in self.files),
            len(self.files),
            sum(file.file_size_in_bytes for file in self.files),
        )


def plan_release(
    lake: Lake, builds: Builds, storage: Storage, table_id: TableId, partition: str
) -> Release:
    """The release of a partition's newest attempt, which its checks held back.

    Raises NotReleasable if it is not held back, or if its files or rejected rows have changed.
    """
    build = builds.latest(table_id, [partition]).get(partition)
    name = f"{table_id} {partition}".rstrip()
    if build is None:
        raise NotReleasable(f"{name} is not held back: it was never built")
    if build.state != "held_back":
        raise NotReleasable(f"{name} is not held back: its newest attempt was published")
    table = lake.load(table_id)
    staged = [StagedFile(partition, *file) for file in build.staged]
    _require_files(storage, build, staged)
    beside = []
    for layer in REJECTED_LAYERS.values():
        if rejecting := rejected_by(lake, table_id, layer):
            live = files_by_partition(rejecting, [partition]).get(partition, [])
            own = [file for file in live if attempt_of(file.file_path) == build.attempt]
            rows = sum(file.record_count for file in own)
            if rows != build.rejected[layer]:
                raise NotReleasable(
                    f"{name}: {'.'.join(rejecting.name())} has {rows} of the "
                    f"{build.rejected[layer]} rows that the attempt rejected; materialize the "
                    "partition in Dagster: it is judged again as it was, and can be released then"
                )
            if len(own) < len(live):
                beside.append(rejecting)
    base = versions(files_by_partition(table, [partition]))
    return Release(table, build, base, data_files(table, staged), beside)


def _require_files(storage: Storage, build: Build, staged: list[StagedFile]) -> None:
    name = f"{build.table_id} {build.partition}".rstrip()
    if not staged:
        raise NotReleasable(
            f"{name}: the attempt that was held back made no rows, so there is nothing to publish; "
            "land a file that can be read in place of those that could not, and "
            "`data-platform run` builds it"
        )
    sizes = storage.sizes([file.path for file in staged])
    gone = [file.path for file, size in zip(staged, sizes, strict=True) if size != file.bytes]
    if gone or sum(file.rows for file in staged) != build.rows:
        of = f" --partition {shlex.quote(build.partition)}" if build.partition else ""
        raise NotReleasable(
            f"{name}: {len(gone)} of the {len(staged)} files that the held back attempt staged are "
            f"not there any more, or not whole ({', '.join(gone[:1])}); "
            f"`data-platform quarantine replay {build.table_id}{of}` judges the same input again "
            "and stages it anew: repeat the release then"
        )
