"""What a silver function does to the rows it was given, and what becomes of its partitions."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from data_platform.assets import JudgedTable
from data_platform.domains.retail import bronze, silver
from data_platform.domains.retail.contracts import OrderLine
from data_platform_tests.support.homes import (
    BRONZE,
    SILVER,
    Home,
    csv,
    home_at,
    key_of,
    shop_lines,
)

DAY, OTHER = "2011-03-01", "2011-03-02"
OF_DAY = f"day = DATE'{DAY}'"


@pytest.fixture
def home(spark: SparkSession, tmp_path: Path) -> Iterator[Home]:
    with home_at(tmp_path / "home", (bronze.order_lines, silver.order_lines)) as home:
        yield home


def _silver(change: Callable[[DataFrame], DataFrame]) -> JudgedTable:
    """The order lines with something done to them."""

    def changed(bronze: DataFrame) -> DataFrame:
        return change(silver.order_lines(bronze))

    return replace(silver.order_lines, function=changed)


CHANGES: dict[str, tuple[Callable[[DataFrame], DataFrame], str]] = {
    "lost": (
        lambda lines: lines.where(f"NOT ({OF_DAY} AND _row_number = 1)"),
        "+1 rows unaccounted for: 3 = 2 published + 0 quarantined + 0 duplicates",
    ),
    "added": (
        lambda lines: lines.union(lines.where(OF_DAY)),
        "-3 rows unaccounted for: 3 = 3 published + 0 quarantined + 3 duplicates",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_function_that_loses_or_adds_rows_publishes_nothing_of_their_partition(
    home: Home, change: str
) -> None:
    for day in (DAY, OTHER):
        home.land(key_of(day), csv(shop_lines(day)))
    function, says = CHANGES[change]

    ran, *_ = home.declaring(_silver(function)).run()

    assert not ran.success
    assert f"{DAY}: conservation: {says}" in "\n".join(ran.failures)
    assert home.counts(BRONZE) == {DAY: 3, OTHER: 3}
    assert home.counts(SILVER) == {OTHER: 3}
    wrong, right = (home.check(SILVER, "conservation", day) for day in (DAY, OTHER))
    assert wrong and right and (wrong.passed, right.passed) == (False, True)
    assert wrong.blocking and says in (wrong.description or "")


def test_a_function_that_loses_rows_leaves_the_version_that_has_them(home: Home) -> None:
    home.land(key_of(DAY), csv(shop_lines(DAY)))
    assert all(ran.success for ran in home.run())
    before = home.versions()[SILVER]
    home.land(key_of(DAY, "-late"), csv(shop_lines(DAY, 2, first=10)))

    function, _ = CHANGES["lost"]
    home.declaring(_silver(function)).run()

    assert home.counts(BRONZE) == {DAY: 5}
    assert (home.counts(SILVER), home.versions()[SILVER]) == ({DAY: 3}, before)


def test_rows_of_one_key_are_duplicates_within_a_partition_and_rows_of_their_own_across_two(
    home: Home,
) -> None:
    keyed = replace(OrderLine, key=("InvoiceNo", "StockCode"))
    for day in (DAY, OTHER):
        lines = shop_lines(day, 2)
        repeat = lines[0].replace(",6,", ",7,")
        home.land(key_of(day), csv([*lines, repeat]))

    ran = home.declaring(replace(silver.order_lines, contract=keyed)).run()

    assert all(one.success for one in ran)
    published = [
        (str(row["day"]), row["invoice_no"], row["quantity"])
        for row in home.read(SILVER).to_pylist()
    ]
    first, second = "500000", "500001"
    assert sorted(published) == [(d, n, 6) for d in (DAY, OTHER) for n in (first, second)]
    repeats = home.read("duplicates/retail/order_lines").to_pylist()
    assert sorted(
        (str(row["day"]), row["_row_number"], row["_repeats_object"], row["_repeats_row"])
        for row in repeats
    ) == [(day, 3, key_of(day), 1) for day in (DAY, OTHER)]
