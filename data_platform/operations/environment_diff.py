"""What an environment differs in from production, and what building and promoting it would do.

Numbers of rows and bytes are of metadata; no data is read.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from typing import Literal

from pyspark.sql import types as T

from data_platform.assets import Table
from data_platform.build.planning import Plan, current_versions, plan, plan_all, plans
from data_platform.build.platform import Platform
from data_platform.build.tables import schema_of_rows
from data_platform.lake.environments import base_versions
from data_platform.lake.look import Look
from data_platform.lake.reads import columns_of
from data_platform.lake.rejected import REJECTED_LAYERS
from data_platform.lake.upkeep.browse import partition_rows
from data_platform.operations.building import Cost, cost
from data_platform.tables.identity import TableId
from data_platform.telemetry.wording import counted

Change = Literal["new", "changed", "removed", "same code"]


@dataclass(frozen=True)
class Columns:
    """How the declared columns differ from production's, which may have more documentation."""

    added: Sequence[str] = ()
    removed: Sequence[str] = ()
    retyped: Sequence[str] = ()

    @property
    def words(self) -> list[str]:
        """Each difference, in words."""
        named = {"added": self.added, "removed": self.removed, "retyped": self.retyped}
        return [f"columns {what}: {', '.join(names)}" for what, names in named.items() if names]


@dataclass(frozen=True)
class Built:
    """A range of neighbouring partitions that the environment built, and their rows in production
    and in the environment."""

    first: str
    last: str
    partitions: int
    rows_before: int
    rows_after: int

    @property
    def line(self) -> str:
        """In words."""
        keys = self.first if self.first == self.last else f"{self.first} to {self.last}"
        what = f"{keys or 'the table'} ({counted(self.partitions, 'partition')})"
        return f"  built: {what}, {self.rows_before:,} rows before, {self.rows_after:,} after"


@dataclass(frozen=True)
class TableDiff:
    """What differs of a table.

    `versions` are those of the declaration under which production's partitions were built, by
    number of partitions. `to_build` are partitions that are stale in the environment, and
    `following` those that become stale once these are built; `rows` are published in both now.
    `input_bytes` and `seconds` are the cost of both, by the inputs as they are now; the latter is
    None if it is unknown.
    `held` are partitions that their checks held back in the environment alone, and `moved` those
    that production published since, which cannot be promoted.
    """

    table: str
    change: Change
    version: str = ""
    versions: Mapping[str, int] = field(default_factory=dict)
    columns: Columns = field(default_factory=Columns)
    to_build: Sequence[str] = ()
    following: Sequence[str] = ()
    waiting: Sequence[str] = ()
    rows: int = 0
    input_bytes: int = 0
    seconds: float | None = None
    built: Sequence[Built] = ()
    held: Sequence[str] = ()
    moved: Sequence[str] = ()
    trouble: str = ""

    @property
    def differs(self) -> bool:
        """Whether there is anything to say of it."""
        unlike = self.change != "same code" or self.to_build or self.following or self.built
        return bool(unlike or self.held or self.moved or self.waiting or self.trouble)

    @property
    def lines(self) -> list[str]:
        """What differs, as lines to print."""
        found = [f"{self.table}: {self.change}"]
        if self.change == "removed":
            found += [f"  no code declares it; `data-platform drop {self.table}` removes it"]
        found += [f"  {words}" for words in self.columns.words]
        found += [
            f"  {counted(count, 'partition')} of production: version {version}, is {self.version}"
            for version, count in self.versions.items()
            if version != self.version
        ]
        if self.to_build:
            found.append(f"  to build: {counted(len(self.to_build), 'partition')}")
        if self.following:
            found.append(f"  then to build: {counted(len(self.following), 'partition')}")
        if self.to_build or self.following:
            time = "unknown time" if self.seconds is None else f"about {self.seconds:,.0f} s"
            found.append(f"  which takes {time} for {self.input_bytes:,} bytes of input")
        if self.rows:
            found.append(f"  which have {counted(self.rows, 'row')} now")
        if self.waiting:
            waiting = counted(len(self.waiting), "partition")
            found.append(f"  waiting for an input that was never published: {waiting}")
        found += [each.line for each in self.built]
        if self.held:
            held = counted(len(self.held), "partition")
            found.append(f"  held back by its checks in the environment: {held}")
        if self.moved:
            found.append(f"  changed in production since: {counted(len(self.moved), 'partition')}")
        if self.trouble:
            found.append(f"  cannot be planned: {self.trouble}")
        return found


@dataclass(frozen=True)
class Diff:
    """The differences of an environment from production, of the tables that differ."""

    name: str
    tables: Sequence[TableDiff]

    @property
    def values(self) -> dict[str, object]:
        """As JSON has it."""
        return {"environment": self.name, "tables": [asdict(each) for each in self.tables]}

    @property
    def lines(self) -> list[str]:
        """What differs, as lines to print."""
        found = [line for each in self.tables for line in each.lines]
        return found or [f"{self.name} and production have the same tables"]


def diff(
    platform: Platform, tables: Sequence[Table], name: str, *, others: Collection[str] = ()
) -> Diff:
    """What the environment differs in under the present declarations; `others` are the tables of
    ordinary assets, which are left out. Raises NoEnvironment."""
    production, inner = platform.production, platform.inside(name)
    inner.environments.require(name)
    look, due = Look(inner.lake), dict[TableId, set[str]]()
    found = [_of_table(table, production, inner, look, due) for table in tables]
    declared = {str(table.id) for table in tables}
    removed = [
        TableDiff(str(each), "removed")
        for each in production.lake.tables()
        if str(each) not in (*declared, *others) and each.layer not in REJECTED_LAYERS.values()
    ]
    return Diff(name, [each for each in [*found, *removed] if each.differs])


def _of_table(
    table: Table, production: Platform, inner: Platform, look: Look, due: dict[TableId, set[str]]
) -> TableDiff:
    """`due` has, by table, the partitions that will be built of those before it; its own are
    added."""
    base, there = base_versions(inner.lake, table.id), current_versions(inner, table.id, None)
    now = current_versions(production, table.id, None)
    changed = {
        key
        for key in {*base, *there}
        if there.get(key) not in (base.get(key), now.get(key))  # else it is promoted already
    }
    troubles: list[str] = []
    planned = next(
        plans([table], inner, look, trouble=lambda _, why: troubles.append(why), one=plan_all), None
    )
    to_build = planned.keys if planned else ()
    all_of_it = _all_of_it(table, inner, look) if planned else None
    following = _following(table, all_of_it, due, to_build) if all_of_it else []
    due[table.id] = {*to_build, *following}
    rows = partition_rows(inner.lake, table.id)
    costs = Cost(0)
    if planned and all_of_it:
        both = replace(all_of_it, keys=tuple(sorted(due[table.id])))
        costs = cost(production, both if following else planned, {})
    versions = _versions(production, table, now)
    columns = _columns(production, table)
    unlike = bool(columns.words) or any(version != table.version for version in versions)
    return TableDiff(
        str(table.id),
        "new" if not production.lake.exists(table.id) else "changed" if unlike else "same code",
        table.version,
        versions,
        columns,
        to_build,
        following,
        sorted(planned.waiting) if planned else (),
        sum(rows.get(key, 0) for key in due[table.id]),
        costs.input_bytes,
        costs.seconds,
        _ranges(table, changed, partition_rows(production.lake, table.id), rows),
        sorted({*inner.builds.held_back(table.id)} - {*production.builds.held_back(table.id)}),
        sorted(key for key in {*base, *now} if now.get(key) not in (base.get(key), there.get(key))),
        *troubles,
    )


def _all_of_it(table: Table, inner: Platform, look: Look) -> Plan:
    """The plan of all partitions that have inputs."""
    keys = table.partitions.get_partition_keys() if table.partitions else [""]
    return plan(table, inner, keys, only_stale=False, look=look)


def _following(
    table: Table, all_of_it: Plan, due: Mapping[TableId, set[str]], to_build: Sequence[str]
) -> list[str]:
    """The partitions that read some that will be built, and are not due yet themselves."""
    found = {
        key
        for name, upstream in table.inputs.items()
        for key, read in all_of_it.reads.get(name, {}).items()
        if due.get(upstream, set()).intersection(read)
    }
    return sorted(found.intersection(all_of_it.keys) - {*to_build})


def _versions(production: Platform, table: Table, now: Mapping[str, str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for build in production.builds.of(table.id, now).values():
        found[build.contract] = found.get(build.contract, 0) + 1
    return found


def _columns(production: Platform, table: Table) -> Columns:
    loaded = production.lake.find(table.id)
    if loaded is None:
        return Columns()
    was, declared = _types(columns_of(loaded)), _types(schema_of_rows(table))
    return Columns(
        [name for name in declared if name not in was],
        [name for name in was if name not in declared],
        [
            f"{name} {was[name]} to {kind}"
            for name, kind in declared.items()
            if name in was and was[name] != kind
        ],
    )


def _types(schema: T.StructType) -> dict[str, str]:
    return {field.name: field.dataType.simpleString() for field in schema}


def _ranges(
    table: Table, keys: set[str], before: Mapping[str, int], after: Mapping[str, int]
) -> list[Built]:
    """The partitions as ranges of those that follow each other among the published ones."""
    keys_of_table = table.partitions.get_partition_keys() if table.partitions else [""]
    known = [key for key in keys_of_table if key in before or key in after]
    runs = groupby(known, key=keys.__contains__)
    groups = [list(group) for there, group in runs if there]
    groups += [[key] for key in sorted(keys.difference(known))]
    return [
        Built(
            group[0],
            group[-1],
            len(group),
            sum(before.get(key, 0) for key in group),
            sum(after.get(key, 0) for key in group),
        )
        for group in groups
    ]
