"""Publish a held back partition as it is, on request: `data-platform release`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from data_platform.assets import Table
from data_platform.build.events import DATA_VERSION_TAG, Log, figures_of
from data_platform.build.planning import plan
from data_platform.build.platform import Platform
from data_platform.build.table_checks import as_it_stands
from data_platform.lake.builds import Build
from data_platform.lake.writing.publish import Published
from data_platform.lake.writing.release import NotReleasable, plan_release
from data_platform.operations.repair import declared, instance_of, stale_by_table
from data_platform.quality.held import Held, releasable
from data_platform.tables.identity import TableId
from data_platform.telemetry.wording import counted


@dataclass(frozen=True)
class Released:
    """A partition that was released: its rows, what was recorded, and how many partitions of which
    tables became stale."""

    table_id: TableId
    partition: str
    rows: int
    recorded: str
    stale: Mapping[str, int]

    @property
    def lines(self) -> list[str]:
        """What was done, as lines to print."""
        name = f"{self.table_id} {self.partition}".rstrip()
        return [
            f"{name}: {counted(self.rows, 'row')} published, {self.recorded}",
            "it stays so until its inputs or the contract change",
            *(
                f"stale now: {table}, {counted(count, 'partition')}, which `data-platform run` "
                "builds"
                for table, count in self.stale.items()
            ),
        ]


def release(
    platform: Platform,
    tables: Sequence[Table],
    table_id: TableId,
    *,
    partition: str,
    by: str,
    reason: str,
) -> Released:
    """Publish the attempt that was held back, and record who did so and why.

    It stays until its inputs or the contract change. Raises NotReleasable, which says why and
    what to do, if it is not held back or would lose rows, if its inputs or the contract have
    changed since, or if its files are gone.
    """
    table = declared(tables, table_id)
    found = plan_release(platform.lake, platform.builds, platform.storage, table_id, partition)
    _require_releasable(platform, table, found.build)
    said = f"released by {by}: {reason}"
    published = found.apply(platform.builds, said)
    with instance_of(platform) as instance:
        _tell(Log(instance, table.key), platform, table, found.build, published, by, reason)
    return Released(table_id, partition, published.rows, said, stale_by_table(platform, tables))


def _require_releasable(platform: Platform, table: Table, build: Build) -> None:
    name = f"{table.id} {build.partition}".rstrip()
    now = plan(table, platform, [build.partition], only_stale=False)
    expired = now.expired.get(build.partition, "")
    if not releasable(build.failed):
        held = Held(table.id, build.partition, build.detail, build.failed, True, expired=expired)
        raise NotReleasable(f"{name} cannot be released, {build.detail}: {held.way_out}")
    if (build.inputs, build.contract) != (now.digests.get(build.partition), table.version):
        raise NotReleasable(
            f"{name}: its inputs or its contract have changed since it was held back; "
            + (expired or "`data-platform run` judges it again")
        )


def _tell(
    log: Log,
    platform: Platform,
    table: Table,
    build: Build,
    published: Published,
    by: str,
    reason: str,
) -> None:
    key = build.partition
    materialization = dg.AssetMaterialization(
        table.key,
        partition=key or None,
        description=f"released by {by}, though checks failed: {reason}",
        metadata={
            **figures_of(published),
            "attempt": build.attempt,
            "quarantined": build.quarantined,
            "duplicates": build.duplicates,
            "released_by": by,
            "reason": reason,
            "held_back_for": build.detail,
        },
        tags={DATA_VERSION_TAG: build.attempt},
    )
    log.materializations([materialization])
    planned = plan(table, platform, [key], only_stale=True)
    log.findings(as_it_stands(table, platform, planned, [key]))
