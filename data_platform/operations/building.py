"""Building partitions of one table on request: which ones, at what cost, and the run itself."""

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

_PAST_RUNS = 20  # newest ones that an estimate looks at


@dataclass(frozen=True)
class Cost:
    """What building takes: bytes of its inputs on disk, and the seconds of its step, by the past
    run that built about as many partitions (`like`); None where no run of the table is known."""

    input_bytes: int
    seconds: float | None = None
    like: int = 0


def keys_of(table: Table, partition: str | None, span: tuple[str, str] | None) -> list[str] | None:
    """The partitions that a person names, one or all of a range, both ends included; None where
    none is named. NotThere for a partition that the table does not have."""
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
    """What to build: of the partitions that are `named` those with input, stale or not; what is
    stale of the table where none is. Raises LakeError as `require_buildable`."""
    if named is None:
        return plan_due(table, platform)
    return require_buildable(plan(table, platform, named, only_stale=False))


def unrecorded(platform: Platform, tables: Sequence[Table]) -> Unrecorded:
    """What landed and is not in the ledger yet. Lists the landing place and records nothing."""
    sources, bucket = [table.source for table in landed(tables)], platform.bucket
    if not sources:
        return {}
    return platform.ledger.unrecorded(bucket.list(), bucket, sources, dt.datetime.now(dt.UTC))


def with_unrecorded(to_build: Plan, new: Unrecorded, named: Sequence[str] | None) -> Plan:
    """The plan with the partitions, of those `named` where any are, that files make due which are
    not in the ledger yet. To estimate only: it lacks the digests of their inputs."""
    table = to_build.table
    if not table.source or not table.partitions:
        return to_build
    found = {key for source, key in new if source == table.source.name}
    due = {*to_build.keys, *(found if named is None else found.intersection(named))}
    keys = tuple(key for key in table.partitions.get_partition_keys() if key in due)
    return replace(to_build, keys=keys)


def cost(platform: Platform, to_build: Plan, new: Unrecorded) -> Cost:
    """What the plan would take. Reads metadata, the register and Dagster's record."""
    table = to_build.table
    found = _input_bytes(platform, table, to_build, new)
    past = _past_runs(platform, table) if to_build.keys else []
    if not past:
        return Cost(found)
    like, seconds = nearest(past, len(to_build.keys))
    return Cost(found, seconds * max(1, len(to_build.keys) / like), like)


def nearest(past: Iterable[tuple[int, float]], partitions: int) -> tuple[int, float]:
    """Of past runs, by partitions and seconds, the one whose number of partitions is of the same
    order: a run has costs of its own, so that one of a day is no 365th of a year's."""
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
    """Partitions and seconds of the table's step in the newest runs that published any of it; where
    others were held back, Dagster has the step as failed."""
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
    """Enter in the ledger all that is in the landing place."""
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
    """Build them in one run of this process; the plan, and the run where there is anything to do.

    Of a bronze table, what landed is recorded first. Calls `waiting` where another driver of the
    home has to end first. Raises TablesBusy where another run builds one of the tables.
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
