from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal

import pytest
from pyspark.sql import Row, SparkSession

from data_platform.domains.retail.contracts import OrderLine
from data_platform.domains.retail.silver import order_lines
from data_platform.quality.judge import judged
from data_platform.tables.columns import REPEATS_OBJECT, REPEATS_ROW
from data_platform.tables.outcomes import DATA, DUPLICATES, OUTCOME, QUARANTINE, REASONS, SEPARATOR
from data_platform_tests.support.retail import frames, oracle, rules

DAY = date(2011, 3, 4)
GOOD = {
    "InvoiceNo": "536365",
    "StockCode": "85123A",
    "Description": "LANTERN",
    "Quantity": "6",
    "InvoiceDate": "2011-03-04 08:26:00",
    "UnitPrice": "2.55",
    "CustomerID": "17850.0",
    "Country": "EIRE",
}

# What a change of one field of the good row breaks.
BROKEN = [
    ("InvoiceNo", "A563185", {"invoice_no.str_matches"}),
    ("InvoiceNo", "c536365", {"invoice_no.str_matches"}),
    ("InvoiceNo", "5363655", {"invoice_no.str_matches"}),
    ("InvoiceNo", "536365\n", {"invoice_no.str_matches"}),
    ("InvoiceNo", "536365\r", {"invoice_no.str_matches"}),
    ("InvoiceNo", "\t536365", {"invoice_no.str_matches"}),
    ("InvoiceNo", "٥٣٦٣٦٥", {"invoice_no.str_matches"}),
    ("InvoiceNo", None, {"invoice_no.not_null"}),
    ("StockCode", None, {"stock_code.not_null"}),
    ("StockCode", "   ", {"stock_code.str_length"}),
    ("Quantity", None, {"quantity.not_null"}),
    ("Quantity", "0", {"quantity.not_equal_to"}),
    ("Quantity", "-0", {"quantity.not_equal_to"}),
    *(
        ("Quantity", text, {"quantity.typed", "quantity.not_null"})
        for text in ("", " 6", "6 ", "+6", "6.0", "1e3", "6\n", "٦", "2147483648", "-2147483649")
    ),
    ("InvoiceDate", None, {"invoiced_at.not_null"}),
    ("InvoiceDate", "2011-03-05 00:00:00", {"invoiced_on_day"}),
    *(
        ("InvoiceDate", text, {"invoiced_at.typed", "invoiced_at.not_null"})
        for text in (
            "2011-02-30 08:26:00", "2011-03-04 24:00:00", "2011-03-04 23:59:60", "2011-03-04",
            "2011-03-04T08:26:00", "2011-3-4 8:26:00", "2011-03-04 08:26", "2011-03-04 08:26:00Z",
            "2011-03-04 08:26:00.5", "2011-03-04 08:26:00\n",
        )
    ),
    ("UnitPrice", None, {"unit_price.not_null"}),
    ("UnitPrice", "-0.001", {"unit_price.greater_than_or_equal_to"}),
    *(
        ("UnitPrice", text, {"unit_price.typed", "unit_price.not_null"})
        for text in ("", "2.5500", "2,55", ".5", "2.", "1e3", "£2", "1000000000", "NaN", "2.55\n")
    ),
    *(
        ("CustomerID", text, {"customer_id.typed"})
        for text in ("", "-1", "17850.5", "17850.", "guest", " 17850", "2147483648", "17850\n")
    ),
    ("Country", None, {"country.not_null"}),
    ("Country", "", {"country.str_length"}),
]  # fmt: skip

# What a change of one field of the good row gives.
TYPED = [
    ("InvoiceNo", " C536365 ", {"invoice_no": "C536365", "line_type": "cancellation"}),
    ("StockCode", " 85123a", {"stock_code": "85123A", "is_product": True}),
    ("StockCode", "gift_0001_20", {"stock_code": "GIFT_0001_20", "is_product": False}),
    ("StockCode", "8512", {"is_product": False}),
    ("Description", " A\n B ", {"description": "A\n B"}),
    ("Description", "\t", {"description": "\t"}),
    ("Description", "  ", {"description": None}),
    ("Description", "", {"description": None}),
    ("Description", None, {"description": None}),
    ("Quantity", "-2147483648", {"quantity": -(2**31), "line_type": "adjustment"}),
    ("Quantity", "006", {"quantity": 6, "line_type": "sale"}),
    ("InvoiceDate", "2011-03-04 23:59:59", {"invoiced_at": datetime(2011, 3, 4, 23, 59, 59)}),
    ("UnitPrice", "0", {"unit_price": Decimal("0.000")}),
    ("UnitPrice", "-0.0", {"unit_price": Decimal("0.000")}),
    ("UnitPrice", "999999999.999", {"unit_price": Decimal("999999999.999")}),
    ("CustomerID", "17850", {"customer_id": 17850}),
    ("CustomerID", "17850.000", {"customer_id": 17850}),
    ("CustomerID", None, {"customer_id": None}),
    ("Country", " EIRE  ", {"country": "EIRE"}),
]


def _received(changes: Iterable[Mapping[str, str | None]]) -> list[oracle.Received]:
    return [
        oracle.Received(DAY, "o.csv", number, tuple({**GOOD, **change}.values()), False)
        for number, change in enumerate(changes)
    ]


@pytest.fixture
def in_a_distant_zone(spark: SparkSession):
    spark.conf.set("spark.sql.session.timeZone", "Pacific/Kiritimati")
    yield
    spark.conf.set("spark.sql.session.timeZone", "UTC")


def test_what_cannot_be_taken_breaks_the_rule_of_its_column(spark: SparkSession) -> None:
    rows = _received({name: text} for name, text, _ in BROKEN)

    found = {
        row["_row_number"]: set(row[REASONS].split(SEPARATOR))
        for row in _judged(spark, rows)[QUARANTINE]
    }

    for number, (name, text, broken) in enumerate(BROKEN):
        assert found.get(number) == broken, (name, text)
        assert oracle.judge(rows[number])[0] is None, (name, text)


@pytest.mark.usefixtures("in_a_distant_zone")
def test_what_is_taken_is_typed_as_written(spark: SparkSession) -> None:
    rows = _received({name: text} for name, text, _ in TYPED)
    lines = order_lines(frames.bronze(spark, rows)).orderBy("_row_number").collect()

    for (name, text, typed), row, line in zip(TYPED, rows, lines, strict=True):
        assert {column: line[column] for column in typed} == typed, (name, text)
        assert tuple(line[column] for column in oracle.Line._fields) == oracle.judge(row)[0]


def test_a_row_with_several_faults_has_all_their_reasons(spark: SparkSession) -> None:
    row = oracle.Received(DAY, "o.csv", 1, ("A1", "B", None, "0", None, "-1", "", ""), True)

    (quarantined,) = _judged(spark, [row])[QUARANTINE]

    assert quarantined[REASONS].split(SEPARATOR) == [
        "invoice_no.str_matches",
        "quantity.not_equal_to",
        "invoiced_at.not_null",
        "unit_price.greater_than_or_equal_to",
        "customer_id.typed",
        "country.str_length",
        "rescued",
    ]


def test_rows_are_repeats_only_if_all_fields_are_as_received(spark: SparkSession) -> None:
    no_text, empty, other = {"Description": None}, {"Description": ""}, {"CustomerID": "17850"}
    rows = _received([{}, empty, no_text, other, {}, no_text])

    repeats = {row["_row_number"]: row[REPEATS_ROW] for row in _judged(spark, rows)[DUPLICATES]}

    assert repeats == {4: 0, 5: 2}


def test_every_generated_row_ends_where_the_rules_put_it(
    spark: SparkSession, received: list[oracle.Received], expected: oracle.Silver
) -> None:
    outcomes = _judged(spark, received)

    published = [tuple(row[name] for name in oracle.Line._fields) for row in outcomes[DATA]]
    assert sorted(published, key=repr) == sorted(map(tuple, expected.published), key=repr)

    assert {
        (row["_source_object"], row["_row_number"]): rules.broken(row[REASONS].split(SEPARATOR))
        for row in outcomes[QUARANTINE]
    } == {(row.object, row.number): wrong for row, wrong in expected.quarantined}

    repeats = ("_source_object", "_row_number", REPEATS_OBJECT, REPEATS_ROW)
    assert {tuple(row[name] for name in repeats) for row in outcomes[DUPLICATES]} == {
        (row.object, row.number, first.object, first.number) for row, first in expected.duplicates
    }


def _judged(spark: SparkSession, rows: list[oracle.Received]) -> dict[int, list[Row]]:
    """The judged rows by their outcome."""
    outcomes: dict[int, list[Row]] = {DATA: [], QUARANTINE: [], DUPLICATES: []}
    for row in judged(order_lines(frames.bronze(spark, rows)), OrderLine).collect():
        outcomes[row[OUTCOME]].append(row)
    return outcomes
