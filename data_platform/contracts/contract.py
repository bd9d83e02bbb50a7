"""The contract of a table: one declaration, from which everything else is derived.

Values only: neither pandera, in which it is declared, nor an engine is imported.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from data_platform.contracts.freshness import FreshWithin
from data_platform.contracts.meaning import meaning_of
from data_platform.contracts.spec import ColumnSpec, Severity
from data_platform.contracts.winner import Preference

# Storage classes with immediate access; S3 moves objects down this list only.
READ_AT_ONCE = ("STANDARD_IA", "INTELLIGENT_TIERING", "GLACIER_IR")
_DAYS_AROUND_IA = 30  # the least S3 accepts before a move to STANDARD_IA, and in it


@dataclass(frozen=True)
class Retention:
    """How long superseded snapshots stay readable: `days`, and at most `snapshots` of them.

    `tiers` maps storage classes to the age in days at which the bucket moves the table's files to
    them; None: as for its layer, {}: never. Raises ValueError for a class without immediate access,
    and for moves that S3 refuses.
    """

    days: int = 30
    snapshots: int = 200
    tiers: Mapping[str, int] | None = None

    def __post_init__(self) -> None:
        moves = list((self.tiers or {}).items())
        if archives := [tier for tier, _ in moves if tier not in READ_AT_ONCE]:
            raise ValueError(
                f"Retention(tiers={self.tiers}): a table's files are read at any age, and not at "
                f"once from {', '.join(archives)}; there is {', '.join(READ_AT_ONCE)}"
            )
        order = [READ_AT_ONCE.index(tier) for tier, _ in moves]
        if order != sorted(order):
            raise ValueError(
                f"Retention(tiers={self.tiers}): S3 moves a file down {', '.join(READ_AT_ONCE)} "
                "and never back; name them in this order"
            )
        for before, (tier, day) in pairwise([("", -1), *moves]):
            if day < (least := _earliest(tier, *before)):
                raise ValueError(
                    f"Retention(tiers={self.tiers}): S3 moves a file to {tier} "
                    f"{'after that ' if before[0] else ''}on day {least} at the earliest"
                )


def _earliest(tier: str, before: str, day: int) -> int:
    """The first day for a move to `tier` of a file that moved to `before` on `day`."""
    if before == "STANDARD_IA":
        return day + _DAYS_AROUND_IA
    return _DAYS_AROUND_IA if tier == "STANDARD_IA" else day + 1


@dataclass(frozen=True)
class Rule:
    """A custom rule over the columns of a row.

    `expression` builds a boolean Spark column when the rule is compiled. True means that the row
    passes; so does NULL, as in pandera, since missing values are left to `nullable`. It may use
    every column of the judged frame, and the row as received through `compile.received`. `meaning`
    is the expression's source, for the contract's fingerprint.
    """

    name: str
    expression: Callable[[], Any]
    description: str = ""
    severity: Severity = "blocking"
    meaning: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Computed now: if the file is edited later, its source is no longer the loaded code.
        object.__setattr__(self, "meaning", meaning_of(self.expression))


@dataclass(frozen=True, eq=False, kw_only=True)
class Contract:
    """A table's declaration, checked for contradictions. Built by `declare.contract`.

    `key` identifies a valid row: names of columns, or of bronze's columns with `key_as_received`
    (null then equals null and differs from ""). Of several rows with one key, the one that `winner`
    prefers is published, and among ties the last that arrived (`winner.total`): a correction that
    lands later replaces the row it corrects. A share of quarantined rows strictly above
    `quarantine_threshold` blocks a partition. `lineage` says whether rows carry LINEAGE.

    `rescued` is what happens to a row that did not fit its file's header (bronze's `_rescued`):
    "blocking" quarantines it, "warning" publishes what could be read and reports it; None if rows
    do not come from files.

    `merge_on` is the key of a merged table, which has one row for each key across all partitions of
    its input: the one with the greatest `latest`, compared column by column; among ties the last
    that arrived; and if `arrival` is False, or two were made from one row, the greatest in the
    remaining columns. So the choice depends on the rows alone. `arrival` says that rows carry
    INGESTED_AT and LINEAGE, which the table's function passes on.
    """

    table: str
    model: type
    description: str
    columns: tuple[ColumnSpec, ...]
    partition_by: tuple[str, ...]
    key: tuple[str, ...]
    key_as_received: bool
    winner: tuple[Preference, ...]
    merge_on: tuple[str, ...]
    latest: tuple[str, ...]
    arrival: bool
    rules: tuple[Rule, ...]
    rescued: Severity | None
    warn: tuple[str, ...]
    quarantine_threshold: float
    retention: Retention
    owner: str
    version: str
    lineage: bool
    freshness: FreshWithin | None = None

    @property
    def layer(self) -> str:
        """The first part of the table's name."""
        return self.table.split("/")[0]

    @property
    def domain(self) -> str:
        """The second part of the table's name."""
        return self.table.split("/")[1]

    @property
    def name(self) -> str:
        """The last part of the table's name."""
        return self.table.split("/")[2]

    @property
    def compared_key(self) -> tuple[str, ...]:
        """The key by which the rows of a partition are compared; empty without one, and for a
        merged table, where `merge` decides between rows of a key."""
        return () if self.merge_on else self.key

    @property
    def fingerprint(self) -> str:
        """Changes exactly when rows could be judged or stored differently; 16 hex digits.

        Texts and policies that affect no row (descriptions, owner, retention, freshness,
        sensitivity) do not count. A Rule counts by the source of its expression; what that calls or
        closes over is not seen: raise `version` when it changes.
        """
        meaning = {
            "columns": [[c.name, c.type.text, c.nullable, c.source] for c in self.columns],
            "checks": [
                [check.name, check.kind, check.severity, _stable(check.arguments)]
                for column in self.columns
                for check in column.checks
            ],
            "rules": [[rule.name, rule.severity, rule.meaning] for rule in self.rules],
            "partition_by": self.partition_by,
            "key": [self.key, self.key_as_received, [[w.column, w.greatest] for w in self.winner]],
            "quarantine_threshold": self.quarantine_threshold,
            "lineage": self.lineage,
            "version": self.version,
        }
        if self.rescued:
            meaning["rescued"] = self.rescued
        if self.merge_on:
            meaning["merge"] = [self.merge_on, self.latest, self.arrival]
        return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:16]


def _stable(arguments: Mapping[str, Any]) -> list[list[Any]]:
    """A check's arguments in an order that is the same in every process."""
    return [
        [name, sorted(map(repr, value)) if isinstance(value, frozenset) else repr(value)]
        for name, value in sorted(arguments.items())
    ]
