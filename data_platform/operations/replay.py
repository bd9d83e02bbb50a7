"""Judge quarantined rows again: `data-platform quarantine replay`. Planned, then applied."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dagster as dg

from data_platform.assets import Table
from data_platform.build.platform import Platform
from data_platform.lake.files import files_by_partition
from data_platform.operations.repair import declared, quarantined, released
from data_platform.runs.in_process import Ran, driving_idle, run_one, run_until_quiet
from data_platform.runs.requests import job_name, range_tags
from data_platform.runs.scope import Scope
from data_platform.runs.stopping import Stop
from data_platform.runs.tags import ONLY_PARTITIONS
from data_platform.tables.identity import TableId
from data_platform.telemetry.wording import counted


@dataclass(frozen=True)
class Replay:
    """Which partitions are judged again: those with quarantined rows, or the named one.

    Without a name, `released` ones are left out: they were published although checks failed.
    """

    table: Table
    partition: str | None
    keys: tuple[str, ...]
    released: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """What will be done, as lines to print."""
        name = self.table.id
        found = [
            f"{name} {key} was released and stays so, unless --partition names it"
            for key in self.released
        ]
        if self.keys:
            again = counted(len(self.keys), "partition")
            return [*found, f"{name}: judging {again} again, then what is stale is built"]
        return found or [f"{name}: nothing is quarantined"]


@dataclass(frozen=True)
class Replayed:
    """The runs of a replay, and what is still quarantined: reason, rows, whether `held_back`."""

    runs: Sequence[Ran]
    left: Sequence[dict]

    @property
    def lines(self) -> list[str]:
        """What is still quarantined, as lines to print."""
        return [
            f"still quarantined: {counted(row['rows'], 'row')} for {row['reason']}"
            + (" (held back)" if row["held_back"] else "")
            for row in self.left
        ]


def plan_replay(
    platform: Platform, tables: Sequence[Table], table_id: TableId, *, partition: str | None
) -> Replay:
    """What a replay builds. Raises LakeError for a table without a quarantine."""
    table = declared(tables, table_id)
    quarantined(platform, table_id, partition=partition, limit=0)  # raises without a quarantine
    rejected = files_by_partition(platform.lake.load(table_id.sibling("quarantine")))
    keys = tuple(sorted(key for key in rejected if partition in (None, key)))
    left = tuple(released(platform, table_id, keys)) if partition is None and keys else ()
    return Replay(table, partition, tuple(key for key in keys if key not in left), left)


def apply_replay(
    definitions: dg.Definitions,
    scope: Scope,
    planned: Replay,
    *,
    ended: Callable[[Ran], object] = lambda ran: None,
    stop: Stop | None = None,
) -> Replayed:
    """Rebuild the planned partitions from the rows as received, then what became stale.

    A partition is published whole, so its other rows are judged by the present contract too.
    Calls `ended` with each run as it ends. Raises TablesBusy if a run builds these tables.
    """
    if not planned.keys:
        return Replayed([], [])
    table, keys, runs = planned.table, planned.keys, list[Ran]()

    def add(ran: Ran) -> None:
        runs.append(ran)
        ended(ran)

    tags = {**range_tags(keys, table.partitions), ONLY_PARTITIONS: json.dumps(list(keys))}
    request = dg.RunRequest(job_name=job_name(table), tags=tags if keys[0] else {})
    with driving_idle(scope):
        add(run_one(definitions, scope, request, only=table.key, stop=stop))
    if not (stop and stop.asked):
        for ran in run_until_quiet(definitions, scope, stop=stop):
            add(ran)
    left, _ = quarantined(scope.platform, table.id, partition=planned.partition, limit=0)
    return Replayed(runs, left)
