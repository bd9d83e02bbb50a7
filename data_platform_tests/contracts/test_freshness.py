"""A rule of freshness that cannot be followed is refused, with its table and the way out."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data_platform.contracts.errors import ContractError
from data_platform.contracts.freshness import FreshWithin
from data_platform.domains.retail.bronze import order_lines as received
from data_platform.domains.retail.gold import customer_segments
from data_platform.platform_defs.assembly import definitions
from data_platform.settings.environment import settings_at
from data_platform.tables.expected_days import ExpectedDays
from data_platform_tests.support.contracts import declare

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
UNPARTITIONED = replace(customer_segments, partitions=None, partition_by=())


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (FreshWithin(), "neither warn nor error; give a datetime.timedelta"),
        (FreshWithin(error=6), r"error is a datetime.timedelta, as in timedelta\(hours=6\), not 6"),  # pyright: ignore
        (FreshWithin(warn=-HOUR), "warn is more than nothing and at most ten years"),
        (FreshWithin(error=dt.timedelta.max), "error is more than nothing and at most ten years"),
        (FreshWithin(warn=DAY, error=HOUR), "warns after 1 day.* already; let warn be the shorter"),
        (FreshWithin(error=DAY, by="event"), "by is partitions, publication, landing, not 'event'"),  # pyright: ignore
        (FreshWithin(error=DAY, event_time="at", by="landing"), "by landing and by the column at"),
        (
            FreshWithin(error=DAY, event_time="att"),
            "column att: .*dates or timestamps; there is at",
        ),
        (FreshWithin(error=DAY, event_time="paid"), "column paid: .* there is day, at"),
        (FreshWithin(error=DAY, by="landing"), "nothing lands in this table; .* bronze table"),
        (FreshWithin(error=DAY, days="DE"), "days is an ExpectedDays, not 'DE'"),  # pyright: ignore
        (DAY, "freshness is a FreshWithin, not datetime.timedelta"),
    ],
)
def test_a_wrong_rule_names_the_table_and_what_to_do(rule: Any, message: str) -> None:
    with pytest.raises(ContractError, match=f"contract silver/shop/sales.*{message}"):
        declare(freshness=rule)


@pytest.mark.parametrize("event_time", ["day", "at"])
def test_dates_and_timestamps_are_event_times(event_time: str) -> None:
    rule = FreshWithin(warn=HOUR, error=DAY, event_time=event_time)
    assert declare(freshness=rule).freshness == rule


def test_it_changes_no_row() -> None:
    assert declare(freshness=FreshWithin(error=DAY)).fingerprint == declare().fingerprint


@pytest.mark.parametrize(
    ("table", "rule", "message"),
    [
        (received, FreshWithin(), "neither warn nor error"),
        (received, FreshWithin(error=DAY, event_time="InvoiceDate"), "there is none"),
        (received, FreshWithin(error=DAY, days=ExpectedDays(holidays="XX")), "neither a country"),
        (received, FreshWithin(error=DAY, days=ExpectedDays(timezone="?")), "is not a time zone"),
        (UNPARTITIONED, FreshWithin(error=DAY, by="partitions"), "no partitions of time"),
    ],
)
def test_what_only_the_table_knows_is_refused_when_tables_are_assembled(
    table, rule, message: str, tmp_path: Path
) -> None:
    if table.contract:
        table = replace(table, contract=replace(table.contract, freshness=rule), inputs={})
    with pytest.raises(ContractError, match=f"contract {table.id}.*{message}"):
        definitions([replace(table, freshness=rule)], settings_at(tmp_path))
