"""Find the runs that are due: for pending objects and for stale partitions."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import TypeVar

from data_platform.assets import Table
from data_platform.build.kinds import derived, landed
from data_platform.build.planning import Plan, plan_due, plans
from data_platform.build.platform import Platform
from data_platform.lake.look import Look
from data_platform.runs.arrivals import due_of_bronze
from data_platform.runs.requests import run_request, tables_by_job
from data_platform.runs.retry import DueRun, due, work_id
from data_platform.runs.scope import Scope
from data_platform.tables.identity import WHOLE_TABLE, TableId
from data_platform.telemetry.wording import counted

_T = TypeVar("_T", bound=Table)

Waiting = Mapping[str, Sequence[TableId]]
"""By partition, the unpublished tables that it waits for."""


def waiting_lines(found: Mapping[TableId, Waiting]) -> list[str]:
    """A line for each table with waiting partitions: what it waits for."""
    lines = []
    for table, waiting in found.items():
        if missing := sorted({str(each) for tables in waiting.values() for each in tables}):
            verb = "has" if len(missing) == 1 else "have"
            text = f"{table} waits for {' and '.join(missing)}, which {verb} not been published yet"
            some = set(waiting) != {WHOLE_TABLE}
            count = f" ({counted(len(waiting), 'partition')})" if some else ""
            lines.append(text + count)
    return lines


def unloaded(
    scope: Scope,
    *,
    trouble: Callable[[str], object],
    planned: Callable[[Plan], object] = lambda plan: None,
    reaches: Callable[[Table], bool] = lambda table: True,
) -> Iterator[DueRun]:
    """One run for each job with bronze partitions that are due, planned when the iterator comes to
    it. Nothing is written.

    No run may be building the tables: what a run reads still counts as pending.
    How often an object was tried is not part of the work's id, so retries of unreadable objects are
    delayed more and more, too. A table that cannot be planned is reported to `trouble` and skipped;
    for every other one, `planned` is called with its plan. Planning ends with the first table that
    `reaches` returns False for.
    """
    look = Look(scope.platform.lake)
    for name, group in tables_by_job(landed(scope.tables)).items():
        found = _planned(group, scope, look, trouble, planned, reaches, one=due_of_bronze)
        keys, work, works = _work("landed", name, found)
        if keys:
            request = run_request(name, keys, run_key=work, partitions=group[0].partitions)
            yield due(scope.instance, request, works)


def _planned(
    tables: Sequence[_T],
    scope: Scope,
    look: Look,
    trouble: Callable[[str], object],
    planned: Callable[[Plan], object],
    reaches: Callable[[Table], bool],
    *,
    one: Callable[[_T, Platform, Look], Plan],
) -> dict[TableId, Plan]:
    """The plans of a job's tables, as far as time reaches."""

    def told(table: Table, why: str) -> None:
        trouble(f"{table.id} is not built: {why}")

    found: dict[TableId, Plan] = {}
    for each in plans(takewhile(reaches, tables), scope.platform, look, trouble=told, one=one):
        planned(each)
        found[each.table.id] = each
    return found


def _work(
    kind: str, job: str, found: Mapping[TableId, Plan]
) -> tuple[list[str], str, dict[TableId, str]]:
    """The partitions that a job has to build, the id of its work, and those of its tables' work."""

    def work_of(name: str, parts: Mapping[str, str]) -> str:
        return work_id(kind, name, (f"{key} {parts[key]}" for key in sorted(parts)))

    parts = _parts(found.values())
    works = {
        table: work_of(str(table), _parts([each])) for table, each in found.items() if each.keys
    }
    return sorted(parts), work_of(job, parts), works


def _parts(planned: Iterable[Plan]) -> dict[str, str]:
    """By partition, what is to be built from what; unchanged as long as the work is the same."""
    parts: dict[str, str] = {}
    for found in planned:
        for key in found.keys:
            made_of = f"{found.table.id}{found.digests[key]}{found.table.version}"
            parts[key] = parts.get(key, "") + made_of + found.dimensions.get(key, "")
    return parts


def stale(
    scope: Scope,
    *,
    trouble: Callable[[str], object],
    among: Collection[TableId] | None = None,
    planned: Callable[[Plan], object] = lambda plan: None,
    reaches: Callable[[Table], bool] = lambda table: True,
) -> Iterator[DueRun]:
    """A run for each job with stale partitions, in the order of the tables.

    Run the first that is due, then ask again: what it publishes decides what is stale downstream.
    So a job is planned when the iterator comes to it. Nothing is written.

    A table that cannot be planned is reported to `trouble` and skipped; for every other one,
    `planned` is called with its plan. Those that are not `among` these tables, if given, are not
    planned. Planning ends with the first table that `reaches` returns False for: the run for its
    job then builds what is known to be due.
    """
    look = Look(scope.platform.lake)
    for name, group in tables_by_job(derived(scope.tables)).items():
        asked = [table for table in group if among is None or table.id in among]
        found = _planned(asked, scope, look, trouble, planned, reaches, one=plan_due)
        keys, work, works = _work("stale", name, found)
        if keys:
            unplanned = {table.id for table in asked} - found.keys()
            selected = _selected([table for table in group if table.id not in unplanned], found)
            request = run_request(name, keys, run_key=work, only=selected)
            yield due(scope.instance, request, works)


def _selected(tables: Sequence[Table], found: Mapping[TableId, Plan]) -> list[Table]:
    """The tables of a job that have something to build, or will have it: those downstream."""
    selected: dict[TableId, Table] = {}
    for table in tables:
        plan = found.get(table.id)
        if (plan and plan.keys) or any(each in selected for each in table.inputs.values()):
            selected[table.id] = table
    return list(selected.values())
