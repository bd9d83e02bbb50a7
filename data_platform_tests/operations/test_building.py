"""Which partitions a person names, and what building them would take."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_platform.domains.retail.silver import order_lines
from data_platform.lake.errors import NotThere
from data_platform.operations.building import keys_of, nearest

RUNS = st.lists(st.tuples(st.integers(1, 400), st.floats(0.1, 1000)), min_size=1)


def test_a_range_has_both_its_ends() -> None:
    assert keys_of(order_lines, None, ("2011-03-30", "2011-04-01")) == [
        "2011-03-30",
        "2011-03-31",
        "2011-04-01",
    ]
    assert keys_of(order_lines, None, ("2011-03-30", "2011-03-30")) == ["2011-03-30"]
    assert keys_of(order_lines, "2011-03-30", None) == ["2011-03-30"]
    assert keys_of(order_lines, None, None) is None


@pytest.mark.parametrize(
    ("partition", "span", "why"),
    [
        ("2012-03-30", None, "'2012-03-30' is not a partition of silver/retail/order_lines"),
        (None, ("2011-03-30", "2011-03"), "'2011-03' is not a partition"),
        (None, ("2011-03-30", "2011-03-01"), "ends before it begins"),
    ],
)
def test_a_partition_that_is_not_there_is_refused(partition, span, why: str) -> None:
    with pytest.raises(NotThere, match=why):
        keys_of(order_lines, partition, span)


def test_a_table_without_partitions_is_one() -> None:
    whole = replace(order_lines, partitions=None)

    assert keys_of(whole, None, None) == [""]
    with pytest.raises(NotThere, match="has no partitions"):
        keys_of(whole, "2011-03-30", None)


@given(RUNS, st.integers(1, 400))
def test_an_estimate_goes_by_a_past_run_of_the_nearest_order(runs, partitions: int) -> None:
    size, _ = nearest(runs, partitions)

    ratio = max(size, partitions) / min(size, partitions)
    assert all(max(s, partitions) / min(s, partitions) >= ratio * (1 - 1e-9) for s, _ in runs)
