"""Build partitions of one table on request: select them, estimate the cost, run."""

import datetime as dt
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import dagster as dg

from data_platform.assets import Table
from data_platform.build.kinds import landed
from data_platform.build.planning import Plan, plan, plan_due, require_buildable
from data_platform.build.platform import Platform
from data_platform.lake.errors import NotThere
from data_platform.lake.past_runs import partitions_by_run
from data_platform.landing.ledger.reads import Unrecorded
from data_platform.operations.repair import instance_of
from data_platform.runs.arrivals import list_landed, record_arrivals
from data_platform.runs.in_process import Ran, driving_idle, run_one
from data_platform.runs.requests import job_name, range_tags
from data_platform.runs.scope import Scope
from data_platform.runs.stopping import Stop
from data_platform.runs.tags import ONLY_PARTITIONS
from data_platform.tables.identity import WHOLE_TABLE

_PAST_RUNS = 20  # the newest runs that an estimate considers


@dataclass(frozen=True)
class Cost:
    """The cost of a build: bytes of its inputs on disk, and seconds of its step, as in the past run
    that built a similar number of partitions (`like`); None if no run of the table is known."""

    input_bytes: int
    seconds: float | None = None
    like: int = 0


def keys_of(table: Table, partition: str | None, span: tuple[str, str] | None) -> list[str] | None:
    """The named partitions: one, or a range including both ends; None if none is named. Raises
    NotThere for a partition that the table does not have."""
    if partition is None and span is None:
        return None if table.partitions else [WHOLE_TABLE]
    if table.partitions is None:
        raise NotThere(f"{table.id} has no partitions; leave --partition and --range out")
    named = [partition] if partition is not None else list(span or ())
    for key in named:
        if not table.partitions.has_partition_key(key):
            raise NotThere(f"{key!r} is not a partition of {table.id}, whose {_there(table)}")
    if len(named) == 1:
        return named
    keys = list(table.partitions.get_partition_keys())
    first, last = map(keys.index, named)
    if first > last:
        raise NotThere(f"the range {named[0]}..{named[1]} of {table.id} ends before it begins")
    return keys[first : last + 1]


def _there(table: Table) -> str:
    assert table.partitions is not None
    keys = table.partitions.get_partition_keys()
    return f"partitions are {keys[0]} to {keys[-1]}" if keys else "partitions are none yet"


def planned(platform: Platform, table: Table, named: Sequence[str] | None) -> Plan:
    """What to build: the `named` partitions that have input, stale or not; without names, the
    table's stale partitions. Raises LakeError as `require_buildable` does."""
    if named is None:
        return plan_due(table, platform)
    return require_buildable(plan(table, platform, named, only_stale=False))


def unrecorded(platform: Platform, tables: Sequence[Table]) -> Unrecorded:
    """The landed objects that are not in the ledger yet. Lists the landing bucket, records
    nothing."""
    sources, bucket = [table.source for table in landed(tables)], platform.bucket
    if not sources or not platform.takes_arrivals:
        return {}
    return platform.ledger.unrecorded(bucket.list(), bucket, sources, dt.datetime.now(dt.UTC))


def with_unrecorded(to_build: Plan, new: Unrecorded, named: Sequence[str] | None) -> Plan:
    """The plan plus the partitions (only `named` ones, if given) that objects not yet in the ledger
    make due. For estimates only: it lacks the digests of their inputs."""
    table = to_build.table
    if not table.source or not table.partitions:
        return to_build
    found = {key for source, key in new if source == table.source.name}
    due = {*to_build.keys, *(found if named is None else found.intersection(named))}
    keys = tuple(key for key in table.partitions.get_partition_keys() if key in due)
    return replace(to_build, keys=keys)


def cost(platform: Platform, to_build: Plan, new: Unrecorded) -> Cost:
    """The cost of the plan. Reads metadata, the register of builds and Dagster's runs."""
    table = to_build.table
    found = _input_bytes(platform, table, to_build, new)
    past = _past_runs(platform, table) if to_build.keys else []
    if not past:
        return Cost(found)
    like, seconds = nearest(past, len(to_build.keys))
    return Cost(found, seconds * max(1, len(to_build.keys) / like), like)


def nearest(past: Iterable[tuple[int, float]], partitions: int) -> tuple[int, float]:
    """The past run (partitions, seconds) whose number of partitions is closest in proportion. Runs
    have a fixed cost, so a day takes more than 1/365 of a year."""
    return min(past, key=lambda run: abs(math.log(run[0] / partitions)))


def _input_bytes(platform: Platform, table: Table, to_build: Plan, new: Unrecorded) -> int:
    if table.source:
        source = table.source.name
        sizes = {
            entry.key: entry.size
            for entries in platform.ledger.effective(source, to_build.keys).values()
            for entry in entries
        }
        for key in to_build.keys:
            sizes |= new.get((source, key), {})
        return sum(sizes.values())
    return sum(
        file.file_size_in_bytes
        for name, chosen in to_build.inputs.items()
        for key in {read for key in to_build.keys for read in to_build.reads[name][key]}
        for file in chosen.files[key]
    )


def _past_runs(platform: Platform, table: Table) -> list[tuple[int, float]]:
    """Partitions and seconds of the table's step in the newest runs that published any of it; in
    Dagster the step has failed if others were held back."""
    runs = partitions_by_run(platform.builds, table.id, most=_PAST_RUNS)
    step = table.key.to_python_identifier()
    found = []
    with instance_of(platform) as instance:
        for run, partitions in runs.items():
            for stats in instance.get_run_step_stats(run, [step]):
                if stats.start_time and stats.end_time:
                    found.append((partitions, stats.end_time - stats.start_time))
    return found


def record_landed(platform: Platform, tables: Sequence[Table]) -> None:
    """Record everything in the landing bucket in the ledger."""
    bronze, now = landed(tables), dt.datetime.now(dt.UTC)
    list_landed(platform, bronze, now)
    record_arrivals(platform, bronze, now, listed=True, redeclared=True)


def build_named(
    definitions: dg.Definitions,
    scope: Scope,
    table: Table,
    named: Sequence[str] | None,
    *,
    stop: Stop | None = None,
    waiting: Callable[[], None] = lambda: None,
) -> tuple[Plan, Ran | None]:
    """Build partitions in one run in this process; returns the plan, and the run if there was
    anything to build.

    For a bronze table, what landed is recorded first. Calls `waiting` if it has to wait for another
    driver of the home. Raises TablesBusy if another run builds one of the tables.
    """
    with driving_idle(scope, waiting=waiting):
        if table.source:
            record_landed(scope.platform, scope.tables)
        to_build = planned(scope.platform, table, named)
        if not to_build.keys:
            return to_build, None
        keys = to_build.keys
        tags = {**range_tags(keys, table.partitions), ONLY_PARTITIONS: json.dumps(keys)}
        request = dg.RunRequest(job_name=job_name(table), tags=tags if table.partitions else {})
        return to_build, run_one(definitions, scope, request, only=table.key, stop=stop)
