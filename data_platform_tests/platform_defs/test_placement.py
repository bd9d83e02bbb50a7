"""Which other partitions rows may name, by what their partition reads."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

import dagster as dg
import pytest
from pyspark.sql import types as T

from data_platform.assets import Table
from data_platform.lake.partition_times import TimeKeys
from data_platform.lake.table import WHOLE_TABLE, PartitionColumn, Partitioning, TableId
from data_platform.platform_defs.placement import Others, others
from data_platform.platform_defs.planning import Input, Plan
from data_platform.quality.freshness import Upstream
from data_platform_tests.platform_defs.days_of_sales import Answer, table_of

JANUARY = tuple(f"2026-01-{n:02}" for n in range(1, 32))
DAY = Partitioning((PartitionColumn("day", T.DateType()),))
MONTHLY = TimeKeys("%Y-%m", "UTC", "0 0 1 * *")
MONTH = Partitioning((PartitionColumn("month", T.DateType(), MONTHLY),))
SHOP = Partitioning((PartitionColumn("shop", T.StringType()),))
NONE = Partitioning()


def _table(**changes: object) -> Table:
    return replace(table_of(lambda sales: sales), **changes)  # type: ignore[arg-type]


def _others(
    reads: Sequence[str], scheme: Partitioning, *more: tuple[Sequence[str], Partitioning]
) -> Others:
    """Of one day that reads these partitions of inputs that are so partitioned."""
    inputs = {f"input{n}": given for n, given in enumerate(((reads, scheme), *more))}
    upstream = Upstream(TableId.parse("silver/shop/sales"), (), (), {})
    plan = Plan(
        table := _table(),
        ("2026-01-05",),
        {},
        {},
        inputs={name: Input(upstream, {}) for name in inputs},
        reads={name: {"2026-01-05": tuple(keys)} for name, (keys, _) in inputs.items()},
    )
    schemes = {name: scheme for name, (_, scheme) in inputs.items()}
    return others(table, plan, plan.keys, schemes)


def _days(first: int, last: int) -> Others:
    return Others(dt.date(2026, 1, first), dt.date(2026, 1, last))


def test_of_its_own_day_alone_no_row_may_name_another() -> None:
    assert _others(JANUARY[4:5], DAY) == _days(5, 5)


def test_rows_may_name_the_days_before_that_were_read() -> None:
    assert _others(JANUARY[1:5], DAY) == _days(2, 5)
    assert _others(JANUARY[4:5], DAY, (JANUARY[2:5], DAY)) == _days(3, 5)


def test_rows_of_a_month_may_name_its_days() -> None:
    assert _others(["2026-01"], MONTH) == _days(1, 31)


def test_an_input_without_times_says_nothing_of_days() -> None:
    assert _others(["york"], SHOP) == Others()
    assert _others(JANUARY[4:5], DAY, ([WHOLE_TABLE], NONE), (["york"], SHOP)) == _days(5, 5)


def test_where_all_is_read_whole_rows_may_name_every_partition_of_the_table() -> None:
    assert _others([WHOLE_TABLE], NONE) == Others(every=True, keys=frozenset(JANUARY))


def test_partitions_that_are_not_known_before_they_come_are_any() -> None:
    dynamic = dg.DynamicPartitionsDefinition(name="shops")
    for partitions in (dynamic, dg.MultiPartitionsDefinition({"a": dynamic, "b": _daily()})):
        table = _table(partitions=partitions)
        plan = Plan(table, ("x",), {}, {})

        assert others(table, plan, ["x"], {}) == Others(every=True, keys=None)


def test_texts_are_told_one_by_one_since_their_order_need_not_be_that_of_time() -> None:
    first, end = dt.datetime(2026, 1, 1), dt.datetime(2026, 2, 1)
    daily = dg.DailyPartitionsDefinition(first, end_date=end, fmt="%d.%m.%Y")
    table = _table(partitions=daily)
    texts = Partitioning((replace(table.scheme.columns[0], name="day", type=T.StringType()),))
    vars(table)["scheme"] = texts  # as a contract with a text for its day would have it
    upstream = Upstream(TableId.parse("silver/shop/sales"), (), (), {})
    reads = {"sales": {"05.01.2026": ("2026-01-03", "2026-01-05")}}
    plan = Plan(table, ("05.01.2026",), {}, {}, {}, {"sales": Input(upstream, {})}, reads)

    found = others(table, plan, plan.keys, {"sales": DAY})

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


def _unpartitioned():
    return replace(Answer, partition_by=())
