"""Compute the results of a partition's checks, as pure functions of counts.

A finding becomes an asset check result on its partition; a blocking one that failed holds the
partition back.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from data_platform.contracts.compile import compile_rules
from data_platform.contracts.contract import Contract
from data_platform.contracts.names import check_name
from data_platform.lake.writing.publish import WRITTEN
from data_platform.quality.winners import KEY_NOT_UNIQUE
from data_platform.telemetry.wording import counted

RULES = "rules"
CONSERVATION = "conservation"
VOLUME = "volume"
INPUTS = "inputs"
READABLE = "readable"
PARTITION = "partition"

_HISTORY = 28  # partitions that volume compares with
_ENOUGH = 7  # partitions that volume needs before it compares
_FEW, _MANY = 1 / 4, 4
_MOST_SHOWN = 20  # partitions listed that break a rule


@dataclass(frozen=True)
class Finding:
    """The result of one check of one partition (`partition` None: of the whole run).

    If it failed it is a warning, unless it is `blocking`, or `is_error` without blocking.
    """

    check: str
    passed: bool
    blocking: bool
    description: str
    metadata: Mapping[str, object] = field(default_factory=dict)
    partition: str | None = None
    is_error: bool = False

    @property
    def is_severe(self) -> bool:
        """Whether it is an error, if it failed, and no warning."""
        return self.blocking or self.is_error


def rules_finding(
    contract: Contract, key: str, *, received: int, quarantined: int, broken: Counter
) -> Finding:
    """Blocks if the quarantined share is strictly above the contract's threshold, or if a key is
    repeated in a table that does not say which row wins.

    `broken` counts rows by rule, warnings included; these quarantine no row, so they are only in
    the metadata.
    """
    share = quarantined / received if received else 0.0
    limit = contract.quarantine_threshold
    repeats = broken.get(KEY_NOT_UNIQUE, 0)
    passed = share <= limit and not repeats
    warnings = {rule.name for rule in compile_rules(contract) if rule.severity == "warning"}
    reasons = ", ".join(
        f"{name} {count}" for name, count in broken.most_common() if name not in warnings
    )
    text = f"{quarantined:,} of {counted(received, 'row')} quarantined"
    if quarantined:
        text += f" ({share:.2%}; {limit:.2%} allowed): {reasons}"
    return Finding(
        RULES,
        passed,
        blocking=True,
        description=text,
        metadata={
            "received": received,
            "quarantined": quarantined,
            "quarantined_percent": round(100 * share, 2),
            "rules": [{"rule": name, "rows": count} for name, count in broken.most_common()],
        },
        partition=key,
    )


def partition_finding(
    key: str, *, outside: int, named: Counter, passed: int, blocking: bool
) -> Finding:
    """Fails if rows name no partition, or one that the build was not given.

    `named` counts such rows by the partition they name ("null": none), the most frequent ones;
    `passed` counts rows of the surrounding partitions, which the build was given as context.
    """
    text = "every row is of this partition"
    if outside:
        listed = ", ".join(f"{name} ({count})" for name, count in named.most_common(10))
        text = (
            f"of another partition or none: {counted(outside, 'row')}, by what they name: {listed}"
        )
        text += (
            ". They are in the quarantine. Declare how the input is read, so that each partition "
            "gets all of its rows, or drop them in the function, or let it be a warning: "
            'outside="warning"'
        )
    elif passed:
        text += f", beside {passed} of others that it was built from"
    metadata = {"outside": outside, "of_other_partitions": passed}
    return Finding(PARTITION, not outside, blocking, text, metadata, key)


def conservation_finding(
    key: str, *, received: int, published: int, quarantined: int, duplicates: int, source: str
) -> Finding:
    """Every row received is published, quarantined or a duplicate; all counts are from disk."""
    left = received - published - quarantined - duplicates
    equation = f"{received} = {published} published + {quarantined} quarantined"
    equation += f" + {duplicates} duplicates"
    text = equation if left == 0 else f"{left:+d} rows unaccounted for: {equation}"
    return Finding(
        CONSERVATION,
        left == 0,
        blocking=True,
        description=f"{text} (received: {source})",
        metadata={
            "received": received,
            "published": published,
            "quarantined": quarantined,
            "duplicates": duplicates,
        },
        partition=key,
    )


def written_finding(key: str, why: str | None) -> Finding:
    """Whether a partition's files are what their writers reported; `why` says if they are not."""
    text = why or "its files are what their writers reported"
    return Finding(WRITTEN, why is None, blocking=True, description=text, partition=key)


def volume_finding(key: str, rows: int, history: Mapping[str, int]) -> Finding:
    """Warns if the rows are far fewer or far more than the median of the partitions before."""
    before = [history[k] for k in sorted(history) if k < key][-_HISTORY:]
    if len(before) < _ENOUGH:
        there = f"{counted(len(before), 'partition')} before it"
        text = f"{counted(rows, 'row')}; {there}, {_ENOUGH} needed to compare"
        return Finding(VOLUME, True, blocking=False, description=text, partition=key)
    usual = median(before)
    passed = usual * _FEW <= rows <= usual * _MANY
    text = (
        f"{counted(rows, 'row')}; the median of the {len(before)} partitions before it is {usual:g}"
    )
    metadata = {"rows": rows, "median": float(usual)}
    return Finding(VOLUME, passed, False, text, metadata, partition=key)


def inputs_finding(key: str, held_back: Mapping[str, list[str]]) -> Finding:
    """Fails if an older version of an input partition was read, or none, because its newest attempt
    was held back."""
    missing = [f"{table} {p}" for table, keys in sorted(held_back.items()) for p in keys]
    text = "every input is its newest version"
    if missing:
        text = f"held back: {counted(len(missing), 'input partition')}: {', '.join(missing[:10])}"
    return Finding(INPUTS, not missing, blocking=False, description=text, partition=key)


def rule_findings(
    contract: Contract, broken: Mapping[str, Mapping[str, int] | None]
) -> list[Finding]:
    """A finding about the whole table for each rule: how many rows of which partitions break it.

    `broken` counts rows by rule for the newest attempt at each partition, published or held back;
    None: they were not counted then. It never blocks: the share of quarantined rows does
    (`rules_finding`).
    """
    uncounted = sum(counts is None for counts in broken.values())
    found = []
    for rule in compile_rules(contract):
        rows = {key: c[rule.name] for key, c in broken.items() if c and c.get(rule.name)}
        what = "break the rule and are kept" if rule.severity == "warning" else "rejected"
        where = f"{len(rows)} of {counted(len(broken), 'partition')}"
        text = f"{counted(sum(rows.values()), 'row')} in {where} {what}"
        if uncounted:
            text += f"; partitions built before rows were counted by rule: {uncounted}"
        most = sorted(rows.items(), key=lambda item: (-item[1], item[0]))[:_MOST_SHOWN]
        found.append(
            Finding(
                check_name(rule.name),
                passed=not rows,
                blocking=False,
                description=text,
                metadata={
                    "rows": sum(rows.values()),
                    "partitions": len(rows),
                    "most_rows_in": [{"partition": key, "rows": count} for key, count in most],
                },
            )
        )
    return found


def readable_finding(
    key: str,
    errors: Mapping[str, str],
    objects: int | None = None,
    *,
    nothing_read: bool = False,
) -> Finding:
    """Fails if objects could not be read; the others are published all the same. If none could be
    read there is nothing to publish, and the check blocks.

    `objects` is how many there are, if known.
    """
    text = "the object was read" if objects == 1 else f"all {objects} objects were read"
    if errors:
        listed = "; ".join(f"{name}: {why}" for name, why in sorted(errors.items())[:5])
        of = "" if objects is None else f"{len(errors)} of "
        text = f"{of}{counted(objects or len(errors), 'object')} could not be read: {listed}"
    return Finding(READABLE, not errors, nothing_read, text, {"unreadable": len(errors)}, key)
