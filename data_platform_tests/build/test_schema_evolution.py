"""A table gets another column: what was published keeps its rows, and has no value in it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.contracts.columns import column
from data_platform.contracts.declare import contract
from data_platform.domains.retail.bronze import order_lines as bronze
from data_platform.domains.retail.contracts import OrderLine
from data_platform.domains.retail.landing import COLUMNS
from data_platform.domains.retail.silver import order_lines as silver
from data_platform.landing.formats.csv import Csv
from data_platform.landing.source import Source
from data_platform_tests.support.homes import (
    BRONZE,
    HEADER,
    SILVER,
    Home,
    csv,
    home_at,
    key_of,
    shop_lines,
)

# pandera reads a type and its arguments from the annotation, which is no type to a type checker.
# pyright: reportInvalidTypeForm=false

OLD, NEW = "2011-03-01", "2011-03-02"
QUARANTINE, DUPLICATES = (f"{layer}/retail/order_lines" for layer in ("quarantine", "duplicates"))
LENIENT = replace(OrderLine, quarantine_threshold=0.9)


@contract(
    table=OrderLine.table,
    partition_by=OrderLine.partition_by,
    key=OrderLine.key,
    key_as_received=OrderLine.key_as_received,
    winner=OrderLine.winner,
    rules=OrderLine.rules,
    quarantine_threshold=LENIENT.quarantine_threshold,
    owner=OrderLine.owner,
    version="1.1.0",
)
class WithDozens(OrderLine.model):
    """Order lines that say how many dozens they are."""

    dozens: T.DoubleType = column(nullable=True, description="dozens sold")


def _with_dozens(bronze: DataFrame) -> DataFrame:
    return silver(bronze).withColumn("dozens", F.col("quantity") / 12.0)


@pytest.fixture
def home(spark: SparkSession, tmp_path: Path) -> Iterator[Home]:
    """A day of three rows, one of them twice and another with a field too many."""
    tables = (bronze, replace(silver, contract=LENIENT))
    with home_at(tmp_path / "home", tables) as home:
        lines = shop_lines(OLD)
        home.land(key_of(OLD), csv([*lines, lines[0], f"{lines[1]},extra"]))
        assert all(ran.success for ran in home.run())
        yield home


def _values(home: Home, table: str, name: str, day: str) -> list:
    return home.read(table, day)[name].to_pylist()


def test_a_contract_with_one_more_column_leaves_it_null_where_nothing_was_built_since(
    home: Home,
) -> None:
    before = home.versions()
    dozens = replace(silver, contract=WithDozens, function=_with_dozens)
    home = home.declaring(dozens)
    home.land(key_of(NEW), csv(shop_lines(NEW, units=18)))
    home.record()

    assert home.build(bronze, NEW).success
    assert home.build(dozens, NEW).success

    assert home.changed(before)[SILVER] == {NEW}
    assert _values(home, SILVER, "dozens", OLD) == [None] * 3
    assert _values(home, SILVER, "quantity", OLD) == [6] * 3
    assert _values(home, SILVER, "dozens", NEW) == [1.5] * 3

    assert all(ran.success for ran in home.run())  # what the new contract makes stale
    assert _values(home, SILVER, "dozens", OLD) == [0.5] * 3


def _wider() -> Source:
    return replace(bronze.source, format=Csv(columns=(*COLUMNS, "Channel")))


def test_a_source_with_one_more_column_keeps_the_rows_that_came_without_it(home: Home) -> None:
    home = home.declaring(replace(bronze, source=_wider()))
    lines = [f"{line},web" for line in shop_lines(NEW)]
    content = "\n".join([f"{HEADER},Channel", *lines, lines[0], f"{lines[1]},extra", ""])
    home.land(key_of(NEW), content.encode())

    assert all(ran.success for ran in home.run())

    counts = {BRONZE: 5, SILVER: 3, QUARANTINE: 1, DUPLICATES: 1}
    for table, count in counts.items():
        assert home.counts(table) == {OLD: count, NEW: count}, table
    for table in (BRONZE, QUARANTINE, DUPLICATES):
        assert set(_values(home, table, "Channel", OLD)) == {None}, table
        assert set(_values(home, table, "Channel", NEW)) == {"web"}, table
    assert home.platform.ledger.summary()["failed"] == 0


def test_a_day_built_again_under_a_wider_source_keeps_the_rows_that_it_cannot_read_any_more(
    home: Home,
) -> None:
    before = home.read(BRONZE).to_pylist()
    home = home.declaring(replace(bronze, source=_wider()))

    assert home.build(bronze, OLD).success
    home.run()

    now = home.read(BRONZE)
    assert now.drop_columns(["Channel"]).to_pylist() == before
    assert set(now["Channel"].to_pylist()) == {None}
    assert home.counts(SILVER) == {OLD: 3}
    warned = home.check(BRONZE, "readable", OLD)
    assert warned is not None and not warned.passed
    assert "missing 'Channel'" in (warned.description or "")
    assert home.platform.ledger.summary()["failed"] == 0
