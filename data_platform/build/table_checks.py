"""The checks of a table, and their results for partitions that a run does not build."""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import dagster as dg

from data_platform.assets import Table
from data_platform.build.audit import held_upstream
from data_platform.build.freshness import freshness_specs
from data_platform.build.held import expired_now, held_now, unreadable
from data_platform.build.kinds import partition_checks
from data_platform.build.planning import Plan, current_versions
from data_platform.build.platform import Platform
from data_platform.contracts.compile import compile_rules
from data_platform.contracts.names import check_name
from data_platform.lake.builds import Build
from data_platform.lake.writing.publish import StagedWrite
from data_platform.quality import findings as checks
from data_platform.quality.findings import Finding
from data_platform.quality.held import Held
from data_platform.telemetry.warnings import previews_accepted

# A rule's effect in words: Dagster calls every check "non-blocking" that does not stop a run.
_EFFECT = {
    "blocking": "rejects the row. Counts the rejected rows of the whole table, as it stands.",
    "warning": "warns, and keeps the row. Counts the rows of the whole table, as it stands.",
}
_MOST_HELD = 100  # held back partitions whose results a run repeats


def check_specs(table: Table) -> list[dg.AssetCheckSpec]:
    """The checks of a partition, freshness, then one for each rule of the contract."""
    with previews_accepted():
        specs = [
            dg.AssetCheckSpec(
                name,
                asset=table.key,
                blocking=blocking,
                description=description,
                partitions_def=table.partitions,
            )
            for name, blocking, description in partition_checks(table)
        ]
    return specs + freshness_specs(table) + _rule_specs(table)


def _rule_specs(table: Table) -> list[dg.AssetCheckSpec]:
    if table.contract is None:
        return []
    return [
        dg.AssetCheckSpec(
            check_name(rule.name),
            asset=table.key,
            description=f"{rule.description or rule.name}: {_EFFECT[rule.severity]}",
        )
        for rule in compile_rules(table.contract)
    ]


@dataclass(frozen=True)
class LeftAlone:
    """The checks of the partitions in a run's range that the run does not build.

    `without_input` are the partitions without input.
    """

    findings: list[Finding]
    without_input: list[str]


def checks_left_alone(
    table: Table, platform: Platform, plan: Plan, left: Sequence[str]
) -> LeftAlone:
    """Check results of the partitions `left`, from metadata: a check that failed still fails."""
    latest = platform.builds.latest(table.id, left)
    unread = unreadable(table, platform)
    of_table = partition_checks(table)
    unbuilt = [key for key in left if key not in latest]
    held = held_upstream(table, platform, latest, unbuilt)
    held_back = held_as_told(table, platform, latest)
    found: list[Finding] = []
    for key in left:
        build = latest.get(key)
        text, failed = _state(build, held_back.get(key), has_input=key in plan.digests)
        known: dict[str, Finding] = {}
        if build:
            rows = build.rows if build.state == "held_back" else plan.rows.get(key, build.rows)
            known[checks.VOLUME] = checks.volume_finding(key, rows, plan.rows)
        if key in unread:
            nothing = key not in plan.digests
            known[checks.READABLE] = checks.readable_finding(key, unread[key], nothing_read=nothing)
        if key in held:
            known[checks.INPUTS] = checks.inputs_finding(key, held[key])
        if why := plan.expired.get(key):
            known[checks.INPUTS] = Finding(checks.INPUTS, False, False, why, partition=key)
        for name, blocking, _ in of_table:
            stands = Finding(name, name not in failed, blocking, text, partition=key)
            found.append(known.get(name, stands))
    troubled = {finding.partition for finding in found if not finding.passed} | held.keys()
    published = {key for key, build in latest.items() if build.state == "published"}
    known_of = {*published, *plan.digests, *troubled}
    return LeftAlone(found, [key for key in left if key not in known_of])


def as_it_stands(
    table: Table, platform: Platform, plan: Plan, keys: Sequence[str]
) -> list[Finding]:
    """Check results of these partitions, which are not built, and of the whole table."""
    found = checks_left_alone(table, platform, plan, keys).findings
    return found + rule_state(table, platform) + still_held(table, platform, besides=keys)


def rule_state(table: Table, platform: Platform, write: StagedWrite | None = None) -> list[Finding]:
    """The checks of the rules, over the whole table including the write."""
    if table.contract is None:
        return []
    broken = {key: build.rules for key, build in platform.builds.latest(table.id).items()}
    if write:
        broken |= {key: write.staged.rules.get(key, {}) for key in write.slice.keys}
    return checks.rule_findings(table.contract, broken)


def held_as_told(
    table: Table, platform: Platform, attempts: Mapping[str, Build]
) -> dict[str, Held]:
    """The held back ones among the newest attempts, with their descriptions."""
    held = {key: build for key, build in attempts.items() if build.state == "held_back"}
    since = platform.builds.held_since(table.id, held)
    live = current_versions(platform, table.id, held) if held else {}
    expired = expired_now(table, platform, held) if held else {}
    return {
        key: Held(
            table.id,
            key,
            build.detail,
            build.failed,
            key in live,
            since.get(key, build.created),
            expired.get(key, ""),
        )
        for key, build in held.items()
    }


def still_held(table: Table, platform: Platform, besides: Collection[str]) -> list[Finding]:
    """The failed checks of partitions that were held back before, except those in `besides`.

    Dagster shows the newest result of a check: what is wrong with the table must not be hidden by
    a run of another partition.
    """
    latest = held_now(table, platform)
    newest = sorted(latest.values(), key=lambda build: build.sequence)[-_MOST_HELD:]
    of_others = {build.partition: build for build in newest if build.partition not in besides}
    return [
        Finding(name, False, True, f"{held.why}. {held.text}", partition=key)
        for key, held in held_as_told(table, platform, of_others).items()
        for name in held.failed
    ]


def held_by(table: Table, platform: Platform, write: StagedWrite) -> dict[str, Held]:
    """The partitions that a write holds back, with their descriptions."""
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    since = platform.builds.held_since(table.id, write.held_back)
    return {
        key: Held(
            table.id,
            key,
            why,
            write.failed.get(key, ()),
            key in write.slice.base,
            since.get(key, now),
        )
        for key, why in write.held_back.items()
    }


def explained(found: Iterable[Finding], held: Mapping[str, Held]) -> list[Finding]:
    """The findings; those that hold a partition back also say since when and what releases it."""

    def explain(finding: Finding) -> Finding:
        of = held.get(finding.partition) if finding.partition is not None else None
        if of is None or finding.passed or not finding.blocking:
            return finding
        return replace(finding, description=f"{finding.description}. {of.text}")

    return [explain(finding) for finding in found]


def _state(build: Build | None, held: Held | None, *, has_input: bool) -> tuple[str, set[str]]:
    """A partition's state in words, and the checks that held it back."""
    if not has_input and (build is None or build.state == "held_back"):
        return "no input for this partition: nothing to check", set()
    if build is None:
        return "not built yet, and not chosen for this run", set()
    if held:
        return f"{held.why}. {held.text}", set(held.failed)
    by = build.released or build.detail or f"built by run {build.run_id}"
    return f"left as it is: {by}", set()
