"""Promote what an environment built: production refers to its files, and nothing is computed.

Table by table, inputs first, so that what a partition was built from can be compared with what
production has by then. A promotion that was interrupted is completed by promoting again.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import dagster as dg

from data_platform.assets import Table
from data_platform.build.events import DATA_VERSION_TAG, Log, figures_of
from data_platform.build.planning import Plan, current_versions, plan
from data_platform.build.platform import Platform
from data_platform.build.table_checks import as_it_stands
from data_platform.build.tables import ensure_tables
from data_platform.lake.builds import Build
from data_platform.lake.environments import base_versions
from data_platform.lake.upkeep.promote import plan_promotion, promoted
from data_platform.lake.writing.publish import Published, published_as
from data_platform.operations.repair import stale_by_table
from data_platform.runs.in_process import driving_idle
from data_platform.runs.scope import Scope
from data_platform.storage.errors import LakeError
from data_platform.telemetry.wording import counted

_MOVED = "production published another version of it since the environment was created"
_OTHER_CODE = "the environment built it with other code than this; build it there again"
_MOVING = "landed objects move into or out of it in production"
_OTHER_INPUTS = "production has other versions of what it was built from"


@dataclass(frozen=True)
class TablePromotion:
    """What became of a table: the partitions that were promoted, with their rows, those that were
    promoted already, and why the others were not, by partition ("" for the whole table)."""

    table: str
    rows: Mapping[str, int] = field(default_factory=dict)
    already: Sequence[str] = ()
    left: Mapping[str, str] = field(default_factory=dict)

    @property
    def lines(self) -> list[str]:
        """What became of it, as lines to print."""
        found = []
        if self.rows:
            rows = counted(sum(self.rows.values()), "row")
            found.append(f"{self.table}: {counted(len(self.rows), 'partition')} promoted, {rows}")
        if self.already:
            found.append(f"{self.table}: {counted(len(self.already), 'partition')} already there")
        for why in sorted(set(self.left.values())):
            keys = sorted(key for key, of in self.left.items() if of == why)
            named = ", ".join(keys[:3]) + (", ..." if len(keys) > 3 else "")
            what = f"{counted(len(keys), 'partition')} ({named})" if named else "the table"
            found.append(f"{self.table}: not promoted, {what}: {why}")
        return found


@dataclass(frozen=True)
class Promoted:
    """The result of a promotion: the tables that the environment changed, and how many partitions
    of which tables production has yet to build."""

    name: str
    tables: Sequence[TablePromotion]
    stale: Mapping[str, int]

    @property
    def complete(self) -> bool:
        """Whether production has all that it should, and nothing is left to build."""
        return not self.stale and not any(each.left for each in self.tables)

    @property
    def values(self) -> dict[str, object]:
        """As JSON has it."""
        tables = [
            {"table": t.table, "promoted": t.rows, "already": list(t.already), "left": t.left}
            for t in self.tables
        ]
        return {"environment": self.name, "tables": tables, "stale": self.stale}

    @property
    def lines(self) -> list[str]:
        """What was done and what is left, as lines to print."""
        found = [line for each in self.tables for line in each.lines]
        if not found:
            found = [f"{self.name}: nothing was built in it that production does not have"]
        for table, count in self.stale.items():
            found.append(f"{table}: {counted(count, 'partition')} to build by `data-platform run`")
        return found


def promote(scope: Scope, name: str) -> Promoted:
    """Have production publish what the environment built and production has not changed since.

    `scope` is production's, under the code that built it. A partition is promoted if production
    still has the version that the environment began with, and the same versions of its inputs.
    Raises NoEnvironment if there is none, TablesBusy while a run builds one of the tables.
    """
    inner = scope.platform.inside(name)
    inner.environments.require(name)
    tables = []
    with driving_idle(scope):
        for table in scope.tables:
            try:
                done = _promote_table(table, scope, inner)
            except LakeError as error:  # of this table; those built from it are left as well
                done = TablePromotion(str(table.id), left={"": str(error)})
            tables += [done] if done.rows or done.already or done.left else []
        stale = stale_by_table(scope.platform, scope.tables)
    return Promoted(name, tables, stale)


def _promote_table(table: Table, scope: Scope, inner: Platform) -> TablePromotion:
    production = scope.platform
    there = current_versions(inner, table.id, None)
    base = base_versions(inner.lake, table.id)
    built = {key: attempt for key, attempt in there.items() if base.get(key) != attempt}
    now = current_versions(production, table.id, built) if built else {}
    already = {key: built[key] for key in sorted(built) if now.get(key) == built[key]}
    _complete(table, production, inner, already)
    if untold := Log(scope.instance, table.key).untold(already):  # it was killed after its commit
        found = promoted(production.lake, table.id, untold)
        _tell(table, scope, inner.settings.virtual_environment, already, found)
    left = {k: _MOVED for k in built if k not in already and now.get(k) != base.get(k)}
    asked = {key: built[key] for key in sorted(built) if key not in already and key not in left}
    planned = plan(table, production, asked, only_stale=False)
    builds = inner.builds.of(table.id, asked)
    left |= {key: why for key in asked if (why := _why_not(builds.get(key), planned, key))}
    moving = production.ledger.moving(table.source.name) if table.source else ()
    left |= {key: _MOVING for key in asked if key in moving}
    name = inner.settings.virtual_environment
    chosen = {key: _as_planned(builds[key], planned, name) for key in asked if key not in left}
    base = {key: now[key] for key in chosen if key in now}
    rows = _publish(table, scope, inner, chosen, base) if chosen else {}
    return TablePromotion(str(table.id), rows, tuple(already), left)


def _publish(
    table: Table,
    scope: Scope,
    inner: Platform,
    builds: Mapping[str, Build],
    base: Mapping[str, str],
) -> dict[str, int]:
    """Publish these builds of the environment in production; returns their rows by partition."""
    production, name = scope.platform, inner.settings.virtual_environment
    attempts = {key: build.attempt for key, build in builds.items()}
    into = ensure_tables(table, production.lake)
    promotion = plan_promotion(inner.lake, into, table.id, builds, base)
    # First what makes the commit known, so that a promotion killed after it is completed later.
    production.builds.adopt(table.id, builds.values())
    for attempt, rows in _objects(table, inner, attempts).items():
        production.ledger.prepare(rows, attempt)
    snapshot = promotion.apply(name)
    _complete(table, production, inner, attempts)
    published = published_as(promotion.table, promotion.files, snapshot, builds)
    _tell(table, scope, name, attempts, published)
    return {key: each.rows for key, each in published.items()}


def _tell(
    table: Table,
    scope: Scope,
    name: str,
    attempts: Mapping[str, str],
    published: Mapping[str, Published],
) -> None:
    """Log that these partitions were promoted, and how their checks stand."""
    log, keys = Log(scope.instance, table.key), list(published)
    log.materializations(
        dg.AssetMaterialization(
            asset_key=table.key,
            partition=key or None,
            description=f"promoted from the virtual environment {name}",
            metadata={**figures_of(each), "promoted_from": name},
            tags={DATA_VERSION_TAG: attempts[key]},
        )
        for key, each in published.items()
    )
    now = plan(table, scope.platform, keys, only_stale=True)
    log.findings(as_it_stands(table, scope.platform, now, keys))


def _why_not(build: Build | None, planned: Plan, key: str) -> str:
    """Why production cannot take over a build; empty if it can."""
    if build is None or build.contract != planned.table.version:
        return _OTHER_CODE
    if why := planned.expired.get(key):
        return why
    if build.inputs != planned.digests.get(key):
        return _OTHER_INPUTS
    if _states(build.dimensions) != _states(planned.dimensions.get(key, "")):
        return _OTHER_INPUTS
    return ""


def _states(dimensions: str) -> dict[str, str]:
    """The versions of each dimension; snapshots have other ids in an environment."""
    return {name: state["versions"] for name, state in json.loads(dimensions or "{}").items()}


def _as_planned(build: Build, planned: Plan, name: str) -> Build:
    """The build as production would have recorded it: with its own snapshots of dimensions."""
    dimensions = planned.dimensions.get(build.partition, "")
    return replace(build, dimensions=dimensions, detail=f"promoted from {name}")


def _objects(
    table: Table, inner: Platform, attempts: Mapping[str, str]
) -> dict[str, dict[int, int]]:
    """Of a bronze table, the rows of each landed object in these versions of partitions, by
    attempt: the environment's ledger has the same ids."""
    found: dict[str, dict[int, int]] = {}
    if table.source:
        for entry in inner.ledger.loaded(table.source.name, list(attempts)):
            version = str(entry.bronze_version)
            if attempts.get(str(entry.partition)) == version:
                found.setdefault(version, {})[entry.id] = entry.rows or 0
    return found


def _complete(
    table: Table, production: Platform, inner: Platform, attempts: Mapping[str, str]
) -> None:
    """Record that these versions are published. Idempotent."""
    if not attempts:
        return
    production.builds.commit(table.id, attempts)
    for attempt, rows in _objects(table, inner, attempts).items():
        production.ledger.mark_loaded(rows, f"promotion of {attempt}", attempt)
