"""Which other partitions rows may name, by what their partition reads."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

import dagster as dg
import pytest
from pyspark.sql import types as T

from data_platform.assets import Table
from data_platform.contracts.contract import Contract
from data_platform.lake.partition_times import TimeKeys
from data_platform.lake.table import WHOLE_TABLE, PartitionColumn, Partitioning, TableId
from data_platform.platform_defs.inputs import Input
from data_platform.platform_defs.placement import Others, others
from data_platform.platform_defs.planning import Plan
from data_platform.quality.mapping import How, Upstream, event_time, everything
from data_platform_tests.platform_defs.days_of_sales import Answer, table_of

JANUARY = tuple(f"2026-01-{n:02}" for n in range(1, 32))
DAY = Partitioning((PartitionColumn("day", T.DateType()),))
MONTHLY = TimeKeys("%Y-%m", "UTC", "0 0 1 * *")
MONTH = Partitioning((PartitionColumn("month", T.DateType(), MONTHLY),))
SHOP = Partitioning((PartitionColumn("shop", T.StringType()),))
NONE = Partitioning()


def _table(**changes: object) -> Table:
    return replace(table_of(lambda sales: sales), **changes)  # type: ignore[arg-type]


Given = tuple[Sequence[str], Partitioning]


def _input(scheme: Partitioning) -> Input:
    return Input(Upstream(TableId.parse("silver/shop/sales"), scheme, {}), {})


def _others(*given: Given, key: str = "2026-01-05", **changes: object) -> Others:
    """Of a partition that reads these of inputs that are so partitioned."""
    inputs = {f"input{n}": scheme for n, (_, scheme) in enumerate(given)}
    plan = Plan(
        table := _table(**changes),
        (key,),
        {},
        {},
        inputs={name: _input(scheme) for name, scheme in inputs.items()},
        reads={f"input{n}": {key: tuple(keys)} for n, (keys, _) in enumerate(given)},
    )
    return others(table, plan, plan.keys)


def _days(first: int, last: int) -> Others:
    return Others(dt.date(2026, 1, first), dt.date(2026, 1, last))


def test_of_its_own_day_alone_no_row_may_name_another() -> None:
    assert _others((JANUARY[4:5], DAY)) == _days(5, 5)


def test_rows_may_name_the_days_before_that_were_read() -> None:
    assert _others((JANUARY[1:5], DAY)) == _days(2, 5)
    assert _others((JANUARY[4:5], DAY), (JANUARY[2:5], DAY)) == _days(3, 5)


def test_rows_of_a_month_may_name_its_days() -> None:
    assert _others((["2026-01"], MONTH)) == _days(1, 31)


def test_a_dimension_says_nothing_of_days() -> None:
    assert _others((["york"], SHOP)) == Others()
    assert _others((JANUARY[4:5], DAY), ([WHOLE_TABLE], NONE), (["york"], SHOP)) == _days(5, 5)


@pytest.mark.parametrize("how", [event_time("sold_on"), everything()])
def test_where_rows_say_what_they_are_of_they_may_name_every_partition_of_the_table(
    how: How,
) -> None:
    every = Others(every=True, keys=frozenset(JANUARY))

    assert _others((JANUARY[4:5], DAY), ins={"input0": how}) == every


def test_partitions_that_are_not_known_before_they_come_are_any() -> None:
    dynamic = dg.DynamicPartitionsDefinition(name="shops")
    for partitions in (dynamic, dg.MultiPartitionsDefinition({"a": dynamic, "b": _daily()})):
        found = _others(([], DAY), partitions=partitions, ins={"input0": everything()})

        assert found == Others(every=True, keys=None)


def test_texts_are_told_one_by_one_since_their_order_need_not_be_that_of_time() -> None:
    first, end = dt.datetime(2026, 1, 1), dt.datetime(2026, 2, 1)
    daily = dg.DailyPartitionsDefinition(first, end_date=end, fmt="%d.%m.%Y")
    column = Answer.columns[0]
    texts = replace(Answer, columns=(replace(column, type=T.StringType()), *Answer.columns[1:]))

    found = _others(
        (["2026-01-03", "2026-01-05"], DAY), key="05.01.2026", partitions=daily, contract=texts
    )

    assert found.keys == {"03.01.2026", "04.01.2026", "05.01.2026"}


def _daily() -> dg.DailyPartitionsDefinition:
    return dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-02-01")


def test_a_changed_option_makes_what_was_built_stale() -> None:
    versions = {
        _table().version,
        _table(outside="warning").version,
        _table(whole_range=True).version,
    }
    assert len(versions) == 3


def test_an_option_that_says_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="outside is blocking, warning, not 'error'"):
        table_of(lambda sales: sales, outside="error")
    with pytest.raises(ValueError, match="whole_range"):
        table_of(lambda sales: sales, whole_range=True, table=_unpartitioned(), partitions=None)


def _unpartitioned() -> Contract:
    return replace(Answer, partition_by=())
