"""A drop: what is said before, and that everything agrees after it that nothing was ever built."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.contracts.contract import Rule
from data_platform.contracts.schema import column_type, schema_of
from data_platform.domains.retail.bronze import order_lines as bronze
from data_platform.domains.retail.gold import daily_sales
from data_platform.domains.retail.silver import order_lines as silver
from data_platform.operations.dropping import apply_drop, plan_drop
from data_platform.operations.repair import stale_partitions
from data_platform.runs.in_process import TablesBusy
from data_platform.runs.liveness import hold
from data_platform.storage.errors import LakeError
from data_platform.tables.identity import TableId
from data_platform_tests.support.homes import (
    BRONZE,
    SALES,
    SILVER,
    Home,
    csv,
    home_at,
    key_of,
    shop_lines,
)

DAYS = ("2011-03-07", "2011-03-08")
QUARANTINE = "quarantine/retail/order_lines"


def _said(home: Home, table: str, partition: str | None = None) -> str:
    """What a drop of it says before and after."""
    planned = plan_drop(home.platform, home.tables, TableId.parse(table), partition)
    done = apply_drop(home.scope, planned)
    return "\n".join([*planned.lines, *done.lines])


@pytest.fixture
def home(spark: SparkSession, tmp_path: Path) -> Iterator[Home]:
    """Two days that landed, and nothing built."""
    with home_at(tmp_path / "home", (bronze, silver, daily_sales)) as home:
        for day in DAYS:
            home.land(key_of(day), csv(shop_lines(day)))
        yield home


def _all_is_right(home: Home) -> None:
    assert home.counts(BRONZE) == home.counts(SILVER) == dict.fromkeys(DAYS, 3)
    assert home.counts(SALES) == dict.fromkeys(DAYS, 1)
    assert stale_partitions(home.platform, home.tables) == []
    assert home.platform.ledger.summary()["loaded"] == len(DAYS)


def test_a_wrong_first_declaration_is_undone_by_dropping_what_it_made(home: Home) -> None:
    wrong = replace(home, tables=(replace(bronze, partition_by=("landed",)),))
    assert all(ran.success for ran in wrong.run())
    assert wrong.counts(BRONZE) == dict.fromkeys(DAYS, 3)
    home.land(key_of(DAYS[0]), csv(shop_lines(DAYS[0])) + b"\n")
    refused = [why for ran in home.run() for why in ran.failures]
    assert any(f"`data-platform drop {BRONZE}`" in why for why in refused)

    said = _said(home, BRONZE)

    assert f"drops {BRONZE}: 6 rows" in said
    assert "to be loaded again by the next run: " in said
    assert f"{SILVER} depends on it" in said and f"{SALES} depends on it" in said
    assert home.platform.ledger.summary()["pending"] == len(DAYS)
    assert home.materialized(BRONZE) == {}
    assert all(ran.success for ran in home.run())
    _all_is_right(home)


def test_a_table_that_was_first_declared_with_a_wrong_type_is_undone_by_dropping_it(
    home: Home,
) -> None:
    contract = silver.contract
    assert contract
    columns = tuple(
        replace(each, type=column_type(T.DecimalType(14, 3))) if each.name == "unit_price" else each
        for each in contract.columns
    )

    def typed_otherwise(bronze: DataFrame) -> DataFrame:
        return silver(bronze).withColumn("unit_price", F.col("unit_price").cast("decimal(14,3)"))

    never = replace(contract, columns=columns, rules=(Rule("never", lambda: F.lit(False), "no"),))
    wrong = replace(
        home, tables=(bronze, replace(silver, function=typed_otherwise, contract=never))
    )
    assert not any(ran.success for ran in wrong.run())
    assert wrong.counts(SILVER) == {} and wrong.platform.lake.exists(TableId.parse(SILVER))
    refused = [why for ran in home.run() for why in ran.failures]
    assert any(f"`data-platform drop {SILVER}`" in why for why in refused), refused

    said = _said(home, SILVER)

    assert f"drops {SILVER}: 0 rows" in said and f"{SALES} depends on it" in said
    assert all(ran.success for ran in home.run())
    _all_is_right(home)


def test_a_partition_that_was_never_built_is_not_dropped(home: Home) -> None:
    home.platform.lake.ensure(silver.id, schema_of(silver.contract), ("day",))  # type: ignore[union-attr]
    with pytest.raises(LakeError, match="2011-03-09 was never built: there is nothing to drop"):
        plan_drop(home.platform, home.tables, silver.id, "2011-03-09")


def test_a_dropped_table_or_partition_is_built_again_as_it_was(home: Home) -> None:
    home.run()
    _all_is_right(home)

    said = _said(home, SILVER, DAYS[0])
    assert f"drops partition {DAYS[0]} of {SILVER}: 3 rows" in said
    assert home.counts(SILVER) == {DAYS[1]: 3}
    assert set(home.materialized(SILVER)) == {DAYS[1]}
    assert [
        (row["table"], row["partition"]) for row in stale_partitions(home.platform, home.tables)
    ] == [(SILVER, DAYS[0])]
    assert all(ran.success for ran in home.run())
    _all_is_right(home)

    _said(home, SALES)
    assert not home.platform.lake.exists(TableId.parse(SALES))
    assert all(ran.success for ran in home.run())
    _all_is_right(home)

    home.unland(key_of(DAYS[0]))
    home.run()  # which sees that it is gone
    said = _said(home, BRONZE, DAYS[0])
    assert (
        "LOST: the rows of 1 object, gone from the landing place" in said
        and key_of(DAYS[0]) in said
    )
    assert home.counts(BRONZE) == {DAYS[1]: 3}
    home.run()
    assert home.counts(SILVER)[DAYS[0]] == 3  # what was built from it stays until there is another
    home.land(key_of(DAYS[0]), csv(shop_lines(DAYS[0])))
    assert all(ran.success for ran in home.run())
    _all_is_right(home)


def test_the_rows_of_a_forgotten_object_leave_all_that_is_built_from_it(home: Home) -> None:
    other = key_of(DAYS[1], "-late")
    home.land(other, csv(shop_lines(DAYS[1], 2, first=7)))
    home.run()
    assert home.counts(SILVER) == {DAYS[0]: 3, DAYS[1]: 5}
    ledger = home.platform.ledger

    ledger.forget(entry.id for entry in ledger.known([key_of(DAYS[0]), other]))
    assert all(ran.success for ran in home.run())

    expected = {DAYS[0]: 0, DAYS[1]: 3}
    assert home.counts(BRONZE) == home.counts(SILVER) == expected
    assert home.counts(SALES) == {DAYS[0]: 0, DAYS[1]: 1}
    assert home.run() == []


def test_what_cannot_be_dropped_is_refused(home: Home) -> None:
    for table, why in (
        ("gold/retail/nothing", "no code declares it"),
        (QUARANTINE, "another table rejected"),
    ):
        with pytest.raises(LakeError, match=why):
            plan_drop(home.platform, home.tables, TableId.parse(table), None)
    home.record()
    planned = plan_drop(home.platform, home.tables, bronze.id, None)  # declared, and not there
    request = home.instance.add_run(
        dg.DagsterRun(job_name="retail_daily", status=dg.DagsterRunStatus.STARTED)
    )
    with hold(home.platform, request.run_id), pytest.raises(TablesBusy):
        apply_drop(home.scope, planned)
