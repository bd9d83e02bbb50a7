from dataclasses import replace

import dagster as dg
import pytest

from data_platform.definitions import TABLES
from data_platform.domains.retail.bronze import order_lines
from data_platform.platform_defs.jobs import RANGE_END, RANGE_START, run_request, tables_by_job


def test_tables_of_one_kind_of_partition_share_a_job_in_the_order_declared() -> None:
    found = {name: [t.id.name for t in group] for name, group in tables_by_job(TABLES).items()}

    assert found == {
        "retail_daily": ["order_lines", "order_lines", "daily_sales", "product_demand"],
        "retail_monthly": ["customer_segments"],
    }


@pytest.mark.parametrize(
    ("partitions", "name"),
    [
        (None, "retail"),
        (dg.HourlyPartitionsDefinition("2011-01-01-00:00"), "retail_hourly"),
        (dg.WeeklyPartitionsDefinition("2011-01-01"), "retail_weekly"),
        (dg.StaticPartitionsDefinition(["a"]), "retail_order_lines"),
    ],
)
def test_the_job_of_a_table_is_named_by_its_partitions(
    partitions: dg.PartitionsDefinition | None, name: str
) -> None:
    assert list(tables_by_job([replace(order_lines, partitions=partitions)])) == [name]


def test_a_run_covers_its_keys_with_one_range() -> None:
    request = run_request("retail_daily", ["2011-03-01", "2011-03-09"], run_key="k")

    assert request.tags[RANGE_START] == "2011-03-01"
    assert request.tags[RANGE_END] == "2011-03-09"


def test_a_run_of_a_table_without_partitions_has_no_range() -> None:
    assert RANGE_START not in run_request("retail", [""], run_key="k").tags
