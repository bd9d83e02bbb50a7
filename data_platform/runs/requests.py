"""Run requests: a job, a range of its partitions, and all or some of its tables."""

from collections.abc import Sequence
from typing import TypeVar

import dagster as dg

from data_platform.assets import Table
from data_platform.runs.tags import ONLY_STALE, RANGE_END, RANGE_START

_T = TypeVar("_T", bound=Table)


def job_name(table: Table) -> str:
    """The job that builds a table: `retail_daily`; `retail` for tables without partitions."""
    match table.partitions:
        case dg.DailyPartitionsDefinition():
            kind = "_daily"
        case dg.MonthlyPartitionsDefinition():
            kind = "_monthly"
        case dg.HourlyPartitionsDefinition():
            kind = "_hourly"
        case dg.WeeklyPartitionsDefinition():
            kind = "_weekly"
        case None:
            kind = ""
        case _:
            kind = f"_{table.id.name}"  # partitions of its own
    return f"{table.id.domain}{kind}"


def tables_by_job(tables: Sequence[_T]) -> dict[str, list[_T]]:
    """The tables grouped by the name of their job, in the order given."""
    found: dict[str, list[_T]] = {}
    for table in tables:
        found.setdefault(job_name(table), []).append(table)
    return found


def run_request(
    job: str,
    keys: Sequence[str],
    *,
    run_key: str,
    only: Sequence[Table] | None = None,
    partitions: dg.PartitionsDefinition | None = None,
) -> dg.RunRequest:
    """One run for the range that covers `keys`, of all tables of the job or `only` some.

    `partitions` is the keys' definition, needed without `only`. The run builds what is stale in
    the range. Leave out tables with nothing to build: the UI shows the checks of a table's last
    run, and a run that builds nothing checks nothing.
    """
    definition = only[0].partitions if only else partitions
    return dg.RunRequest(
        run_key=run_key,
        job_name=job,
        tags={**range_tags(keys, definition), ONLY_STALE: "true"},
        asset_selection=[table.key for table in only] if only else None,
    )


def range_tags(keys: Sequence[str], partitions: dg.PartitionsDefinition | None) -> dict[str, str]:
    """The tags of a run over the range that covers `keys`; none for a table without partitions.

    The ends are first and last in the definition's order, which Dagster's ranges follow: in any
    other order the range would be empty.
    """
    first, last = _ends(keys, partitions)
    return {RANGE_START: first, RANGE_END: last} if first else {}


def _ends(keys: Sequence[str], partitions: dg.PartitionsDefinition | None) -> tuple[str, str]:
    match partitions:
        case None:
            return keys[0], keys[-1]
        case dg.MultiPartitionsDefinition():  # a range of each dimension
            given = [partitions.get_partition_key_from_str(key).keys_by_dimension for key in keys]
            ends = {
                dimension.name: _ends([g[dimension.name] for g in given], dimension.partitions_def)
                for dimension in partitions.partitions_defs
            }
            first, last = (dg.MultiPartitionKey({n: e[i] for n, e in ends.items()}) for i in (0, 1))
            return first, last
    wanted = set(keys)
    ordered = [key for key in partitions.get_partition_keys() if key in wanted]
    return ordered[0], ordered[-1]
