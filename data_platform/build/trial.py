"""Try a table's function on one partition: judge its rows without publishing them.

It helps to develop the function or its contract. It reads what a build would read, and writes
nothing: no files, and nothing in the ledger, the catalog, the register of builds or Dagster.
"""

import datetime as dt
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from data_platform.assets import JudgedTable, Table
from data_platform.build.audit import held_back, rows_findings
from data_platform.build.isolation import Calls, united
from data_platform.build.kinds import require_tried
from data_platform.build.planning import Plan, plan
from data_platform.build.platform import Platform
from data_platform.build.steps import judged_as_spread, prepared, spread_of
from data_platform.contracts.compile import compile_rules
from data_platform.contracts.contract import Contract
from data_platform.contracts.schema import schema_of
from data_platform.lake.upkeep.browse import as_python
from data_platform.quality.judge import RECEIVED
from data_platform.storage.errors import LakeError
from data_platform.tables.columns import INGESTED_AT
from data_platform.tables.outcomes import (
    CONTEXT,
    DATA,
    DUPLICATES,
    NAMED,
    OUTCOME,
    OUTSIDE,
    QUARANTINE,
    REASONS,
    SEPARATOR,
    WARNINGS,
)

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class RuleSays:
    """How many rows break a rule; a `blocking` rule rejects them, a `warning` rule only counts."""

    rule: str
    severity: str
    rows: int
    description: str


@dataclass(frozen=True)
class Trial:
    """The result a build of the partition would have: counts, the rows that break each rule, and
    sample rows: published ones with the contract's columns, rejected ones as received with their
    `_reasons`. `held_back` is why it would not be published; empty if it would be."""

    published: int
    quarantined: int
    duplicates: int
    rules: Sequence[RuleSays]
    held_back: str
    rows: Sequence[dict]
    rejected: Sequence[dict]


def trial(table: Table, platform: Platform, spark: SparkSession, key: str, *, limit: int) -> Trial:
    """Try a partition; `rows` and `rejected` have at most `limit` rows each.

    Raises LakeError if there is no function to try or no input for the partition, and
    SchemaConflict as a build does.
    """
    table = require_tried(table)
    planned = _planned(table, platform, key)
    contract, spread = table.contract, spread_of(table, planned, spark)
    calls = Calls.of(table, planned, platform, spark, partial(prepared, table, spread))
    frame = united([result.frame for result in calls.each()])
    rows = judged_as_spread(table, spread, frame, one_partition=True).persist()
    try:
        counts, good = _counts(rows), rows.where(F.col(OUTCOME) == DATA)
        return Trial(
            published=counts.rows[DATA],
            quarantined=counts.rows[QUARANTINE],
            duplicates=counts.rows[DUPLICATES],
            rules=_rules(contract, counts.broken),
            held_back=_held_back(table, key, counts),
            rows=_some(good.select(*schema_of(contract).names), limit),
            rejected=_rejected(rows, contract, limit),
        )
    finally:
        rows.unpersist()


def _planned(table: JudgedTable, platform: Platform, key: str) -> Plan:
    planned = plan(table, platform, [key], only_stale=False)
    of = f"{table.id} {key}".rstrip()
    if missing := planned.waiting.get(key):
        names = ", ".join(map(str, missing))
        raise LakeError(f"{of} cannot be tried: {names} was never published")
    if key in planned.expired:
        raise LakeError(f"{of} cannot be tried: {planned.expired[key]}")
    if not planned.keys:
        raise LakeError(f"{of} has no input: nothing is published that it would read")
    return planned


@dataclass(frozen=True)
class _Counts:
    """Rows by outcome and by broken rule, and rejected rows by the partition they name."""

    rows: Counter
    broken: Counter
    named: Counter


def _counts(rows: DataFrame) -> _Counts:
    by = [OUTCOME, REASONS, WARNINGS, *([NAMED] if NAMED in rows.columns else [])]
    counts = _Counts(Counter(), Counter(), Counter())
    for row in rows.groupBy(*by).count().collect():
        number, reasons = row["count"], _names(row[REASONS])
        counts.rows[row[OUTCOME]] += number
        for rule in [*reasons, *_names(row[WARNINGS])]:
            counts.broken[rule] += number
        if OUTSIDE in reasons:
            counts.named[row[NAMED] or "null"] += number
    return counts


def _names(text: str | None) -> list[str]:
    return text.split(SEPARATOR) if text else []


def _rules(contract: Contract, broken: Counter) -> list[RuleSays]:
    """The contract's rules in its order, then other reasons for rejected rows."""
    known = {rule.name: rule for rule in compile_rules(contract)}
    found = [
        RuleSays(name, rule.severity, broken[name], rule.description)
        for name, rule in known.items()
    ]
    others = [RuleSays(name, "blocking", broken[name], "") for name in broken if name not in known]
    return found + others


def _held_back(table: JudgedTable, key: str, counts: _Counts) -> str:
    found = rows_findings(
        table,
        key,
        received=counts.rows[DATA] + counts.rows[QUARANTINE] + counts.rows[DUPLICATES],
        quarantined=counts.rows[QUARANTINE],
        broken=counts.broken,
        named=counts.named,
        passed=counts.rows[CONTEXT],
    )
    return held_back(found).get(key, "")


def _rejected(rows: DataFrame, contract: Contract, limit: int) -> list[dict]:
    rejected = rows.where(F.col(OUTCOME) == QUARANTINE)
    shown = [RECEIVED] if contract.lineage else schema_of(contract).names
    found = _some(rejected.select(REASONS, *shown), limit)
    return [
        {
            REASONS: _names(row.pop(REASONS)),
            **(_as_received(row[RECEIVED]) if contract.lineage else row),
        }
        for row in found
    ]


def _as_received(text: str) -> dict:
    """The columns of a row kept as text, in which times are in microseconds (see `judge`)."""
    row = json.loads(text)
    if INGESTED_AT in row:
        row[INGESTED_AT] = _EPOCH + dt.timedelta(microseconds=int(row[INGESTED_AT]))
    return row


def _some(frame: DataFrame, limit: int) -> list[dict]:
    # Through Arrow: times keep their zone, which `collect` replaces by that of the machine.
    return as_python(frame.limit(limit).toArrow())
