"""What a run says of gold: rules that only warn, and input that cannot be read."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from pyspark.sql import SparkSession

from data_platform.build.failures import cause
from data_platform.domains.retail.bronze import order_lines as bronze
from data_platform.domains.retail.gold import daily_sales
from data_platform.domains.retail.silver import order_lines as silver
from data_platform.lake.files import files_by_partition
from data_platform_tests.support.homes import (
    SALES,
    SILVER,
    Home,
    csv,
    home_at,
    key_of,
    shop_lines,
)

DAY, NEXT = "2011-03-01", "2011-03-02"


@pytest.fixture
def home(spark: SparkSession, tmp_path: Path) -> Iterator[Home]:
    with home_at(tmp_path / "home", (bronze, silver, daily_sales)) as home:
        yield home


def test_a_row_that_breaks_a_warning_rule_is_published_and_the_rule_warns(home: Home) -> None:
    rule = "cancelled__less_than_or_equal_to"
    [line] = shop_lines(DAY, 1)
    home.land(key_of(DAY), csv([f"C{line}"]))  # a cancellation that adds to the sales

    assert all(ran.success for ran in home.run())
    warned, of_day = home.check(SALES, rule, None), home.check(SALES, "rules", DAY)

    [row] = home.read(SALES).to_pylist()
    assert row["cancelled"] > 0
    assert home.counts("quarantine/retail/daily_sales").get(DAY, 0) == 0
    assert warned is not None and not warned.passed and not warned.blocking
    assert warned.severity == dg.AssetCheckSeverity.WARN
    assert "1 row in 1 of 1 partition" in (warned.description or "")
    assert of_day is not None and of_day.passed

    home.land(key_of(DAY), csv([f"C{line.replace(',6,', ',-6,')}"]))
    home.run()

    obeyed = home.check(SALES, rule, None)
    [row] = home.read(SALES).to_pylist()
    assert row["cancelled"] < 0
    assert obeyed is not None and obeyed.passed


def test_a_damaged_input_file_is_named_and_leaves_what_was_built_until_it_is_made_again(
    home: Home,
) -> None:
    for day in (DAY, NEXT):
        home.land(key_of(day), csv(shop_lines(day)))
    home.run()
    before, sales = home.versions(), home.read(SALES).to_pylist()
    [file] = files_by_partition(home.platform.lake.load(silver.id), [DAY])[DAY]
    path = Path(file.file_path.removeprefix("file://"))
    path.write_bytes(b"x" * file.file_size_in_bytes)

    ran = home.build(daily_sales, DAY, NEXT)

    assert not ran.success
    [failed] = ran.get_step_failure_events()
    assert path.name in cause(failed.step_failure_data.error)
    assert home.versions() == before
    assert home.read(SALES).to_pylist() == sales

    assert home.build(silver, DAY).success
    assert all(ran.success for ran in home.run())

    changed = home.changed(before)
    assert changed[SILVER] == changed[SALES] == {DAY}
    assert sorted(home.read(SALES).to_pylist(), key=repr) == sorted(sales, key=repr)
    assert home.build(daily_sales, DAY, NEXT).success
