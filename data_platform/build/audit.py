"""The findings of a step's checks about what it staged, and what they hold back."""

from collections import Counter
from collections.abc import Iterable, Mapping

from data_platform.assets import JudgedTable, Table
from data_platform.build.planning import Plan
from data_platform.build.platform import Platform
from data_platform.build.result import StepResult
from data_platform.lake.files import partitioning_of
from data_platform.lake.writing.publish import StagedWrite
from data_platform.lake.writing.staging import Staged
from data_platform.quality import findings as checks
from data_platform.quality.findings import Finding
from data_platform.quality.held import see_rejected
from data_platform.quality.mapping import EventTime
from data_platform.quality.windows import Upstream, known_keys, reads_of
from data_platform.tables.identity import TableSlice
from data_platform.tables.outcomes import CONTEXT, DATA, DUPLICATES, OUTSIDE, QUARANTINE


def audited(
    table: JudgedTable,
    plan: Plan,
    platform: Platform,
    staged: Staged,
    attempt: str,
    run_id: str,
    *,
    shared: bool = False,
    also: Iterable[Finding] = (),
    properties: Mapping[str, str] | None = None,
) -> StepResult:
    """The staged write of the plan's partitions and the findings of their checks, plus those that
    the step made itself (`also`). `shared`: rows of other partitions count for every partition."""
    contract = table.contract
    rows, bad, repeats = (staged.rows(o) for o in (DATA, QUARANTINE, DUPLICATES))
    found = list(also)
    history = {**plan.rows, **{key: rows[key] for key in plan.keys}}
    context = staged.counted(CONTEXT)
    held = {} if contract.lineage else held_upstream(table, platform, plan.keys)
    for key in plan.keys:
        received = rows[key] + bad[key] + repeats[key]
        if contract.lineage:
            (name,) = table.inputs
            received = plan.rows_of(name, key)
            found.append(
                checks.conservation_finding(
                    key,
                    received=received,
                    published=rows[key],
                    quarantined=bad[key],
                    duplicates=repeats[key],
                    source=str(table.inputs[name]),
                )
            )
        passed = sum(context.values()) if shared else context.get(key, 0)
        found += rows_findings(
            table,
            key,
            received=received,
            quarantined=bad[key],
            broken=Counter(staged.rules.get(key, {})),
            named=staged.named.get(key, Counter()),
            passed=passed,
        )
        found.append(checks.volume_finding(key, rows[key], history))
        if not contract.lineage:
            found.append(checks.inputs_finding(key, held.get(key, {})))
    metadata: dict[str, dict[str, object]] = {
        key: {"quarantined": bad[key], "duplicates": repeats[key]} for key in plan.keys
    }
    for key in plan.keys:
        if bad[key]:
            metadata[key]["rejected_rows"] = see_rejected(table.id, key)
    for key, passed in context.items():
        metadata[key]["rows_of_other_partitions"] = passed
    write = StagedWrite(
        slice=TableSlice(table.id, plan.keys, plan.base),
        attempt=attempt,
        run_id=run_id,
        staged=staged,
        held_back=held_back(found),
        failed=failed(found),
        inputs={key: plan.digests[key] for key in plan.keys},
        dimensions=plan.dimensions,
        contract=table.version,
        metadata=metadata,
        properties=properties or {},
    )
    return StepResult(write, found)


def rows_findings(
    table: JudgedTable,
    key: str,
    *,
    received: int,
    quarantined: int,
    broken: Counter[str],
    named: Counter[str],
    passed: int,
) -> list[Finding]:
    """The findings about a partition's judged rows: rows by `broken` rule, and rejected rows by the
    other partition they `named`. `passed` counts context rows of other partitions."""
    outside = broken[OUTSIDE]
    of_rules = Counter({rule: rows for rule, rows in broken.items() if rule != OUTSIDE})
    found = [
        checks.rules_finding(
            table.contract,
            key,
            received=received,
            quarantined=quarantined - outside,
            broken=of_rules,
        )
    ]
    if table.partition_by:
        blocking = table.outside == "blocking"
        found.append(
            checks.partition_finding(
                key, outside=outside, named=named, passed=passed, blocking=blocking
            )
        )
    return found


def held_back(found: Iterable[Finding]) -> dict[str, str]:
    """Why each partition with a failed blocking check is not published."""
    reasons: dict[str, str] = {}
    for finding in found:
        if finding.blocking and not finding.passed and finding.partition is not None:
            text = f"{finding.check}: {finding.description}"
            reasons[finding.partition] = "; ".join(
                filter(None, [reasons.get(finding.partition), text])
            )
    return reasons


def failed(found: Iterable[Finding]) -> dict[str, tuple[str, ...]]:
    """The names of the blocking checks that failed, by partition."""
    names: dict[str, dict[str, None]] = {}
    for finding in found:
        if finding.blocking and not finding.passed and finding.partition is not None:
            names.setdefault(finding.partition, {})[finding.check] = None
    return {key: tuple(of_partition) for key, of_partition in names.items()}


def held_upstream(
    table: Table, platform: Platform, built: Iterable[str], unbuilt: Iterable[str] = ()
) -> dict[str, dict[str, list[str]]]:
    """By key and input table, the input partitions whose newest attempt was held back.

    For keys that were not built, only input partitions of their own time: earlier days are not the
    reason why a day has no input.
    """
    found: dict[str, dict[str, list[str]]] = {}
    built, unbuilt = list(built), list(unbuilt)
    for name, upstream in table.inputs.items():
        held = platform.builds.held_back(upstream)
        if not held or not platform.lake.exists(upstream):
            continue
        partitioning, how = partitioning_of(platform.lake.load(upstream)), table.how(name)
        missing = Upstream(
            upstream, partitioning, dict.fromkeys(known_keys(partitioning, held), "")
        )
        how = None if isinstance(how, EventTime) else how  # the rows' times are not known here
        read = reads_of(table.partitioning, [*built, *unbuilt], how, missing)
        of_key = {**{key: read.own[key] for key in unbuilt}, **{k: read.window[k] for k in built}}
        for key, keys in of_key.items():
            if keys:
                found.setdefault(key, {})[str(upstream)] = list(keys)
    return found
