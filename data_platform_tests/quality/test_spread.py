"""Tasks follow rows and cores."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_platform.quality.spread import LEAST_ROWS, TASK_ROWS, Spread

PARTITIONS = st.dictionaries(
    st.text(max_size=3), st.integers(0, 50 * TASK_ROWS) | st.integers(0, LEAST_ROWS), max_size=40
)
CORES = st.integers(1, 64)


@pytest.mark.parametrize(("rows", "tasks"), [(600_000, 2), (6_000_000, 6), (15_500_000, 16)])
def test_the_tasks_of_one_partition_follow_its_rows_and_are_a_multiple_of_the_cores(rows, tasks):
    shared = {tasks: ("2011-03-04",)}
    assert Spread.of({"2011-03-04": rows}, 2) == Spread(tasks, shared, alone=True)


def test_few_rows_are_one_tasks():
    assert Spread.of({"2011-03-04": 10_000}, 2) == Spread()
    assert Spread.of({}, 2) == Spread()


def test_a_year_of_usual_days_is_not_split():
    year = {str(day): 3_000 for day in range(365)}
    assert Spread.of(year, 2) == Spread(tasks=2)


def test_of_many_days_the_large_one_alone_is_split():
    days = {str(day): 1_000 for day in range(365)} | {"large": 5_000_000}
    assert Spread.of(days, 2) == Spread(6, {6: ("large",)})


def test_two_large_partitions_are_shared_by_both_cores():
    assert Spread.of({"a": 900_000, "b": 900_000}, 2) == Spread(2, {2: ("a", "b")})


@given(PARTITIONS, CORES)
def test_every_task_has_enough_rows_and_no_more_than_its_share(rows, cores):
    found = Spread.of(rows, cores)
    total = sum(rows.values())
    buckets = {key: number for number, keys in found.shared.items() for key in keys}

    assert found.tasks == 1 or total / found.tasks >= LEAST_ROWS / 2
    assert total / found.tasks <= TASK_ROWS
    for key, count in rows.items():
        number = buckets.get(key, 1)
        assert number <= found.tasks
        assert number == 1 or count / number >= LEAST_ROWS  # no file is small for being split
        assert found.tasks == 1 or count / number <= max(2 * LEAST_ROWS, 2 * total / found.tasks)


def test_each_partition_is_shared_once():
    found = Spread.of({str(n): n * LEAST_ROWS for n in range(200)}, 4)
    keys = [key for keys in found.shared.values() for key in keys]
    assert len(keys) == len(set(keys))
    assert len(found.shared) <= 10
