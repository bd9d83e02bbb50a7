from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import functions as F

from data_platform.contracts.contract import Rule
from data_platform.domains.retail.contracts import OrderLine
from data_platform.quality import findings as checks
from data_platform.quality.winners import KEY_NOT_UNIQUE

KEY = "2011-03-04"
COUNTS = st.integers(0, 10_000)


def _rules(received: int, quarantined: int, broken: dict[str, int] | None = None):
    counts = Counter(broken or {})
    return checks.rules_finding(
        OrderLine, KEY, received=received, quarantined=quarantined, broken=counts
    )


@pytest.mark.parametrize(
    ("received", "quarantined", "passed"),
    [
        (100, 0, True),
        (100, 1, True),
        (100, 2, False),
        (199, 2, False),
        (200, 2, True),
        (0, 0, True),
    ],
)
def test_a_share_strictly_above_the_threshold_blocks(
    received: int, quarantined: int, passed: bool
) -> None:
    finding = _rules(received, quarantined)

    assert (finding.passed, finding.blocking, finding.partition) == (passed, True, KEY)


def test_a_threshold_of_zero_blocks_at_any_row() -> None:
    strict = replace(OrderLine, quarantine_threshold=0.0)

    found = checks.rules_finding(strict, KEY, received=10**6, quarantined=1, broken=Counter(x=1))

    assert not found.passed


def test_a_rules_finding_names_the_reasons_most_frequent_first() -> None:
    finding = _rules(100, 3, {"rescued": 1, "quantity.typed": 3})

    expected = "3 of 100 rows quarantined (3.00%; 1.00% allowed): quantity.typed 3, rescued 1"
    assert finding.description == expected
    assert finding.metadata["rules"] == [
        {"rule": "quantity.typed", "rows": 3},
        {"rule": "rescued", "rows": 1},
    ]


def test_a_rules_finding_names_no_warning_among_the_reasons() -> None:
    rules = (Rule("odd", lambda: F.lit(True), severity="warning"),)
    warned = replace(OrderLine, rules=rules, quarantine_threshold=0.5)

    finding = checks.rules_finding(
        warned, KEY, received=512, quarantined=14, broken=Counter({"odd": 400, "rescued": 14})
    )

    expected = "14 of 512 rows quarantined (2.73%; 50.00% allowed): rescued 14"
    assert finding.description == expected
    assert finding.metadata["rules"] == [
        {"rule": "odd", "rows": 400},
        {"rule": "rescued", "rows": 14},
    ]


def test_a_rule_may_be_called_as_a_figure_of_the_finding() -> None:
    finding = _rules(100, 3, {"received": 3})

    assert finding.metadata["received"] == 100
    assert finding.metadata["rules"] == [{"rule": "received", "rows": 3}]


def test_a_repeated_key_blocks_whatever_the_share() -> None:
    assert not _rules(10**6, 1, {KEY_NOT_UNIQUE: 1}).passed


@given(published=COUNTS, quarantined=COUNTS, duplicates=COUNTS, lost=st.integers(-5, 5))
def test_conservation_holds_exactly_where_every_row_is_somewhere(
    published: int, quarantined: int, duplicates: int, lost: int
) -> None:
    finding = checks.conservation_finding(
        KEY,
        received=published + quarantined + duplicates + lost,
        published=published,
        quarantined=quarantined,
        duplicates=duplicates,
        source="bronze/retail/order_lines",
    )

    assert finding.blocking
    assert finding.passed == (lost == 0)
    assert (f"{lost:+d} rows unaccounted for" in finding.description) == (lost != 0)


@pytest.mark.parametrize(
    ("rows", "passed"), [(25, True), (24, False), (400, True), (401, False), (0, False)]
)
def test_volume_warns_of_far_fewer_or_far_more_rows_than_the_median_before(
    rows: int, passed: bool
) -> None:
    history = {f"2011-03-{day:02}": 100 for day in range(1, 8)}

    finding = checks.volume_finding("2011-03-08", rows, {**history, "2011-03-09": 1})

    assert (finding.passed, finding.blocking) == (passed, False)


def test_volume_says_nothing_before_there_is_a_history() -> None:
    history = {f"2011-03-{day:02}": 100 for day in range(2, 9)}

    finding = checks.volume_finding("2011-03-08", 0, history)

    assert finding.passed
    assert "6 partitions before it, 7 needed" in finding.description


def test_volume_compares_with_the_last_28_partitions() -> None:
    old = {f"2011-01-{day:02}": 10_000 for day in range(1, 31)}
    new = {f"2011-02-{day:02}": 10 for day in range(1, 29)}

    assert checks.volume_finding("2011-03-01", 10, {**old, **new}).passed


def test_held_back_inputs_are_a_warning_that_names_them() -> None:
    good = checks.inputs_finding(KEY, {})
    bad = checks.inputs_finding(KEY, {"silver/retail/order_lines": ["2011-03-02", "2011-03-03"]})

    assert (good.passed, good.blocking, bad.passed, bad.blocking) == (True, False, False, False)
    assert "silver/retail/order_lines 2011-03-03" in bad.description


def test_an_unreadable_object_is_named_with_its_error() -> None:
    finding = checks.readable_finding(KEY, {"online_retail/a.csv": "line 3 is not UTF-8"}, 4)

    expected = "1 of 4 objects could not be read: online_retail/a.csv: line 3 is not UTF-8"
    assert (finding.passed, finding.blocking, finding.description) == (False, False, expected)
    assert checks.readable_finding(KEY, {}, 4).passed


def test_every_rule_of_a_contract_has_a_finding_that_never_blocks() -> None:
    broken = {"a": {"quantity.typed": 2}, "b": {}, "c": None, "d": {"quantity.typed": 3}}
    found = checks.rule_findings(OrderLine, broken)
    failed = [finding for finding in found if not finding.passed]

    assert not any(finding.blocking for finding in found)
    assert [finding.check for finding in failed] == ["quantity__typed"]
    assert failed[0].description == (
        "5 rows in 2 of 4 partitions rejected; partitions built before rows were counted by rule: 1"
    )
    assert failed[0].metadata == {
        "rows": 5,
        "partitions": 2,
        "most_rows_in": [{"partition": "d", "rows": 3}, {"partition": "a", "rows": 2}],
    }
    assert len({finding.check for finding in found}) == len(found) > 15
