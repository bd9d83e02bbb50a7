"""What a contract says of its table, and which of it changes what is built."""

import subprocess
import sys
from typing import Any

import pytest
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.contracts.columns import column
from data_platform.contracts.compile import compile_rules
from data_platform.contracts.contract import Retention, Rule
from data_platform.contracts.winner import greatest, least, total
from data_platform_tests.support.contracts import always, declare, model


def test_a_contract_describes_its_table():
    sales = declare(partition_by="day", key=("day", "line"))
    assert (sales.layer, sales.domain, sales.name) == ("silver", "shop", "sales")
    assert sales.description == "A sale.\n\nOne row per line."
    assert (sales.partition_by, sales.key) == (("day",), ("day", "line"))
    assert sales.winner == ()
    assert sales.retention == Retention(days=30, snapshots=200)
    assert [(c.name, c.sensitivity, c.source) for c in sales.columns] == [
        ("day", "internal", None),
        ("line", "internal", "Line"),
        ("paid", "internal", None),
        ("buyer", "personal", None),
        ("at", "internal", None),
    ]


def test_a_winner_has_a_direction_and_a_plain_name_says_greatest():
    declared = declare(key=("day",), winner=("line", least("paid"), greatest("_ingested_at")))
    assert [(one.column, one.greatest) for one in declared.winner] == [
        ("line", True),
        ("paid", False),
        ("_ingested_at", True),
    ]
    assert [(one.column, one.greatest) for one in total(declared.winner)] == [
        ("line", True),
        ("paid", False),
        ("_ingested_at", True),
        ("_source_object", True),
        ("_row_number", True),
    ]
    turned = declare(key=("day",), winner=("line", greatest("paid"), greatest("_ingested_at")))
    assert turned.fingerprint != declared.fingerprint


def test_a_key_as_received_names_columns_of_bronze():
    assert declare(key=("Line", "Day"), key_as_received=True).key == ("Line", "Day")


def test_the_fingerprint_tells_rules_and_columns_but_not_words():
    plain = declare(model(field=column(isin=["a", "b"]), annotation=T.StringType)).fingerprint
    assert plain == "f5d0e0006375db11"  # or every partition would look stale
    reworded = model(T.StringType, column(isin=["b", "a"], description="x", sensitivity="public"))
    assert declare(reworded, owner="team:other", retention=Retention(days=1)).fingerprint == plain
    changed = [
        declare(model(T.StringType, column(isin=["a", "c"]))),
        declare(model(T.StringType, column(isin=["a", "b"], nullable=True))),
        declare(model(T.StringType, column(isin=["a", "b"])), version="2"),
        declare(model(T.StringType, column(isin=["a", "b"])), key=("v",)),
        declare(model(T.StringType, column(isin=["a", "b"])), quarantine_threshold=0.5),
        declare(model(T.StringType, column(isin=["a", "b"])), warn=("v.isin",)),
        declare(model(T.StringType, column(isin=["a", "b"])), rules=(Rule("r", always),)),
    ]
    assert len({plain, *(other.fingerprint for other in changed)}) == len(changed) + 1


def test_the_fingerprint_tells_what_becomes_of_rescued_rows_and_of_inexact_values():
    exact = declare(model(field=column(source="V")))
    told = [
        exact,
        declare(model(field=column(source="V", exact=False))),
        declare(model(field=column(source="V")), rescued="warning"),
    ]
    assert len({each.fingerprint for each in told}) == 3
    assert declare(model(field=column(source="V")), rescued="blocking").fingerprint == (
        exact.fingerprint
    )


def test_only_silver_tables_have_rows_that_came_from_a_file():
    gold = declare(model(), table="gold/shop/sales")
    assert (declare().rescued, gold.rescued) == ("blocking", None)
    assert [rule.name for rule in compile_rules(declare(model()))] == ["v.not_null", "rescued"]
    assert [rule.name for rule in compile_rules(gold)] == ["v.not_null"]


def test_the_fingerprint_has_what_a_rule_says():
    def ruled(expression: Any) -> str:
        return declare(rules=(Rule("r", expression),)).fingerprint

    plain = ruled(lambda: F.col("line") > 1)

    assert (
        ruled(
            lambda: (
                F.col("line") > 1  # the same in other lines
            )
        )
        == plain
    )
    assert ruled(lambda: F.col("line") > 2) != plain


@pytest.mark.parametrize(
    ("tiers", "message"),
    [
        ({"GLACIER": 90}, "not at once from GLACIER"),
        ({"STANDARD_IA": 30, "DEEP_ARCHIVE": 365}, "not at once from DEEP_ARCHIVE"),
        ({"STANDARD_IA": 29}, "to STANDARD_IA on day 30 at the earliest"),
        ({"STANDARD_IA": 90, "GLACIER_IR": 119}, "to GLACIER_IR after that on day 120"),
        (
            {"STANDARD_IA": 30, "INTELLIGENT_TIERING": 59},
            "INTELLIGENT_TIERING after that on day 60",
        ),
        ({"INTELLIGENT_TIERING": 5, "GLACIER_IR": 5}, "to GLACIER_IR after that on day 6"),
        ({"GLACIER_IR": -1}, "to GLACIER_IR on day 0"),
        ({"GLACIER_IR": 30, "STANDARD_IA": 90}, "never back"),
        ({"INTELLIGENT_TIERING": 30, "STANDARD_IA": 90}, "never back"),
    ],
)
def test_storage_classes_that_a_table_cannot_live_in_are_refused(
    tiers: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Retention(tiers=tiers)


@pytest.mark.parametrize(
    "tiers",
    [
        {},
        {"INTELLIGENT_TIERING": 0},
        {"GLACIER_IR": 1},
        {"INTELLIGENT_TIERING": 0, "GLACIER_IR": 1},
        {"STANDARD_IA": 30, "INTELLIGENT_TIERING": 60, "GLACIER_IR": 61},
    ],
)
def test_storage_classes_are_declared_as_s3_takes_them(tiers: dict[str, int]) -> None:
    assert Retention(tiers=tiers).tiers == tiers


def test_storage_classes_do_not_change_what_is_built() -> None:
    """Nobody rebuilds a year because its files move."""
    moved = declare(retention=Retention(tiers={"GLACIER_IR": 90}))

    assert moved.fingerprint == declare().fingerprint


def test_a_contract_is_described_without_an_engine() -> None:
    code = (
        "import sys\n"
        "from data_platform.contracts import consistency, contract, winner\n"
        "found = {'pyspark', 'pandera', 'dagster'} & {name.split('.')[0] for name in sys.modules}\n"
        "sys.exit(', '.join(sorted(found)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
