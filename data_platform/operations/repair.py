"""Roll tables back, and list what is stale, held back or quarantined.

Each function does its work when called and returns a value, which the command line prints.
"""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import dagster as dg

from data_platform.assets import Table
from data_platform.build.events import DATA_VERSION_TAG, Log, figures_of
from data_platform.build.held import held_now
from data_platform.build.inputs import changed_dimensions
from data_platform.build.planning import current_versions, plan, plan_all, plans
from data_platform.build.platform import Platform
from data_platform.build.table_checks import as_it_stands, held_as_told
from data_platform.build.tables import tables_written
from data_platform.lake.look import Look
from data_platform.lake.rejected import rejected_by
from data_platform.lake.upkeep.browse import as_python, keyed, rows
from data_platform.lake.upkeep.rollback import Rollback, plan_rollback
from data_platform.lake.writing.publish import published_as
from data_platform.landing.ledger.tables import digest_of
from data_platform.runs.instance import open_instance
from data_platform.storage.errors import LakeError
from data_platform.tables.columns import ATTEMPT
from data_platform.tables.identity import TableId
from data_platform.tables.outcomes import REASONS
from data_platform.telemetry.wording import counted


def declared(tables: Sequence[Table], table_id: TableId) -> Table:
    """The declared table with this id. Raises LakeError if no code declares it."""
    if table := next((table for table in tables if table.id == table_id), None):
        return table
    for each in tables:
        if table_id in tables_written(each).values():
            raise LakeError(
                f"{table_id} holds rows that {each.id} rejected, and is written with it; name "
                f"{each.id} instead"
            )
    names = ", ".join(str(table.id) for table in tables)
    raise LakeError(f"{table_id} is not a declared table; the declared ones are {names}")


def instance_of(platform: Platform) -> AbstractContextManager[dg.DagsterInstance]:
    """Dagster's instance in the same home; missing files are created."""
    return open_instance(platform.settings)


@dataclass(frozen=True)
class RolledBack:
    """The result of a rollback: the snapshot, the number of partitions and their rows, and how many
    partitions of which tables became stale. Zero partitions: nothing differed."""

    table_id: TableId
    to: int
    partitions: int = 0
    rows: int = 0
    stale: Mapping[str, int] = field(default_factory=dict)

    @property
    def lines(self) -> list[str]:
        """What was done, as lines to print."""
        if not self.partitions:
            return [f"{self.table_id}: nothing differs from snapshot {self.to}"]
        again = f"{counted(self.partitions, 'partition')} as in snapshot {self.to} again"
        return [
            f"{self.table_id}: {again}: {counted(self.rows, 'row')}",
            "they stay so until their inputs or the contract change, or they are built by hand",
            *(f"stale now: {name}, {counted(n, 'partition')}" for name, n in self.stale.items()),
        ]


def roll_back(
    platform: Platform,
    tables: Sequence[Table],
    table_id: TableId,
    *,
    to: int,
    partition: str | None,
) -> RolledBack:
    """Publish again what a table, or a partition, held in a snapshot, and record it in Dagster.

    Raises LakeError as `plan_rollback` does.
    """
    table = declared(tables, table_id)
    planned = plan_rollback(
        platform.lake, platform.builds, platform.storage, table_id, to=to, partition=partition
    )
    if planned is None:
        return RolledBack(table_id, to)
    versions = planned.versions
    snapshot = put_back(platform, table, planned)
    published = published_as(planned.table, planned.files, snapshot, versions)
    with instance_of(platform) as instance:
        log = Log(instance, table.key)
        log.materializations(
            dg.AssetMaterialization(
                asset_key=table.key,
                partition=key or None,
                description=f"rolled back to snapshot {to}",
                metadata={**figures_of(published[key]), "rolled_back_to": str(to)},
                tags={DATA_VERSION_TAG: version},
            )
            for key, version in versions.items()
        )
        now = plan(table, platform, list(versions), only_stale=True)
        log.findings(as_it_stands(table, platform, now, list(versions)))
    rows_then = sum(file.record_count for file in planned.files)
    stale = stale_by_table(platform, tables)
    return RolledBack(table_id, to, len(versions), rows_then, stale)


def put_back(platform: Platform, table: Table, planned: Rollback) -> int:
    """Publish a planned rollback; returns the id of the snapshot.

    The chosen versions are not rebuilt until something new arrives. They are recorded as up to date
    before the commit, so that no sensor sees them as stale in between.
    """
    versions, builds = planned.versions, platform.builds
    inputs, dimensions = _inputs(table, platform, versions)
    why = f"rolled back to {planned.to}"
    builds.accept(table.id, versions, inputs, table.version, why, dimensions=dimensions)
    snapshot = planned.apply()
    builds.commit(table.id, versions)
    return snapshot


def _inputs(
    table: Table, platform: Platform, keys: Collection[str]
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The inputs that a chosen version counts as built from: everything there is now, except
    pending objects; and the state of its dimensions."""
    if table.source is None:
        planned = plan(table, platform, keys, only_stale=False)
        return planned.digests, planned.dimensions
    found = platform.ledger.effective(table.source.name, keys)
    digests = {
        key: digest_of(entries, unread={e.id for e in entries if e.state == "pending"})
        for key, entries in found.items()
    }
    return digests, {}


def stale_partitions(platform: Platform, tables: Sequence[Table]) -> list[dict[str, str]]:
    """Every partition that a run would rebuild, and why."""
    found: list[dict[str, str]] = []

    def trouble(table: Table, why: str) -> None:
        found.append({"table": str(table.id), "partition": "", "why": f"cannot tell: {why}"})

    look = Look(platform.lake)
    for planned in plans(tables, platform, look, trouble=trouble, one=plan_all):
        table = planned.table
        for key, missing in planned.waiting.items():
            why = f"waits for {', '.join(map(str, missing))}, never published yet"
            found.append({"table": str(table.id), "partition": key, "why": why})
        for key, why in planned.expired.items():
            found.append({"table": str(table.id), "partition": key, "why": f"not built: {why}"})
        versions = planned.base
        published = platform.builds.of(table.id, versions)
        for key in planned.keys:
            build = published.get(key)
            why = "inputs changed"
            if build is None:
                why = "never built" if key not in versions else "built by an unknown run"
            elif build.contract != table.version:
                why = f"contract was {build.contract}, is {table.version}"
            elif dims := changed_dimensions(
                table, planned.inputs, build.dimensions, ("all", "latest")
            ):
                why = f"dimension {', '.join(str(table.inputs[name]) for name in dims)} changed"
            found.append({"table": str(table.id), "partition": key, "why": why})
    return found


def stale_by_table(platform: Platform, tables: Sequence[Table]) -> dict[str, int]:
    """How many partitions of each table a run would rebuild, sorted by table."""
    return dict(sorted(Counter(row["table"] for row in stale_partitions(platform, tables)).items()))


def held_partitions(platform: Platform, tables: Sequence[Table]) -> list[dict[str, object]]:
    """Every held back partition (see `held_now`): since when (UTC), why, and what releases it."""
    found: list[dict[str, object]] = []
    for table in tables:
        held = held_as_told(table, platform, held_now(table, platform))
        found += [
            {
                "table": str(table.id),
                "partition": key,
                "since": of.since.replace(tzinfo=dt.UTC) if of.since else None,
                "why": of.why,
                "released_by": of.way_out,
            }
            for key, of in sorted(held.items())
        ]
    return found


def released(platform: Platform, table_id: TableId, keys: Collection[str]) -> list[str]:
    """The partitions whose newest attempt was released although checks failed."""
    return [key for key, build in platform.builds.latest(table_id, keys).items() if build.released]


def quarantined(
    platform: Platform, table_id: TableId, *, partition: str | None, limit: int
) -> tuple[list[dict], list[dict]]:
    """The reasons with counts, and the rows, that a table rejected; `held_back` marks those of
    attempts that were not published."""
    loaded = rejected_by(platform.lake, table_id, "quarantine")
    if loaded is None:
        judged = table_id.sibling("silver")
        elsewhere = rejected_by(platform.lake, judged, "quarantine")
        hint = f"; its rows are judged in {judged}" if elsewhere else ""
        raise LakeError(f"{table_id} has no quarantine: none of its rules rejects rows{hint}")
    found = as_python(rows(loaded, partition=partition).read_all())
    live = current_versions(platform, table_id, None)
    held = [live.get(key) != row[ATTEMPT] for key, row in keyed(loaded, found)]
    counts: Counter = Counter()
    for row, row["held_back"] in zip(found, held, strict=True):
        for reason in row[REASONS]:
            counts[(reason, row["held_back"])] += 1
    reasons = [
        {"reason": reason, "rows": count, "held_back": held}
        for (reason, held), count in counts.most_common()
    ]
    return reasons, found[:limit]
