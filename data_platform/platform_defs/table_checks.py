"""The checks of a table: which it has, and what they say of partitions that a run leaves alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from data_platform.assets import Table
from data_platform.contracts.compile import compile_rules
from data_platform.contracts.contract import Contract
from data_platform.lake.builds import Build
from data_platform.observability.warnings import previews_accepted
from data_platform.platform_defs.planning import Plan
from data_platform.platform_defs.platform import Platform
from data_platform.platform_defs.steps import failed_checks, held_upstream
from data_platform.quality import findings as checks
from data_platform.quality.findings import Finding


def partition_checks(table: Table) -> list[tuple[str, bool, str]]:
    """Name, whether it blocks, and description of the checks of each partition."""
    conservation = "Every row received is published, quarantined or a duplicate."
    found = [(checks.VOLUME, False, "Rows are of the order of the partitions before.")]
    if table.source:
        found.append((checks.READABLE, False, "Every landed object could be read."))
    if table.contract:
        share = "The share of quarantined rows is within the contract's threshold."
        found.append((checks.RULES, True, share))
    contract = table.contract
    if table.source or (contract and contract.lineage):
        found.append((checks.CONSERVATION, True, conservation))
        return found
    if contract and contract.merge_on:
        merging = "Every row of the table and of what changed is in it, or gave way to a newer one."
        found.append((checks.CONSERVATION, True, merging))
    return [*found, (checks.INPUTS, False, "No input is held back by its checks.")]


def check_specs(table: Table) -> list[dg.AssetCheckSpec]:
    """The checks of a partition, then one for each rule of the contract."""
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
    return specs + (_rule_specs(table, table.contract) if table.contract else [])


def _rule_specs(table: Table, contract: Contract) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            checks.check_name(rule.name),
            asset=table.key,
            description=f"{rule.description or rule.name} ({rule.severity}; rows of the last run)",
        )
        for rule in compile_rules(contract)
    ]


@dataclass(frozen=True)
class Standing:
    """What is known of the partitions of a run's range that the run does not build.

    `without_input` are those that nothing came for.
    """

    findings: list[Finding]
    without_input: list[str]


def standing(table: Table, platform: Platform, plan: Plan, left: Sequence[str]) -> Standing:
    """The checks of the partitions `left`, from metadata: a check that failed still fails."""
    latest = platform.builds.latest(table.id, left)
    unread = unreadable(table, platform)
    of_table = partition_checks(table)
    held: Mapping[str, Mapping[str, list[str]]] = {}
    if any(name == checks.INPUTS for name, _, _ in of_table):
        unbuilt = [key for key in left if key not in latest]
        held = held_upstream(table, platform, latest, unbuilt)
    found: list[Finding] = []
    for key in left:
        build = latest.get(key)
        text, failed = _state(build, has_input=key in plan.digests)
        known: dict[str, Finding] = {}
        if build:
            rows = build.rows if build.state == "held_back" else plan.rows.get(key, build.rows)
            known[checks.VOLUME] = checks.volume_finding(key, rows, plan.rows)
        if key in unread:
            known[checks.READABLE] = checks.readable_finding(key, unread[key])
        if key in held:
            known[checks.INPUTS] = checks.inputs_finding(key, held[key])
        for name, blocking, _ in of_table:
            stands = Finding(name, name not in failed, blocking, text, partition=key)
            found.append(known.get(name, stands))
    troubled = {finding.partition for finding in found if not finding.passed}
    known_of = {*latest, *plan.digests, *troubled}
    return Standing(found, [key for key in left if key not in known_of])


def unreadable(table: Table, platform: Platform) -> dict[str, dict[str, str]]:
    """The errors of a source's failed objects, by partition and key."""
    found: dict[str, dict[str, str]] = {}
    for entry in platform.ledger.failed(table.source.name) if table.source else ():
        found.setdefault(entry.partition or "", {})[entry.key] = entry.error or "unknown"
    return found


def _state(build: Build | None, *, has_input: bool) -> tuple[str, set[str]]:
    """How a partition stands, and which checks held it back."""
    if build is None and has_input:
        return "not built yet, and not chosen for this run", set()
    if build is None:
        return "no input for this partition: nothing to check", set()
    if build.state == "held_back":
        return f"held back, and not built again: {build.detail}", failed_checks(build.detail)
    return f"left as it is: {build.detail or f'built by run {build.run_id}'}", set()
