"""What a declaration says of rows is in its version: each field of it is, or is known not to be."""

import datetime as dt
from dataclasses import fields, replace
from typing import Any

import dagster as dg
import pandera.pyspark as pa
import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.assets import Table, bronze, gold
from data_platform.contracts.columns import column
from data_platform.contracts.contract import Contract, Retention, Rule
from data_platform.contracts.declare import contract
from data_platform.contracts.freshness import FreshWithin
from data_platform.contracts.winner import greatest
from data_platform.landing.formats.csv import Csv
from data_platform.landing.source import Source, day
from data_platform.quality.mapping import trailing
from data_platform.tables.identity import TableId

# pandera reads a type and its arguments from the annotation, which is no type to a type checker.
# pyright: reportInvalidTypeForm=false

DAILY = dg.DailyPartitionsDefinition("2011-03-01")
FORMAT = Csv(("sku", "amount"))
SHOP = Source("shop", "shop/", r"shop/(\d{4}-\d{2}-\d{2})\.csv", "bronze/shop/sales", FORMAT)


def next_day(text: str) -> str:
    return day(text[:-1] + "9")


@contract(table="gold/shop/days", partition_by="day", key=("day",), owner="team:shop", version="1")
class Days(pa.DataFrameModel):
    """What was sold on a day."""

    day: T.DateType = column(description="the day")
    units: T.LongType = column(ge=0, description="how many")


@contract(
    table="gold/shop/merged", merge_on=("sku",), latest=("at",), owner="team:shop", version="1"
)
class Merged(pa.DataFrameModel):
    """What was sold."""

    sku: T.StringType = column(description="the article")
    at: T.LongType = column(description="when")


@gold(contract=Days, partitions=DAILY, ins={"sales": trailing(days=3)})
def days(sales: DataFrame, returns: DataFrame) -> DataFrame:
    """What was sold on a day."""
    return sales.union(returns)


def other(sales: DataFrame, returns: DataFrame) -> DataFrame:
    return returns.union(sales)


def received(source: Source) -> Table:
    return bronze(source=source, partitions=DAILY, owner="team:shop", description="Received.")


def declaring(declared: Contract) -> Table:
    return replace(days, contract=declared)


# By class: what it is declared with, the table that makes of it, what changes, and what says
# nothing of any row.
CSV = (
    FORMAT,
    lambda csv: received(replace(SHOP, format=csv)),
    {"columns": ("sku", "amount", "more"), "encoding": "cp1252", "delimiter": ";"},
    {},
)
SOURCE = (
    SHOP,
    received,
    {
        "prefix": "",
        "pattern": r"shop/(\d{4}-\d{2}-\d{2})(-late)?\.csv",
        "format": Csv(("sku",)),
        "partition": next_day,
        "version": "2",
    },
    {
        "name": "what the ledger calls it",
        "table": "where the rows go: another table has versions of its own",
        "meaning": "of `partition`",
    },
)
CONTRACT = (
    Days,
    declaring,
    {
        "columns": Days.columns[:1],
        "partition_by": (),
        "key": (),
        "key_as_received": True,
        "winner": (greatest("units"),),
        "rules": (Rule("few", lambda: F.col("units") < 9),),
        "quarantine_threshold": 0.5,
        "rescued": "warning",
        "version": "2",
        "lineage": True,
    },
    {
        "table": "another table has versions of its own",
        "model": "its `columns`",
        "warn": "the severity of the checks in `columns`",
        "merge_on": "of a merged table, below",
        "latest": "of a merged table, below",
        "arrival": "of a merged table, below",
        "description": "words",
        "owner": "a person",
        "retention": "how long what was replaced is readable",
        "freshness": "how old it may be",
    },
)
MERGED = (
    Merged,
    declaring,
    {"merge_on": ("at",), "latest": ("sku",), "arrival": False},
    CONTRACT[2] | CONTRACT[3],
)
TABLE = (
    days,
    lambda table: table,
    {
        "partitions": dg.DailyPartitionsDefinition("2011-03-01", timezone="Europe/Berlin"),
        "partition_by": ("units",),
        "function": other,
        "contract": replace(Days, version="2"),
        "whole_range": True,
        "outside": "warning",
        "inputs": {"sales": days.inputs["returns"], "returns": days.inputs["sales"]},
        "ins": {"returns": trailing(days=3)},
    },
    {
        "id": "another table has versions of its own",
        "owner": "a person",
        "description": "words",
        "retention": "how long what was replaced is readable",
        "freshness": "how old it may be",
        "meaning": "of `function`",
        "source": "of bronze alone",
    },
)
RECEIVED = (
    received(SHOP),
    lambda table: table,
    {
        "partitions": TABLE[2]["partitions"],
        "partition_by": ("at",),
        "source": replace(SHOP, version="2"),
        "inputs": days.inputs,
        "ins": TABLE[2]["ins"],
    },
    {name: TABLE[3][name] for name in ("id", "owner", "description", "retention", "freshness")}
    | {"contract": "of judged tables alone"},
)
DECLARED = {
    "csv": CSV,
    "source": SOURCE,
    "contract": CONTRACT,
    "merged": MERGED,
    "table": TABLE,
    "received": RECEIVED,
}
CHANGES = [
    pytest.param(kind, name, id=f"{kind}.{name}")
    for kind, (_, _, changes, _) in DECLARED.items()
    for name in changes
]
OTHERWISE: dict[str, Any] = {
    "owner": "team:other",
    "description": "Other words.",
    "retention": Retention(days=9),
    "freshness": FreshWithin(error=dt.timedelta(days=1)),
    "name": "other",
    "id": TableId.parse("gold/shop/other"),
    "table": "bronze/shop/other",
}


@pytest.mark.parametrize("kind", DECLARED)
def test_each_field_of_a_declaration_is_known_to_change_rows_or_not_to(kind: str) -> None:
    declared, _, changes, says_nothing = DECLARED[kind]
    assert {field.name for field in fields(declared)} == changes.keys() | says_nothing.keys()


@pytest.mark.parametrize(("kind", "field"), CHANGES)
def test_what_changes_rows_changes_the_version(kind: str, field: str) -> None:
    declared, table, changes, _ = DECLARED[kind]
    assert table(replace(declared, **{field: changes[field]})).version != table(declared).version


@pytest.mark.parametrize("kind", ["source", "contract", "table"])
def test_what_changes_no_row_does_not(kind: str) -> None:
    declared, table, _, says_nothing = DECLARED[kind]
    for field in says_nothing.keys() & OTHERWISE.keys():
        assert table(replace(declared, **{field: OTHERWISE[field]})).version == (
            table(declared).version
        )


def test_partitions_that_begin_elsewhere_hold_the_same_rows() -> None:
    later = dg.DailyPartitionsDefinition("2012-03-01")
    assert replace(days, partitions=later).version == days.version
