"""Values and the partitions that they belong to."""

import datetime as dt

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from data_platform.platform_defs.row_partitions import Wanted

HOUR = 3_600_000_000


def _wanted(keys, starts=(), ends=()) -> Wanted:
    """Partitions of which the key is held."""
    return Wanted(tuple(keys), tuple(keys), pa.string(), starts, ends)


def _of(wanted: Wanted, values: list, kind: pa.DataType) -> list[str | None]:
    return wanted.of(pa.array(values, kind)).to_pylist()


@given(
    st.sets(st.integers(0, 20), min_size=1),
    st.lists(st.none() | st.integers(-HOUR, 25 * HOUR)),
    st.sampled_from([None, "UTC"]),
)
def test_a_moment_is_in_the_span_that_has_begun_and_not_ended(hours, moments, zone):
    spans = sorted(hours)
    wanted = _wanted(
        tuple(map(str, spans)),
        tuple(hour * HOUR for hour in spans),
        tuple((hour + 1) * HOUR for hour in spans),
    )
    expected = [
        str(moment // HOUR) if moment is not None and moment // HOUR in hours else None
        for moment in moments
    ]
    assert _of(wanted, moments, pa.timestamp("us", zone)) == expected


def test_a_date_is_its_midnight_and_finer_moments_are_cut_to_microseconds():
    day = _wanted(("1970-01-02",), (24 * HOUR,), (48 * HOUR,))
    dates = [dt.date(1970, 1, 1), dt.date(1970, 1, 2), dt.date(1970, 1, 3), None]
    assert _of(day, dates, pa.date32()) == [None, "1970-01-02", None, None]
    last = 48 * HOUR * 1000 - 1
    assert _of(day, [last, last + 1], pa.timestamp("ns")) == ["1970-01-02", None]


def test_an_empty_span_has_no_values_and_its_successor_all():
    twice = _wanted(("first", "second"), (0, 0), (0, HOUR))  # a clock hour that comes twice
    assert _of(twice, [0, HOUR - 1, HOUR], pa.timestamp("us")) == ["second", "second", None]


@given(st.sets(st.text(), min_size=1), st.lists(st.none() | st.text()))
def test_other_values_are_of_the_partition_of_their_text(keys, values):
    expected = [value if value in keys else None for value in values]
    assert _of(_wanted(tuple(keys)), values, pa.string()) == expected


def test_numbers_and_dates_are_compared_as_they_are_written():
    assert _of(_wanted(("7", "true")), [7, 8], pa.int16()) == ["7", None]
    assert _of(_wanted(("2011-03-04",)), [dt.date(2011, 3, 4)], pa.date32()) == ["2011-03-04"]


@given(st.lists(st.integers(-(2**31), 2**31 - 1)))
def test_a_date_of_any_year_is_its_midnight(days):
    day = _wanted(("1970-01-02",), (24 * HOUR,), (48 * HOUR,))
    expected = ["1970-01-02" if number == 1 else None for number in days]
    assert day.of(pa.array(days, pa.date32())).to_pylist() == expected
