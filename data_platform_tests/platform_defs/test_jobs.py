from dataclasses import replace

import dagster as dg
import pytest

from data_platform.contracts.errors import DeclarationError
from data_platform.domains.retail.bronze import order_lines
from data_platform.domains.retail.silver import order_lines as typed_lines
from data_platform.platform_defs.jobs import jobs
from data_platform.runs.requests import range_tags, run_request, tables_by_job
from data_platform.runs.tags import RANGE_END, RANGE_START
from data_platform_tests.support.tables import TABLES

SHOPS = dg.StaticPartitionsDefinition(["york", "leeds", "bath"])
DAYS = dg.DailyPartitionsDefinition("2011-03-01", end_date="2011-03-05")


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


@pytest.mark.parametrize(
    ("partitions", "keys"),
    [
        (SHOPS, ["bath", "york"]),
        (SHOPS, ["leeds"]),
        (DAYS, ["2011-03-02", "2011-03-04"]),
        (dg.MultiPartitionsDefinition({"day": DAYS, "shop": SHOPS}),
         ["2011-03-01|york", "2011-03-03|bath", "2011-03-04|leeds"]),
    ],
)  # fmt: skip
def test_a_range_covers_its_keys_in_whatever_order_they_are_declared(
    partitions: dg.PartitionsDefinition, keys: list[str]
) -> None:
    tags = range_tags(keys, partitions)
    span = dg.PartitionKeyRange(tags[RANGE_START], tags[RANGE_END])

    assert set(keys) <= set(map(str, partitions.get_partition_keys_in_range(span)))


def test_a_run_of_some_tables_takes_the_order_of_their_partitions() -> None:
    by_shop = replace(order_lines, partitions=SHOPS)

    request = run_request("retail_shops", ["bath", "york"], run_key="k", only=[by_shop])
    same = run_request("retail_shops", ["bath", "york"], run_key="k", partitions=SHOPS)

    assert (request.tags[RANGE_START], request.tags[RANGE_END]) == ("york", "bath")
    assert same.tags == request.tags


def test_tables_of_one_job_whose_partitions_differ_are_refused_with_the_way_out() -> None:
    later = replace(typed_lines, partitions=DAYS)

    with pytest.raises(
        DeclarationError, match=r"bronze/retail/order_lines and silver/.*differ.*cover"
    ):
        jobs([order_lines, later])
    assert len(jobs([replace(order_lines, partitions=DAYS), later])) == 1
