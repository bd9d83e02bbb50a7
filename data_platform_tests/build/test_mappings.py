"""Partitions that have nothing to do with each other are refused when definitions load."""

from dataclasses import replace

import dagster as dg
import pandera.pyspark as pandera
import pytest
from pyspark.sql import DataFrame
from pyspark.sql import types as T

from data_platform.assets import Table, gold, silver
from data_platform.build.mappings import (
    UnmappedPartitions,
    dep,
    partitions_of,
    require_mappings,
)
from data_platform.contracts.columns import column
from data_platform.contracts.contract import Contract
from data_platform.contracts.declare import contract
from data_platform.domains.retail.bronze import order_lines as received
from data_platform.domains.retail.contracts import OrderLine
from data_platform.domains.retail.partitions import daily as retail_days
from data_platform.platform_defs.assembly import definitions
from data_platform.quality.mapping import How, dimension, event_time, everything, trailing
from data_platform.settings.environment import settings_at

# pandera reads a type and its arguments from the annotation, which is no type to a type checker.
# pyright: reportInvalidTypeForm=false

DAYS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-03-01")
HOURS = dg.HourlyPartitionsDefinition("2026-01-01-00:00", end_date="2026-01-03-00:00")
LOCAL = dg.DailyPartitionsDefinition("2026-01-01", timezone="America/New_York")
MONTHS = dg.MonthlyPartitionsDefinition("2026-01-01", end_date="2026-06-01")
SHOPS = dg.StaticPartitionsDefinition(["york", "leeds"])
REGIONS = dg.StaticPartitionsDefinition(["north", "south"])
BY_BOTH = dg.MultiPartitionsDefinition({"at": DAYS, "shop": SHOPS})
DYNAMIC = dg.DynamicPartitionsDefinition(name="shops")


class Timed(pandera.DataFrameModel):
    """By time."""

    at: T.TimestampType = column()
    sold_on: T.DateType = column(nullable=True)


class Dated(pandera.DataFrameModel):
    """By date."""

    at: T.DateType = column()
    sold_on: T.DateType = column(nullable=True)


class Labelled(pandera.DataFrameModel):
    """By label."""

    shop: T.StringType = column()


class Both(pandera.DataFrameModel):
    """By date and label."""

    at: T.DateType = column()
    shop: T.StringType = column()


def _contract(name: str, model: type[pandera.DataFrameModel], by: tuple[str, ...]) -> Contract:
    table = f"gold/shop/{name}"
    return contract(
        table=table, partition_by=by, owner="team:shop", version="1", lineage=False
    )(model)  # fmt: skip


def _table(name: str, partitions: dg.PartitionsDefinition | None, **ins: How | str) -> Table:
    match partitions:
        case None:
            of = _contract(name, Labelled, ())
        case dg.HourlyPartitionsDefinition():
            of = _contract(name, Timed, ("at",))
        case dg.TimeWindowPartitionsDefinition():
            of = _contract(name, Dated, ("at",))
        case dg.MultiPartitionsDefinition():
            of = _contract(name, Both, ("at", "shop"))
        case _:
            of = _contract(name, Labelled, ("shop",))

    def function(a: DataFrame) -> DataFrame:
        """A table."""
        return a

    return gold(contract=of, partitions=partitions, ins=ins or {"a": "silver/shop/else"})(function)


def _over(
    own: dg.PartitionsDefinition | None,
    theirs: dg.PartitionsDefinition | None,
    how: How | None = None,
) -> None:
    a = "gold/shop/upstream" if how is None else replace(how, of="gold/shop/upstream")
    require_mappings([_table("upstream", theirs), _table("sales", own, a=a)])


@pytest.mark.parametrize(
    ("own", "theirs", "how"),
    [
        (DAYS, DAYS, None),
        (DAYS, MONTHS, None),
        (MONTHS, DAYS, trailing(months=3)),
        (HOURS, DAYS, None),
        (LOCAL, HOURS, None),
        (SHOPS, SHOPS, None),
        (SHOPS, DAYS, everything()),
        (SHOPS, REGIONS, everything()),
        (BY_BOTH, DAYS, None),
        (DAYS, BY_BOTH, None),
        (SHOPS, BY_BOTH, None),
        (DAYS, DAYS, event_time("sold_on")),
        (None, DAYS, None),
        (None, None, None),
    ],
)
def test_what_belongs_together_is_taken(
    own: dg.PartitionsDefinition | None,
    theirs: dg.PartitionsDefinition | None,
    how: How | None,
) -> None:
    _over(own, theirs, how)


@pytest.mark.parametrize(
    ("own", "theirs", "how", "why"),
    [
        (SHOPS, DAYS, None, "is partitioned by time .*everything.*dimension.*leave the table's"),
        (SHOPS, REGIONS, None, "has other partitions .*use one definition for both"),
        (BY_BOTH, REGIONS, None, "has other partitions"),
        (DAYS, SHOPS, None, "nothing says which of its partitions there are"),
        (DAYS, None, None, "nothing says which of its partitions there are"),
        (DAYS, DAYS, dimension(), "nothing says which of its partitions there are"),
        (DAYS, SHOPS, trailing(days=1), "has no partitions of time"),
        (
            DAYS,
            DAYS,
            event_time("landed"),
            "has no column landed that.*there is at, sold_on",
        ),
        (DYNAMIC, DAYS, everything(), "its partitions are dynamic.*StaticPartitionsDefinition"),
    ],
)
def test_what_has_no_mapping_is_refused_with_the_ways_out(
    own: dg.PartitionsDefinition, theirs: dg.PartitionsDefinition | None, how: How | None, why: str
) -> None:
    with pytest.raises(UnmappedPartitions, match=f"gold/shop/sales: .*{why}"):
        _over(own, theirs, how)


@pytest.mark.parametrize(
    ("own", "how", "why"),
    [
        (DAYS, everything(), r"every partition since the first.*event_time\(column\).*dimension"),
        (SHOPS, trailing(days=1), "reaches back in time"),
        (SHOPS, event_time("sold_on"), "is read by the time in its column sold_on"),
    ],
)
def test_an_input_read_by_a_time_that_the_table_does_not_have_is_refused_where_it_is_declared(
    own: dg.PartitionsDefinition, how: How, why: str
) -> None:
    with pytest.raises(ValueError, match=f"gold/shop/sales: a .*{why}"):
        _table("sales", own, a=how)


@pytest.mark.parametrize(
    ("begin", "end", "days_begin"),
    [
        ("2010-12-01", "2010-12-03", "2010-12-01"),
        ("2010-12-01", "2010-12-03", "1999-01-01"),  # each where both are, however far that is
        ("1999-01-01", "2010-12-03", "2010-12-01"),
    ],
)
def test_rows_that_are_accounted_for_are_not_dealt_out_to_several_partitions(
    begin: str, end: str, days_begin: str
) -> None:
    hours = dg.HourlyPartitionsDefinition(f"{begin}-00:00", end_date=f"{end}-00:00")
    days = dg.DailyPartitionsDefinition(days_begin, end_date="2010-12-05")

    @silver(contract=replace_partition(OrderLine), partitions=hours)
    def order_lines(bronze: DataFrame) -> DataFrame:
        """By the hour."""
        return bronze

    with pytest.raises(UnmappedPartitions, match=r"silver/retail/order_lines.*rows would be split"):
        require_mappings([replace(received, partitions=days), order_lines])


def replace_partition(of: Contract) -> Contract:
    return replace(of, partition_by=("invoiced_at",))


def test_all_of_it_is_refused_when_definitions_load(tmp_path) -> None:
    tables = [_table("upstream", DAYS), _table("sales", SHOPS, a="gold/shop/upstream")]

    with pytest.raises(UnmappedPartitions, match="gold/shop/sales"):
        definitions(tables, settings_at(tmp_path))


def test_dagster_is_told_a_mapping_that_it_can_show() -> None:
    """Zones that differ have none of Dagster's own: its UI then shows all of the input."""
    hours, days, shops = _table("hours", HOURS), _table("days", DAYS), _table("shops", SHOPS)
    known = partitions_of([hours, days, shops, received], ())

    def mapping(table: Table) -> dg.PartitionMapping | None:
        return dep(table, "a", known).partition_mapping

    same = _table("same", DAYS, a="gold/shop/days")
    inner = mapping(_table("inner", HOURS, a="gold/shop/days"))
    assert mapping(same) is None
    assert isinstance(inner, dg.TimeWindowPartitionMapping)
    assert isinstance(mapping(_table("local", LOCAL, a="gold/shop/hours")), dg.AllPartitionMapping)
    by = event_time("sold_on", of="gold/shop/days")
    assert isinstance(mapping(_table("late", DAYS, a=by)), dg.AllPartitionMapping)
    assert isinstance(mapping(_table("named", DAYS, a="gold/shop/shops")), dg.AllPartitionMapping)
    assert retail_days == received.partitions
