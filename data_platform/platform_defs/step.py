"""A table's step without Dagster: plan what a run asks for, build it, publish and report it.

It runs in Dagster's process (`asset.py`, `io_manager.py`), or in a remote job (`remote`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from pyspark.sql import SparkSession

from data_platform.assets import Table
from data_platform.build.counting import count
from data_platform.build.events import figures_of
from data_platform.build.failures import failures_explained, held_back
from data_platform.build.kinds import build_step
from data_platform.build.planning import Plan, plan, require_buildable
from data_platform.build.platform import Platform
from data_platform.build.reports import Figures, Reports
from data_platform.build.result import StepResult, publish_step
from data_platform.build.table_checks import explained, held_by, rule_state, still_held
from data_platform.lake.builds import Builds
from data_platform.lake.catalog import Lake
from data_platform.lake.writing.publish import WRITTEN, Publication, StagedWrite
from data_platform.landing.ledger.ledger import Ledger
from data_platform.quality.findings import written_finding
from data_platform.quality.held import Held
from data_platform.tables.identity import TableId
from data_platform.tables.outcomes import DUPLICATES, QUARANTINE
from data_platform.telemetry.tracing import phase
from data_platform.telemetry.wording import counted

Say = Callable[[str], object]
"""Adds a line to the run's log."""


@dataclass(frozen=True)
class StepRequest:
    """The partitions that a run requests of a table's step ('' for an unpartitioned table).

    `only_stale`: build only the stale ones; `among`: restrict them to these keys (None: no
    restriction). `epoch` is of the run's lease, with which another process may publish for it.
    """

    table: str
    run_id: str
    keys: Sequence[str]
    only_stale: bool = False
    among: Sequence[str] | None = None
    epoch: int | None = None

    def values(self) -> dict[str, Any]:
        """As JSON has it; `StepRequest(**values)` is the same again."""
        return asdict(self)


def planned(table: Table, platform: Platform, asked: StepRequest) -> Plan:
    """The plan of what is asked for. Raises as `require_buildable` does."""
    with phase("plan", asked.run_id, table.id, requested=len(asked.keys)) as planning:
        found = plan(table, platform, asked.keys, only_stale=asked.only_stale, among=asked.among)
        planning.set_figures(partitions=len(found.keys), waiting=len(found.waiting))
        require_buildable(found)
    return replace(found, seconds=planning.seconds)


def nothing_to_build(
    table: Table, platform: Platform, asked: StepRequest, log: Reports, say: Say
) -> None:
    """Report the table's checks where nothing is due."""
    say(f"{table.id}: nothing to build of {counted(len(asked.keys), 'partition')}")
    log.findings(rule_state(table, platform) + still_held(table, platform, besides=()))


def built(
    table: Table, plan: Plan, platform: Platform, spark: SparkSession, run_id: str
) -> StepResult:
    """The staged partitions of the plan, with the findings of the table's checks."""
    result = build_step(table, plan, platform, spark, run_id)
    staged = result.write
    with phase("audit", run_id, table.id) as audit:
        held = held_by(table, platform, staged)
        found = explained(result.findings, held)
        found += rule_state(table, platform, staged)
        found += still_held(table, platform, besides=staged.slice.keys)
        audit.set_figures(checks=len(found), failed=sum(not finding.passed for finding in found))
    seconds = {"plan": plan.seconds, **result.seconds, audit.name: audit.seconds}
    said = {key: of.said for key, of in held.items()}
    return replace(result, findings=found, held=said, seconds=seconds)


def published(
    lake: Lake, builds: Builds, ledger: Ledger, result: StepResult, log: Reports, say: Say
) -> None:
    """Publish what a step staged and report it. What the checks found is reported whether or not it
    can be published. Raises `held_back`'s failure if they held anything back."""
    held, found, staged = dict(result.held), list(result.findings), result.write
    try:
        with failures_explained():
            with phase("commit", staged.run_id, staged.table) as commit:
                publication = publish_step(lake, builds, ledger, result)
                commit.set_figures(**_committed(publication))
            count(builds, publication, {**result.seconds, commit.name: commit.seconds})
            say(said_of(publication))
            log.published(publication.write.attempt, _figures(publication))
            unsound = _unsound(builds, publication.write)
            held |= {key: of.said for key, of in unsound.items()}
            found += [
                written_finding(key, f"{of.why}. {of.text}" if of else None)
                for key in result.write.slice.keys
                for of in [unsound.get(key)]
            ]
    finally:
        log.held_back(held)
        log.findings(found)
    if publication.write.held_back:
        raise held_back(publication.write)


def _committed(publication: Publication) -> dict[str, str | int]:
    """A publication as figures of a span."""
    partitions = publication.partitions.values()
    return {
        "attempt": publication.write.attempt,
        "partitions": len(partitions),
        "held_back": len(publication.write.held_back),
        "rows": sum(each.rows for each in partitions),
        "bytes": sum(each.bytes for each in partitions),
        "files": sum(each.files for each in partitions),
    }


def said_of(publication: Publication) -> str:
    """A publication as a line of the run's log."""
    partitions, write = publication.partitions, publication.write
    rejected = [write.staged.rows(outcome) for outcome in (QUARANTINE, DUPLICATES)]
    quarantined, duplicates = (sum(rows[key] for key in partitions) for rows in rejected)
    said = [
        f"{counted(len(partitions), 'partition')} published",
        counted(sum(figures.rows for figures in partitions.values()), "row"),
        *([f"{quarantined:,} quarantined"] if quarantined else []),
        *([counted(duplicates, "duplicate")] if duplicates else []),
    ]
    return f"{write.table}: {', '.join(said)}"


def _figures(publication: Publication) -> Figures:
    write = publication.write
    return {
        key: {**figures_of(each), "attempt": write.attempt, **write.metadata.get(key, {})}
        for key, each in publication.partitions.items()
    }


def _unsound(builds: Builds, write: StagedWrite) -> Mapping[str, Held]:
    """The partitions of which a file is not what its writer reported, with why."""
    keys = [key for key, names in write.failed.items() if WRITTEN in names]
    since = builds.held_since(write.table, keys) if keys else {}
    return {
        key: Held(
            write.table,
            key,
            write.held_back[key],
            write.failed[key],
            key in write.slice.base,
            since.get(key),
        )
        for key in keys
    }


def table_named(name: str, tables: Sequence[Table]) -> Table | None:
    """The declared table of this name, `layer/domain/name`."""
    wanted = TableId.parse(name)
    return next((table for table in tables if table.id == wanted), None)
