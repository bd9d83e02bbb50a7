"""Declared tables by every kind of partition, over a table that another program wrote."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg
import pandera.pyspark as pandera
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.assets import JudgedTable, gold
from data_platform.build.planning import current_versions, plan
from data_platform.build.platform import Platform
from data_platform.build.steps import build
from data_platform.contracts.columns import column
from data_platform.contracts.declare import contract
from data_platform.lake.upkeep import browse
from data_platform.lake.writing.publish import StagedWrite, publish
from data_platform.lake.writing.staging import new_attempt, plain_layout, stage_arrow
from data_platform.tables.identity import TableId, TableSlice

# pandera reads a type and its arguments from the annotation, which is no type to a type checker.
# pyright: reportInvalidTypeForm=false

TAKINGS = "silver/shop/takings"
OWNER = "team:shop"
HOURS = dg.HourlyPartitionsDefinition("2011-03-01-00:00", end_date="2011-03-02-00:00")
DAYS = dg.DailyPartitionsDefinition("2011-03-01", end_date="2011-03-05")
SHOPS = dg.StaticPartitionsDefinition(["york", "leeds", "bath"])


@contract(table="gold/shop/by_hour", partition_by="hour", key=("hour",), owner=OWNER, version="1")
class ByHour(pandera.DataFrameModel):
    """One row for each hour with takings."""

    hour: T.TimestampNTZType = column()
    pounds: T.LongType = column(ge=0)


@contract(table="gold/shop/by_shop", partition_by="shop", key=("shop",), owner=OWNER, version="1")
class ByShop(pandera.DataFrameModel):
    """One row for each shop with takings."""

    shop: T.StringType = column()
    pounds: T.LongType = column(ge=0)


@contract(
    table="gold/shop/by_day_and_shop",
    partition_by=("day", "shop"),
    key=("day", "shop"),
    owner=OWNER,
    version="1",
)
class ByDayAndShop(pandera.DataFrameModel):
    """One row for each day and shop with takings."""

    day: T.DateType = column()
    shop: T.StringType = column()
    pounds: T.LongType = column(ge=0)


@contract(table="gold/shop/total", owner=OWNER, version="1")
class Total(pandera.DataFrameModel):
    """One row: all takings."""

    pounds: T.LongType = column(ge=0)


def _summed(takings: DataFrame, *by: str) -> DataFrame:
    return takings.groupBy(*by).agg(F.sum("pounds").alias("pounds"))


@gold(contract=ByHour, partitions=HOURS)
def by_hour(takings: DataFrame) -> DataFrame:
    return _summed(takings, "hour")


@gold(contract=ByShop, partitions=SHOPS)
def by_shop(takings: DataFrame) -> DataFrame:
    return _summed(takings, "shop")


@gold(contract=ByDayAndShop, partitions=dg.MultiPartitionsDefinition({"date": DAYS, "shop": SHOPS}))
def by_day_and_shop(takings: DataFrame) -> DataFrame:
    return _summed(takings, "day", "shop")


@gold(contract=Total, partitions=None)
def total(takings: DataFrame) -> DataFrame:
    return _summed(takings)


FIRST, NEXT = dt.date(2011, 3, 1), dt.date(2011, 3, 2)
POUNDS = T.StructField("pounds", T.LongType(), True)


@dataclass(frozen=True)
class Kind:
    """A table, the columns and values of its input's partitions, and their keys."""

    table: JudgedTable
    columns: Sequence[T.StructField]
    values: Sequence[tuple]
    keys: Sequence[str]


def _field(name: str, kind: T.DataType) -> T.StructField:
    return T.StructField(name, kind, False)


SHOP = _field("shop", T.StringType())
KINDS = {
    "hourly": Kind(
        by_hour,
        [_field("hour", T.TimestampNTZType())],
        [(dt.datetime(2011, 3, 1, hour),) for hour in (5, 6, 23)],
        ["2011-03-01-05:00", "2011-03-01-06:00", "2011-03-01-23:00"],
    ),
    "static": Kind(by_shop, [SHOP], [("york",), ("leeds",), ("bath",)], ["york", "leeds", "bath"]),
    "multi-dimensional": Kind(
        by_day_and_shop,
        [_field("day", T.DateType()), SHOP],
        [(FIRST, "york"), (FIRST, "bath"), (NEXT, "york")],
        ["2011-03-01|york", "2011-03-01|bath", "2011-03-02|york"],
    ),
    "none": Kind(total, [SHOP], [("york",), ("leeds",), ("bath",)], ["york", "leeds", "bath"]),
}


def _write(platform: Platform, kind: Kind, pounds: Sequence[Sequence[int]], first: int = 0) -> None:
    """The input's partitions from the `first` on, each with these takings."""
    table_id, names = TableId.parse(TAKINGS), [field.name for field in kind.columns]
    schema = T.StructType([*kind.columns, POUNDS])
    loaded = platform.lake.ensure(table_id, schema, names)
    rows = [
        {**dict(zip(names, values, strict=True)), "pounds": one}
        for values, ones in zip(kind.values[first:], pounds, strict=False)
        for one in ones
    ]
    keys = tuple(kind.keys[first : first + len(pounds)])
    layout = plain_layout(loaded, attempt := new_attempt("another"), platform.storage)
    staged = stage_arrow(pa.Table.from_pylist(rows), layout)
    slice_ = TableSlice(table_id, keys, current_versions(platform, table_id, keys))
    publish(platform.lake, platform.builds, StagedWrite(slice_, attempt, "another", staged))


def _build(platform: Platform, table: JudgedTable, spark: SparkSession) -> tuple[str, ...]:
    """Whatever is stale of the table; gives which partitions that was."""
    keys = table.partitions.get_partition_keys() if table.partitions else [""]
    planned = plan(table, platform, keys, only_stale=True)
    if planned.keys:
        result = build(table, planned, platform, spark, "run")
        assert result.write.held_back == {}
        publish(platform.lake, platform.builds, result.write)
    return planned.keys


def _pounds(platform: Platform, table: JudgedTable, key: str) -> list[int]:
    """What one partition says, as a reader sees it."""
    found = browse.rows(platform.lake.load(table.id), partition=key or None).read_all()
    return found["pounds"].to_pylist()


@pytest.mark.parametrize("name", [name for name in KINDS if name != "none"])
def test_each_partition_is_built_from_its_own_and_one_is_rebuilt_alone(
    platform: Platform, spark: SparkSession, name: str
) -> None:
    kind = KINDS[name]
    table, [first, second, third] = kind.table, kind.keys
    _write(platform, kind, [[1], [20, 20], [300, 300, 300]])

    assert set(_build(platform, table, spark)) == set(kind.keys)
    assert [_pounds(platform, table, key) for key in kind.keys] == [[1], [40], [900]]
    assert browse.partition_rows(platform.lake, table.id) == dict.fromkeys(kind.keys, 1)

    before = current_versions(platform, table.id, None)
    _write(platform, kind, [[7]], first=1)

    assert _build(platform, table, spark) == (second,)
    assert [_pounds(platform, table, key) for key in kind.keys] == [[1], [7], [900]]
    after = current_versions(platform, table.id, None)
    assert after[second] != before[second]
    assert {key: after[key] for key in (first, third)} == {k: before[k] for k in (first, third)}
    assert _build(platform, table, spark) == ()


def test_a_table_without_partitions_is_built_from_all_of_its_input(
    platform: Platform, spark: SparkSession
) -> None:
    kind = KINDS["none"]
    _write(platform, kind, [[1], [20, 20], [300]])
    assert _build(platform, total, spark) == ("",)
    assert _pounds(platform, total, "") == [341]

    _write(platform, kind, [[7]], first=1)

    assert _build(platform, total, spark) == ("",)
    assert _pounds(platform, total, "") == [308]
    assert browse.partition_rows(platform.lake, total.id) == {"": 1}
    assert _build(platform, total, spark) == ()
