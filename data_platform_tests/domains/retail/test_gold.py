from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from pyspark.sql import SparkSession

from data_platform.domains.retail.contracts import CustomerSegment, DailySales, ProductDemand
from data_platform.domains.retail.gold import customer_segments, daily_sales, product_demand
from data_platform_tests.support.retail import frames, oracle
from data_platform_tests.support.retail.frames import line

MONTHS = (*(date(2011, month, 1) for month in (2, 3, 4, 5)), date(2012, 3, 1), date(2013, 1, 1))


def _days(first: date, last: date) -> tuple[date, ...]:
    return tuple(first + timedelta(days=n) for n in range((last - first).days + 1))


def _daily_sales(spark: SparkSession, lines: Iterable[oracle.Line]) -> list[tuple]:
    return frames.rows(daily_sales(frames.silver(spark, lines)), DailySales)


def _segments(spark: SparkSession, lines: Iterable[oracle.Line], *months: date) -> list[tuple]:
    return frames.rows(
        customer_segments(frames.silver(spark, lines), partitions=months), CustomerSegment
    )


def _demand(spark: SparkSession, lines: Iterable[oracle.Line], *days: date) -> dict:
    table = frames.rows(product_demand(frames.silver(spark, lines), partitions=days), ProductDemand)
    demand = {row[:2]: row[2:] for row in table}
    assert len(demand) == len(table)
    return demand


def _assert_same_demand(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    for key, (units, days, mean, deviation, spike) in expected.items():
        row = found[key]
        assert (row[0], row[1], row[4]) == (units, days, spike), key
        assert _close(row[2], mean) and _close(row[3], deviation), (key, row)


def _close(found: float | None, expected: float | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return math.isclose(found, expected, rel_tol=1e-12)


def test_daily_sales_are_the_oracles(spark: SparkSession, lines: list[oracle.Line]) -> None:
    found = _daily_sales(spark, lines)

    assert len(found) == len(set(found))
    assert set(found) == oracle.daily_sales(lines)


def test_customer_segments_are_the_oracles(spark: SparkSession, lines: list[oracle.Line]) -> None:
    found = _segments(spark, lines, *MONTHS)

    assert len(found) == len(set(found))
    assert set(found) == oracle.customer_segments(lines, MONTHS)
    # A month before the first sale and one a year after the last have no customers.
    assert {row[0] for row in found} == set(MONTHS[1:-1])


def test_product_demand_is_the_oracles(spark: SparkSession, lines: list[oracle.Line]) -> None:
    found = _demand(spark, lines, *_days(date(2011, 3, 1), date(2011, 4, 30)))

    _assert_same_demand(found, oracle.product_demand(lines))
    assert any(row[4] for row in found.values())


def test_demand_is_exact_over_gaps_of_any_length(spark: SparkSession) -> None:
    random = Random(3)
    gaps = [random.choice((1, 1, 1, 1, 2, 3, 5, 20, 89, 90, 91, 92)) for _ in range(150)]
    days = [date(2011, 1, 1) + timedelta(days=sum(gaps[:n])) for n in range(len(gaps))]
    # Among them days on which nothing but a cancellation, or no product, was on an invoice.
    codes = ("22423", "22424", "22425", "POST")
    lines = [
        line(day, code, quantity=random.choice((1, 2, 60, 2**31 - 1)))
        for day in days
        for code in random.choices(codes, k=random.randrange(1, 6))
    ]
    lines += [line(day, quantity=-1, line_type="cancellation") for day in days[::7]]

    found = _demand(spark, lines, *days)

    _assert_same_demand(found, oracle.product_demand(lines))


def test_a_day_built_alone_is_the_day_built_in_a_range(
    spark: SparkSession, lines: list[oracle.Line]
) -> None:
    day = max(line.day for line in lines) - timedelta(days=3)
    known = [line for line in lines if day - timedelta(days=90) <= line.day <= day]

    _assert_same_demand(_demand(spark, known, day), oracle.product_demand(lines, [day]))


def test_the_seventh_trading_day_before_makes_a_spike_possible(spark: SparkSession) -> None:
    usual = [line(f"2011-03-0{n}", quantity=10) for n in range(1, 8)]
    early, late = line("2011-03-07", "22424", quantity=50), line("2011-03-08", quantity=50)
    at_the_mean = [line(f"2011-03-0{n}", "22425", quantity=50) for n in range(1, 9)]

    found = _demand(spark, [*usual, early, late, *at_the_mean], *_days(early.day, late.day))

    assert found[late.day, "22423"] == (50, 7, 10.0, 0.0, True)
    assert found[early.day, "22424"] == (50, 6, 0.0, 0.0, False)
    assert found[late.day, "22425"] == (50, 7, 50.0, 0.0, False)


def test_without_days_before_there_is_no_mean(spark: SparkSession) -> None:
    lines = [line("2011-01-01"), line("2011-04-02"), line("2011-04-03"), line("2011-04-03", "POST")]

    found = _demand(spark, lines, *_days(date(2011, 1, 1), date(2011, 4, 3)))

    assert found == {
        (date(2011, 1, 1), "22423"): (1, 0, None, None, False),
        (date(2011, 4, 2), "22423"): (1, 0, None, None, False),
        (date(2011, 4, 3), "22423"): (1, 1, 1.0, None, False),
    }


def test_a_country_with_only_charges_or_returns_has_zeros_and_no_nulls(spark: SparkSession) -> None:
    lines = [
        line("2011-03-04", "POST", quantity=2, unit_price=Decimal("18.005")),
        line("2011-03-04", "M", quantity=-1, line_type="cancellation"),
        line("2011-03-04", country="Spain", quantity=-3, line_type="cancellation"),
        line("2011-03-04", country="Italy", quantity=-3, line_type="adjustment"),
    ]

    assert set(_daily_sales(spark, lines)) == {
        (date(2011, 3, 4), country, 0, 0, 0, 0, Decimal(cancelled), Decimal(cancelled), charges)
        for country, cancelled, charges in (
            ("EIRE", 0, Decimal("35.010")),
            ("Spain", -3, 0),
            ("Italy", 0, 0),
        )
    }


def test_a_sum_that_money_cannot_hold_is_null_and_stops_no_other_day(spark: SparkSession) -> None:
    """Null is what `gross_sales.not_null` holds the day back for; the others are published."""
    lines = [
        line("2011-03-04", quantity=2_000_000, unit_price=Decimal("999999999.999")),
        line("2011-03-05", quantity=1, unit_price=Decimal(2)),
    ]

    found = {row[0]: row[5] for row in _daily_sales(spark, lines)}

    assert found == {date(2011, 3, 4): None, date(2011, 3, 5): Decimal(2)}


def test_equal_customers_are_scored_by_their_number(spark: SparkSession) -> None:
    lines = [line("2011-03-04", customer_id=number) for number in (7, 3, 5, 1, 9, 8)]

    found = _segments(spark, lines, date(2011, 3, 1))

    assert {row[1]: row[5:8] for row in found} == {
        1: (1, 1, 1), 3: (1, 1, 1), 5: (2, 2, 2), 7: (3, 3, 3), 8: (4, 4, 4), 9: (5, 5, 5),
    }  # fmt: skip


def test_the_twelve_months_end_with_the_month_and_count_an_invoice_once(
    spark: SparkSession,
) -> None:
    lines = [
        line("2011-02-28", invoice_no="536364"),
        line("2011-03-01", invoice_no="536365"),
        line("2012-02-29", invoice_no="536365", quantity=2),
        line("2012-03-01", invoice_no="536366"),
        line("2012-02-01", customer_id=None),
        line("2012-02-01", "POST", customer_id=1),
    ]

    found = _segments(spark, lines, date(2012, 2, 1))

    assert found == [(date(2012, 2, 1), 17850, 0, 1, Decimal(3), 1, 1, 1, "lost")]
