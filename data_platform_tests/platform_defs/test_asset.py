"""What a table cannot be declared as: refused when definitions load, not when a run fails."""

from dataclasses import replace

import dagster as dg
import pytest
from pyspark.sql import DataFrame

from data_platform.assets import gold
from data_platform.contracts.errors import DeclarationError
from data_platform.domains.retail.bronze import order_lines
from data_platform.domains.retail.contracts import ProductDemand
from data_platform.domains.retail.partitions import daily
from data_platform.domains.retail.silver import order_lines as typed_lines
from data_platform.quality.mapping import trailing
from data_platform_tests.support.asset_alone import asset_alone


def test_one_table_as_two_inputs_is_refused_by_name() -> None:
    lines = "silver/retail/order_lines"
    back = trailing(days=9, of=lines)

    @gold(contract=ProductDemand, partitions=daily, ins={"now": lines, "before": back})
    def compared(now: DataFrame, before: DataFrame) -> DataFrame:
        return now

    with pytest.raises(
        DeclarationError, match=f"product_demand: its inputs now and before.*{lines}"
    ):
        _ = asset_alone(compared)


@pytest.mark.parametrize(
    "partitions",
    [
        dg.DailyPartitionsDefinition("2011-03-01", hour_offset=6),
        dg.DailyPartitionsDefinition("2011-03-01", minute_offset=30),
        dg.MonthlyPartitionsDefinition("2011-03-01", hour_offset=6),
    ],
)
def test_partitions_of_a_date_that_do_not_begin_at_midnight_are_refused(
    partitions: dg.PartitionsDefinition,
) -> None:
    with pytest.raises(DeclarationError, match=r"silver/retail/order_lines.*column day is a date"):
        _ = asset_alone(replace(typed_lines, partitions=partitions))


@pytest.mark.parametrize(
    "partitions",
    [
        dg.HourlyPartitionsDefinition("2011-03-01-00:00", minute_offset=30),
        dg.WeeklyPartitionsDefinition("2011-03-01", day_offset=1),
        dg.TimeWindowPartitionsDefinition(
            cron_schedule="@daily", start="2011-03-01", fmt="%Y-%m-%d"
        ),
        dg.StaticPartitionsDefinition(["a"]),
    ],
)
def test_other_partitions_are_taken(partitions: dg.PartitionsDefinition) -> None:
    assert asset_alone(replace(order_lines, partitions=partitions)).partitions_def == partitions
