"""Values whose bounds cannot be written are published without bounds, and nothing else is lost."""

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyiceberg.io.pyarrow import compute_statistics_plan, parquet_path_to_id_mapping
from pyiceberg.schema import Schema
from pyspark.sql import types as T

from data_platform.cli.printing import write_parquet
from data_platform.lake.files import files_by_partition
from data_platform.lake.schema import arrow_schema, iceberg_schema
from data_platform.lake.statistics import statistics_of
from data_platform.lake.upkeep import browse
from data_platform.tables.identity import TableId
from data_platform_tests.support.lake_home import LakeHome

UTC = pa.timestamp("us", "UTC")
NO_BOUNDS: dict[str, tuple[T.DataType, pa.Array]] = {
    "a date after the year 9999": (T.DateType(), pa.array([6682830], pa.date32())),
    "a date before the year 1": (T.DateType(), pa.array([-800000], pa.date32())),
    "a moment after the year 9999": (T.TimestampType(), pa.array([2**58], UTC)),
    "a local moment before the year 1": (
        T.TimestampNTZType(),
        pa.array([-(2**58)], pa.timestamp("us")),
    ),
    "a text whose successor would be half a character": (
        T.StringType(),
        pa.array(["\ud7ff" * 17]),
    ),
}
WITH_BOUNDS: dict[str, tuple[T.DataType, pa.Array]] = {
    "the last date": (T.DateType(), pa.array([2932896], pa.date32())),
    "the greatest text": (T.StringType(), pa.array(["\U0010ffff" * 17])),
    "none": (T.DateType(), pa.array([None], pa.date32())),
}


def _statistics(schema: T.StructType, columns: dict[str, pa.Array]) -> tuple[Any, Schema]:
    iceberg = iceberg_schema(schema)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns, arrow_schema(iceberg)), sink)
    footer = pq.read_metadata(io.BytesIO(sink.getvalue().to_pybytes()))
    plan, ids = compute_statistics_plan(iceberg, {}), parquet_path_to_id_mapping(iceberg)
    return statistics_of(footer, plan, ids), iceberg


@pytest.mark.parametrize("name", [*NO_BOUNDS, *WITH_BOUNDS])
def test_a_column_is_listed_whatever_its_values_and_the_others_keep_their_bounds(name: str) -> None:
    kind, values = (NO_BOUNDS | WITH_BOUNDS)[name]
    schema = T.StructType([T.StructField("odd", kind), T.StructField("n", T.LongType())])
    found, iceberg = _statistics(schema, {"odd": values, "n": pa.array([7])})
    said = found.to_serialized_dict()
    odd, n = (iceberg.find_field(name).field_id for name in ("odd", "n"))
    assert said["lower_bounds"][n] == said["upper_bounds"][n] == (7).to_bytes(8, "little")
    assert said["value_counts"] == {odd: 1, n: 1}
    assert said["null_value_counts"] == {odd: values.null_count, n: 0}
    if name in NO_BOUNDS:
        assert not {odd} & {*said["lower_bounds"], *said["upper_bounds"]}


def test_a_column_of_another_type_is_no_matter_of_bounds() -> None:
    schema = T.StructType([T.StructField("d", T.DateType())])
    plan = compute_statistics_plan(iceberg_schema(schema), {})
    ids = parquet_path_to_id_mapping(iceberg_schema(schema))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"d": pa.array([1], pa.int64())}), sink)
    footer = pq.read_metadata(io.BytesIO(sink.getvalue().to_pybytes()))
    with pytest.raises(ValueError, match="Unexpected physical type INT64 for date"):
        statistics_of(footer, plan, ids)


ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(-(2**31), 2**31 - 1),
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.text(st.characters(codec="utf-8"), max_size=20),
        st.none() | st.binary(max_size=20),
    ),
    max_size=4,
)
SCHEMA = T.StructType(
    [
        T.StructField("date", T.DateType()),
        T.StructField("moment", T.TimestampType()),
        T.StructField("text", T.StringType()),
        T.StructField("bytes", T.BinaryType()),
    ]
)


@given(ROWS)
def test_no_value_keeps_a_file_from_being_listed(rows: list[tuple]) -> None:
    columns = list(zip(*rows, strict=True)) if rows else [()] * 4
    kinds = (pa.date32(), UTC, pa.string(), pa.binary())
    arrays = [pa.array(values, kind) for values, kind in zip(columns, kinds, strict=True)]
    found, _ = _statistics(SCHEMA, dict(zip(SCHEMA.names, arrays, strict=True)))
    assert found.to_serialized_dict()["record_count"] == len(rows)


def test_a_date_that_python_lacks_is_published_and_seen_by_others(home: LakeHome) -> None:
    table = TableId.parse("silver/shop/far")
    schema = T.StructType([T.StructField("key", T.StringType()), *SCHEMA.fields[:1]])
    home.make(table, schema, ("key",))
    data = pa.table({"key": ["a", "b"], "date": pa.array([6682830, 1], pa.date32())})
    home.publish(home.stage(data, ["a", "b"], table=table))
    assert set(files_by_partition(home.lake.load(table))) == {"a", "b"}
    found = home.lake.load(table).scan().to_arrow()
    assert sorted(found["date"].cast(pa.int32()).to_pylist()) == [1, 6682830]
    exported = home.folder / "far.parquet"
    assert write_parquet(browse.rows(home.lake.load(table)), exported) == 2
    read = pq.read_table(exported, schema=pa.schema([("date", pa.date32())]))
    assert sorted(read["date"].cast(pa.int32()).to_pylist()) == [1, 6682830]
    shown = {row["key"]: row["date"] for row in browse.as_python(found)}
    assert shown == {"a": "20266-12-20", "b": "1970-01-02"}
