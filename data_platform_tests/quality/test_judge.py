"""Outcomes of rows, in Spark: the frames here are small, and each test is one job."""

import datetime as dt
import json
from dataclasses import replace

import pandera.pyspark as pa
import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.contracts.columns import column
from data_platform.contracts.contract import Contract, Rule
from data_platform.contracts.declare import contract
from data_platform.contracts.winner import greatest, least
from data_platform.quality.judge import built_for, judged, with_received
from data_platform.quality.winners import KEY_NOT_UNIQUE, PLACE
from data_platform.storage.errors import LakeError
from data_platform.tables.outcomes import (
    CONTEXT,
    DATA,
    DUPLICATES,
    NAMED,
    OUTSIDE,
    QUARANTINE,
    SEPARATOR,
)
from data_platform_tests.support.judged_lines import (
    DAY,
    RECEIVED,
    Lines,
    Totals,
    received_lines,
    typed_lines,
)

# pandera reads a type and its arguments from the annotation, which is no type to a type checker.
# pyright: reportInvalidTypeForm=false


def _lines(spark: SparkSession, *rows: tuple[str | None, str | None, str, int]) -> dict[int, Row]:
    """The judged rows by row number."""
    found = judged(typed_lines(received_lines(spark, *rows)), Lines).collect()
    return {row["_row_number"]: row for row in found}


def _names(text: str | None) -> list[str]:
    """The rules that a row breaks, from the text that the writing tasks get."""
    return text.split(SEPARATOR) if text else []


@pytest.mark.parametrize("rules", [600, pytest.param(2000, marks=pytest.mark.soak)])
def test_hundreds_of_rules_are_judged_as_one_is(spark: SparkSession, rules: int) -> None:
    def above(least: int) -> Rule:
        return Rule(f"above_{least}", lambda: F.col("total") > least)

    many = replace(Totals, rules=tuple(map(above, range(rules))))
    frame = spark.createDataFrame(
        [(DAY, "a", rules - 10), (DAY, "b", rules)], "day date, name string, total bigint"
    )

    found = {row["name"]: row for row in judged(frame, many).collect()}

    assert _names(found["a"]["_reasons"]) == [f"above_{n}" for n in range(rules - 10, rules)]
    assert found["b"]["_outcome"] == DATA and _names(found["b"]["_reasons"]) == []


@pytest.mark.connect_only
@pytest.mark.parametrize(
    ("condition", "why"),
    [
        (lambda: F.col("nobody") > 0, "nobody"),
        (lambda: F.initcap("name") == "A", "initcap"),
    ],
)
def test_a_rule_that_sail_refuses_is_named_with_its_table(
    spark: SparkSession, condition, why: str
) -> None:
    refused = replace(
        Totals, rules=(Rule("first", lambda: F.col("total") > 0), Rule("no", condition))
    )
    frame = spark.createDataFrame([(DAY, "a", 1)], "day date, name string, total bigint")

    with pytest.raises(LakeError, match=f"{Totals.table}: the rule no: .*{why}"):
        judged(frame, refused)


def test_every_row_has_one_outcome_and_all_the_reasons(spark: SparkSession) -> None:
    found = _lines(
        spark,
        ("good", "1", "a", 1),
        ("refused", "-1", "a", 2),
        ("not a number", "x", "a", 3),
        ("no amount", None, "a", 4),
        ("large", "100", "a", 5),
        ("refused", "7", "a", 6),
        (None, "2", "a", 7),
    )

    assert {number: row["_outcome"] for number, row in found.items()} == {
        1: DATA,
        2: QUARANTINE,
        3: QUARANTINE,
        4: QUARANTINE,
        5: DATA,
        6: QUARANTINE,
        7: DATA,
    }
    reasons = {number: _names(row["_reasons"]) for number, row in found.items()}
    assert {number: names for number, names in reasons.items() if names} == {
        2: ["amount.greater_than_or_equal_to", "not_refused"],
        3: ["amount.not_null", "amount.typed"],
        4: ["amount.not_null"],
        6: ["amount.not_equal_to", "not_refused"],
    }
    warnings = {number: _names(row["_warnings"]) for number, row in found.items()}
    assert {number: names for number, names in warnings.items() if names} == {5: ["large"]}


def test_only_rejected_rows_carry_what_they_looked_like(spark: SparkSession) -> None:
    found = _lines(spark, ("good", "1", "a", 1), ("bad", " x", "a", 2), ("good", "1", "a", 3))

    assert found[3]["_received"] is None
    assert json.loads(found[2]["_received"])["Amount"] == " x"
    assert json.loads(found[1]["_received"])["Name"] == "good"


def test_a_duplicate_names_the_row_that_it_repeats(spark: SparkSession) -> None:
    found = _lines(
        spark,
        ("tea", "1", "b", 4),
        ("tea", "1", "b", 3),
        ("tea", "1", "a", 9),
        ("tea", "2", "a", 1),
    )

    assert {number: row["_outcome"] for number, row in found.items()} == {
        4: DATA,  # the last row of the last object
        3: DUPLICATES,
        9: DUPLICATES,
        1: DATA,
    }
    for number in (3, 9):
        assert (found[number]["_repeats_object"], found[number]["_repeats_row"]) == ("b", 4)


def test_a_key_as_received_has_null_equal_to_null_and_unlike_the_empty_string(
    spark: SparkSession,
) -> None:
    found = _lines(
        spark,
        (None, "1", "a", 1),
        (None, "1", "a", 2),
        ("", "1", "a", 3),
        ("", "1", "a", 4),
        ("tea", "1", "a", 5),
        ("tea", "01", "a", 6),  # the same when typed, and not as received
        ("tea ", "1", "a", 7),
    )

    outcomes = {number: row["_outcome"] for number, row in found.items()}
    assert outcomes == {1: DUPLICATES, 2: DATA, 3: DUPLICATES, 4: DATA, 5: DATA, 6: DATA, 7: DATA}
    assert found[1]["_repeats_row"] == 2


def test_rules_come_first_so_a_repeat_of_a_broken_row_is_quarantined_too(
    spark: SparkSession,
) -> None:
    found = _lines(spark, ("bad", "-1", "a", 1), ("bad", "-1", "a", 2), ("bad", "-1", "b", 3))

    assert {row["_outcome"] for row in found.values()} == {QUARANTINE}
    assert {_names(row["_reasons"])[0] for row in found.values()} == {
        "amount.greater_than_or_equal_to"
    }


ARRIVALS = [  # amount, object, row number, second in which the ledger recorded the object
    ("5", "late/a", 1, 30),
    ("3", "b", 1, 20),
    ("3", "b", 2, 20),
    (None, "c", 1, 10),
    ("9", "z", 1, 10),
    ("-1", "zz", 1, 40),  # breaks a rule, so it never wins
]


@pytest.mark.parametrize(
    ("winner", "published"),
    [
        ((), ("late/a", 1)),
        ((greatest("_ingested_at"),), ("late/a", 1)),
        ((least("_ingested_at"),), ("z", 1)),  # of the objects of one second the last in name
        ((greatest("amount"),), ("z", 1)),
        ((least("amount"),), ("b", 2)),  # of equal amounts the last row that arrived
        ((least("amount"), least("_row_number")), ("b", 1)),
        ((least("_source_object"), least("_row_number")), ("b", 1)),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_the_winner_is_the_declared_one_and_else_the_last_arrived(
    spark: SparkSession, winner: tuple, published: tuple, turned: bool
) -> None:
    nullable = tuple(
        replace(c, checks=tuple(k for k in c.checks if k.kind != "not_null")) for c in Lines.columns
    )
    by = replace(Lines, key=("Name",), winner=winner, columns=nullable)
    rows = [(DAY, "tea", *row) for row in (ARRIVALS[::-1] if turned else ARRIVALS)]
    bronze = spark.createDataFrame(rows, f"{RECEIVED}, seconds long").withColumn(
        "_ingested_at", F.timestamp_seconds("seconds")
    )

    found = judged(typed_lines(bronze.drop("seconds")), by).collect()

    kept = [row for row in found if row["_outcome"] == DATA]
    assert [(row["_source_object"], row["_row_number"]) for row in kept] == [published]
    repeats = [row for row in found if row["_outcome"] == DUPLICATES]
    assert {(row["_repeats_object"], row["_repeats_row"]) for row in repeats} == {published}


def _rescued(spark: SparkSession, lines: Contract) -> dict[int, Row]:
    rows = [(DAY, "tea", "1", "a", 1, None), (DAY, "tea", "-7,5", "a", 2, "{}")]
    bronze = spark.createDataFrame(rows, f"{RECEIVED}, _rescued string")
    return {row["_row_number"]: row for row in judged(typed_lines(bronze), lines).collect()}


def test_a_row_that_did_not_fit_its_header_is_quarantined(spark: SparkSession) -> None:
    found = _rescued(spark, Lines)

    assert (found[1]["_outcome"], found[1]["_reasons"]) == (DATA, None)
    assert found[2]["_outcome"] == QUARANTINE
    assert _names(found[2]["_reasons"]) == ["amount.not_null", "amount.typed", "rescued"]


def test_a_row_that_did_not_fit_its_header_is_published_where_the_contract_says_so(
    spark: SparkSession,
) -> None:
    keyless = replace(Lines, key=(), rescued="warning", columns=Lines.columns[:2])
    found = _rescued(spark, keyless)

    assert [found[n]["_outcome"] for n in (1, 2)] == [DATA, DATA]
    assert _names(found[2]["_warnings"])[-1] == "rescued"


@contract(table="silver/weather/days", partition_by="day", owner="team:weather", version="1")
class Weather(pa.DataFrameModel):
    """What a careless author types with casts alone."""

    day: T.DateType = column()
    celsius: T.DecimalType(5, 1) = column(source="Name", nullable=True)
    share: T.DecimalType(5, 3) = column(source="Amount", nullable=True, exact=False)


def test_a_lossy_cast_breaks_the_rule_of_its_column(spark: SparkSession) -> None:
    texts = ["-7.5", "-7.50", "-7.55", "-7,5", "99999", " 6", None]
    rows = [(text, "12.345", "a", n) for n, text in enumerate(texts)]
    typed = with_received(received_lines(spark, *rows)).withColumns(
        {
            "celsius": F.col("Name").try_cast("decimal(5,1)"),
            "share": (F.col("Amount").try_cast("decimal(5,1)") / 100).cast("decimal(5,3)"),
        }
    )

    found = {row["_row_number"]: row for row in judged(typed, Weather).collect()}

    broken = {texts[n]: _names(row["_reasons"]) for n, row in found.items() if row["_reasons"]}
    assert broken == {text: ["celsius.typed"] for text in ("-7.55", "-7,5", "99999")}


def test_a_table_without_a_key_keeps_its_repeats(spark: SparkSession) -> None:
    keyless = replace(Lines, key=())
    rows = [("tea", "1", "a", 1), ("tea", "1", "a", 2), ("tea", "-1", "a", 3)]

    found = judged(typed_lines(received_lines(spark, *rows)), keyless).collect()

    assert sorted(row["_outcome"] for row in found) == [DATA, DATA, QUARANTINE]


def test_without_lineage_a_repeated_key_is_a_broken_rule(spark: SparkSession) -> None:
    rows = [(DAY, "tea", 1), (DAY, "tea", 2), (DAY, None, 3), (DAY, None, 4), (DAY, "mug", -5)]
    frame = spark.createDataFrame(rows, "day date, name string, total bigint")

    found = judged(frame, Totals).collect()

    reasons = sorted((_names(row["_reasons"]) or ["good"])[0] for row in found)
    broken = "total.greater_than_or_equal_to"
    assert reasons == sorted(["good", KEY_NOT_UNIQUE, "good", KEY_NOT_UNIQUE, broken])
    assert "_received" not in found[0].asDict()


def test_a_row_of_another_partition_is_rejected_by_the_one_it_was_built_for_or_only_counted(
    spark: SparkSession,
) -> None:
    other = DAY - dt.timedelta(days=1)
    rows = [
        (DAY, "a", 1, DATA.value, None),
        (other, "a", 2, CONTEXT.value, "2011-03-03"),
        (other, "a", -3, QUARANTINE.value, "2011-03-03"),
        (None, "b", 4, QUARANTINE.value, None),
        (DAY, None, 5, DATA.value, None),
    ]
    schema = f"day date, name string, total bigint, {PLACE} int, {NAMED} string"
    frame = spark.createDataFrame(rows, schema).withColumn(built_for("day"), F.lit(DAY))

    found = judged(frame, Totals).collect()

    assert {row["day"] for row in found} == {DAY}
    told = {
        (row["_outcome"], row["name"], row["total"], row[NAMED]): _names(row["_reasons"])
        for row in found
    }
    assert told == {
        (DATA, "a", 1, None): [],
        (DATA, None, 5, None): [],
        (CONTEXT, None, None, None): [],
        (QUARANTINE, "a", -3, "2011-03-03"): ["total.greater_than_or_equal_to", OUTSIDE],
        (QUARANTINE, "b", 4, None): ["day.not_null", OUTSIDE],
    }
