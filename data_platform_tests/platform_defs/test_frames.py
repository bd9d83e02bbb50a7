"""Frames that say less of their types than a table must know."""

import datetime as dt
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from data_platform.lake.errors import SchemaConflict
from data_platform.platform_defs.frames import arrow_of, converted, fitted
from data_platform.storage.errors import LakeError
from data_platform.tables.identity import TableId

STOCK = TableId.parse("gold/shop/stock")
PRESENT = pa.schema([("day", pa.date32()), ("name", pa.string()), ("n", pa.int64())])


def _fitted(frame: Any, present: pa.Schema | None = PRESENT) -> pa.Table:
    return fitted(STOCK, arrow_of(STOCK, frame), present)


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
def test_a_column_without_a_value_takes_the_type_of_the_table(library: Any) -> None:
    found = _fitted(library({"name": [None, None], "n": [1, 2]}))

    assert found.schema.field("name").type == pa.string()
    assert found["name"].null_count == 2


def test_a_column_without_a_value_of_a_new_table_is_refused_by_name() -> None:
    with pytest.raises(SchemaConflict, match=r"gold/shop/stock: column name has no value.*cast it"):
        _fitted(pd.DataFrame({"name": [None]}), None)


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
def test_a_frame_without_rows_has_the_types_of_the_table(library: Any) -> None:
    found = _fitted(library({"day": [], "name": [], "n": []}))

    assert found.schema.types == PRESENT.types
    assert found.num_rows == 0


@pytest.mark.parametrize("kind", [pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64])
def test_unsigned_numbers_become_signed_ones_that_hold_them(kind: Any) -> None:
    [most] = pl.select(pl.lit(2**31, pl.UInt64) if kind == pl.UInt64 else kind.max()).to_series()
    found = _fitted(pl.DataFrame({"count": pl.Series([most], dtype=kind)}), None)

    assert pa.types.is_signed_integer(found.schema.field("count").type)
    assert found["count"].to_pylist() == [most]


def test_an_unsigned_number_that_no_signed_one_holds_is_refused() -> None:
    with pytest.raises(SchemaConflict, match=r"column count has .* 18446744073709551615"):
        _fitted(pl.DataFrame({"count": pl.Series([2**64 - 1], dtype=pl.UInt64)}), None)


@pytest.mark.parametrize(
    ("unit", "value"), [("s", 2**60), ("ms", 2**62), ("ns", 1)], ids=["far", "farther", "finer"]
)
def test_a_moment_that_microseconds_cannot_hold_is_refused_with_its_column(
    unit: str, value: int
) -> None:
    table = pa.table({"seen": pa.array([0, value], pa.timestamp(unit, "UTC"))})
    with pytest.raises(SchemaConflict, match=rf"gold/shop/stock: column seen has .* {value}"):
        _fitted(table, None)


@pytest.mark.parametrize("unit", ["s", "ms", "ns"])
def test_moments_of_other_units_and_dates_in_milliseconds_are_those_that_tables_have(
    unit: Any,
) -> None:
    moment = dt.datetime(2011, 3, 4, 5, tzinfo=dt.UTC)
    day = moment.date()
    found = _fitted(
        pa.table({"at": pa.array([moment], pa.timestamp(unit, "UTC")), "on": [day]}).cast(
            pa.schema([("at", pa.timestamp(unit, "UTC")), ("on", pa.date64())])
        ),
        None,
    )
    assert found.schema.types == [pa.timestamp("us", "UTC"), pa.date32()]
    assert found.to_pylist() == [{"at": moment, "on": day}]


def test_the_midnights_of_a_column_that_the_table_has_as_dates_are_dates() -> None:
    day = pd.Timestamp("2011-03-04")
    found = _fitted(pd.DataFrame({"day": [day, day], "seen": [day, day]}))

    assert found["day"].to_pylist() == [dt.date(2011, 3, 4)] * 2
    assert pa.types.is_timestamp(found.schema.field("seen").type)


def test_the_type_of_a_new_column_does_not_depend_on_its_values() -> None:
    for moment in ("2011-03-04", "2011-03-04 10:00"):
        found = _fitted(pd.DataFrame({"day": [pd.Timestamp(moment)]}), None)
        assert pa.types.is_timestamp(found.schema.field("day").type)


def test_times_of_day_are_not_cut_off() -> None:
    found = _fitted(pd.DataFrame({"day": [pd.Timestamp("2011-03-04 10:00")]}))

    assert pa.types.is_timestamp(found.schema.field("day").type)


def test_anything_else_is_refused_by_name() -> None:
    for other in ([1], pd.Series([1]), pl.Series([1]), pa.array([1]), None):
        with pytest.raises(
            LakeError, match=r"returned .*which is not a table; return one of .*polars"
        ):
            arrow_of(STOCK, other)


@pytest.mark.parametrize("wanted", [dict, pd.Series, pl.Series, list[pd.DataFrame], "DataFrame"])
def test_an_annotation_that_names_no_table_is_refused_with_those_that_do(wanted: Any) -> None:
    with pytest.raises(LakeError, match=r"gold/shop/stock.*which is not a table.*pandas.DataFrame"):
        converted(STOCK, None, wanted)  # type: ignore[arg-type]


def test_a_named_index_of_pandas_is_a_column_and_row_numbers_are_none() -> None:
    frame = pd.DataFrame({"shop": ["b", "a", "a"], "year": [1, 1, 2], "n": [1, 2, 3]})
    by_shop = frame.groupby(["shop", "year"]).sum()
    assert arrow_of(STOCK, by_shop).to_pylist() == [
        {"shop": "a", "year": 1, "n": 2},
        {"shop": "a", "year": 2, "n": 3},
        {"shop": "b", "year": 1, "n": 1},
    ]
    assert arrow_of(STOCK, frame[frame.n > 1]).column_names == ["shop", "year", "n"]
    half = frame.set_index(["shop", "year"]).rename_axis(["shop", None])
    assert arrow_of(STOCK, half).column_names == ["shop", "n"]


def test_an_index_that_is_called_as_a_column_is_refused() -> None:
    frame = pd.DataFrame({"shop": ["b"], "n": [1]}).set_index("shop", drop=False)
    with pytest.raises(LakeError, match="gold/shop/stock: shop is both a column and a level"):
        arrow_of(STOCK, frame)
