"""All tables of the shop at once, whatever built them: the balance, and what the rules give."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pyarrow as pa

from data_platform.build.platform import Platform
from data_platform.demo.generator import Manifest
from data_platform.demo.report import balance_of
from data_platform.lake.upkeep import browse
from data_platform.tables.identity import TableId
from data_platform_tests.support.homes import BRONZE, SILVER
from data_platform_tests.support.retail import oracle, rules


def read(platform: Platform, table: str) -> pa.Table:
    """All published rows of a table."""
    return browse.rows(platform.lake.load(TableId.parse(table))).read_all()


def require_balance(platform: Platform, manifest: Manifest) -> None:
    """Every received row is somewhere, and as many are published as were generated to be."""
    balance = balance_of(platform)
    assert balance.difference == 0
    assert (balance.received, balance.published) == (manifest.rows, manifest.published)


def require_the_rules(
    platform: Platform, landed: Path, failed: Sequence[str] = (), held_back: Sequence[date] = ()
) -> None:
    """Every table is what an independent computation gives; the objects `failed` cannot be read,
    and the days `held_back` are not published."""
    readable = [row for row in oracle.read(landed) if row.object not in failed]
    silver = oracle.silver(readable)
    rules.require_bronze(read(platform, BRONZE), readable)
    rules.require_silver(read(platform, SILVER), silver, held_back)
    quarantine, duplicates = (
        read(platform, f"{layer}/retail/order_lines") for layer in ("quarantine", "duplicates")
    )
    rules.require_rejected(quarantine, duplicates, silver)
    rules.require_gold(
        lambda name: rules.rows(read(platform, f"gold/retail/{name}")),
        [line for line in silver.published if line.day not in held_back],
    )
