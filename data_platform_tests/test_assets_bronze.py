"""`bronze`: what it declares, and what it refuses when definitions load."""

from dataclasses import replace
from typing import Any

import dagster as dg
import pytest
from pyspark.sql import types as T

from data_platform.assets import Table, bronze
from data_platform.contracts.contract import Retention
from data_platform.domains.retail.landing import ONLINE_RETAIL
from data_platform.landing.source import Source

daily = dg.DailyPartitionsDefinition("2011-03-01")


def test_a_bronze_table_has_no_function() -> None:
    table = bronze(source=ONLINE_RETAIL, partitions=daily, owner="team:shop", description="Rows.")

    assert not callable(table)
    assert table.partitioning.names == ("day",)
    assert table.retention == Retention()


@pytest.mark.parametrize("partition_by", ["country", "Country"])
def test_a_partition_column_that_the_files_have_too_is_refused(partition_by: str) -> None:
    with pytest.raises(ValueError, match=r"order_lines: .*ountry.*landed_country"):
        bronze(
            source=ONLINE_RETAIL,
            partitions=daily,
            owner="team:shop",
            description="Rows.",
            partition_by=partition_by,
        )


@pytest.mark.parametrize(
    ("partitions", "kind"),
    [
        (dg.DailyPartitionsDefinition("2011-03-01", timezone="America/New_York"), T.DateType()),
        (dg.MonthlyPartitionsDefinition("2011-03-01"), T.DateType()),
        (dg.DailyPartitionsDefinition("2011-03-01", hour_offset=6), T.TimestampNTZType()),
        (dg.HourlyPartitionsDefinition("2011-03-01-00:00"), T.TimestampNTZType()),
        (
            dg.HourlyPartitionsDefinition("2011-03-01-00:00", timezone="Asia/Kolkata"),
            T.TimestampNTZType(),
        ),
        (
            dg.HourlyPartitionsDefinition("2011-03-01-00:00", timezone="America/New_York"),
            T.TimestampType(),  # its clock has an hour twice a year
        ),
        (dg.StaticPartitionsDefinition(["a"]), T.StringType()),
    ],
)
def test_the_partition_of_received_rows_is_of_a_type_that_tells_all_of_them_apart(
    partitions: dg.PartitionsDefinition, kind: T.DataType
) -> None:
    table = bronze(
        source=replace(ONLINE_RETAIL, partition=str),
        partitions=partitions,
        partition_by="p",
        owner="team:shop",
        description="b",
    )

    assert [column.type for column in table.partitioning.columns] == [kind]


def _bronze(
    partitions: dg.PartitionsDefinition, source: Source | None = None, **settings: Any
) -> Table:
    return bronze(
        source=source or replace(ONLINE_RETAIL, partition=str),
        partitions=partitions,
        owner="team:shop",
        description="Rows.",
        **settings,
    )


HOURLY = dg.HourlyPartitionsDefinition("2011-03-01-00:00")
SHOPS = dg.StaticPartitionsDefinition(["bath", "york"])
BOTH = dg.MultiPartitionsDefinition({"shop": SHOPS, "day": daily})


@pytest.mark.parametrize(
    ("partitions", "proposed"),
    [
        (HOURLY, "'hour'"),
        (SHOPS, "'region'"),
        (dg.MonthlyPartitionsDefinition("2011-03-01"), "'month'"),
        (BOTH, r"\('day', 'shop'\)"),
    ],
)
def test_the_partition_column_of_what_is_no_day_must_be_named(
    partitions: dg.PartitionsDefinition, proposed: str
) -> None:
    message = rf"order_lines: its partitions are not days.*bronze\(partition_by={proposed}\)"
    with pytest.raises(ValueError, match=message):
        _bronze(partitions)


@pytest.mark.parametrize(
    "partitions",
    [HOURLY, SHOPS, BOTH, dg.MonthlyPartitionsDefinition("2011-03", fmt="%Y-%m")],
    ids=["hours", "labels", "labels and days", "months"],
)
def test_a_source_without_partition_is_refused_where_no_partition_is_named_as_a_day(
    partitions: dg.PartitionsDefinition,
) -> None:
    columns = ("a", "b") if partitions is BOTH else "a"
    with pytest.raises(ValueError) as refused:
        _bronze(partitions, ONLINE_RETAIL, partition_by=columns)

    said = str(refused.value)
    assert ONLINE_RETAIL.name in said and str(partitions) in said
    assert "Source(partition=str)" in said


@pytest.mark.parametrize(
    "partitions",
    [
        dg.MonthlyPartitionsDefinition("2011-03-01"),
        dg.WeeklyPartitionsDefinition("2011-03-01"),
        dg.StaticPartitionsDefinition(["before", "2011-03-04"]),
    ],
    ids=["months by their first day", "weeks by theirs", "labels, one of them a day"],
)
def test_a_source_without_partition_is_enough_where_a_partition_is_named_as_a_day(
    partitions: dg.PartitionsDefinition,
) -> None:
    table = _bronze(partitions, ONLINE_RETAIL, partition_by="a")

    assert table.source and table.source.claim("online_retail/2011-03-04.csv")


def test_the_partition_columns_of_bronze_have_the_types_of_its_partitions() -> None:
    kinds = {
        "day": _bronze(daily).partitioning,
        "hour": _bronze(HOURLY, partition_by="hour").partitioning,
        "shop": _bronze(SHOPS, partition_by="shop").partitioning,
    }
    found = {name: [c.type for c in partitioning.columns] for name, partitioning in kinds.items()}
    assert found == {
        "day": [T.DateType()],
        "hour": [T.TimestampNTZType()],
        "shop": [T.StringType()],
    }
    two = _bronze(BOTH, partition_by=("day", "shop")).partitioning
    assert [column.type for column in two.columns] == [T.DateType(), T.StringType()]
    assert two.key(two.values("2011-03-01|york")) == "2011-03-01|york"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"partition_by": ("day", "shop")}, "names 2 columns and its partitions have 1 dimensions"),
        ({"partition_by": "_day"}, "partition_by='_day': a name is letters"),
        ({"partition_by": "the day"}, "partition_by='the day': a name is letters"),
    ],
)
def test_a_partition_column_that_cannot_be_is_refused(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"bronze/retail/order_lines.*{message}"):
        _bronze(daily, **settings)


def test_rows_as_received_go_to_bronze() -> None:
    elsewhere = replace(ONLINE_RETAIL, table="silver/retail/order_lines")
    with pytest.raises(ValueError, match='write table="bronze/retail/order_lines"'):
        bronze(source=elsewhere, partitions=daily, owner="team:shop", description="Rows.")
