"""Who has only the catalog reads the same rows: PyIceberg, DuckDB, Polars, Spark.

DuckDB's Iceberg extension is a download; without it DuckDB reads the files that the metadata
lists, or what PyIceberg hands it.
"""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import cast

import dagster as dg
import duckdb
import polars as pl
import pyarrow as pa
import pytest
from pyiceberg.catalog import load_catalog
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table
from pyspark.sql import SparkSession
from pyspark.sql import types as T

from data_platform.build.failures import failures_explained
from data_platform.lake.errors import UnreadableFile
from data_platform.lake.files import files_by_partition
from data_platform.lake.reads import ReadPlan, spark_schema
from data_platform.lake.writing.staging import plain_layout, stage
from data_platform.storage.files import LISTED
from data_platform.tables.identity import TableId
from data_platform_tests.support.lake_home import MONDAY, SALES, TUESDAY, LakeHome

FIRST = T.StructType(
    [
        T.StructField("day", T.DateType(), False),
        T.StructField("word", T.StringType()),
        T.StructField("count", T.IntegerType()),
        T.StructField("total", T.LongType()),
        T.StructField("price", T.DecimalType(12, 3)),
        T.StructField("share", T.DoubleType()),
        T.StructField("open", T.BooleanType()),
        T.StructField("local", T.TimestampNTZType()),
        T.StructField("moment", T.TimestampType()),
        T.StructField("tags", T.ArrayType(T.StringType())),
    ]
)
THEN = T.StructType([*FIRST.fields, T.StructField("note", T.StringType())])
NOON = dt.datetime(2011, 3, 7, 12, 0, 0, 123456)


def row(day: str, n: int, **more: object) -> dict[str, object]:
    return {
        "day": dt.date.fromisoformat(day),
        "word": ["", "naïve", 'a "quoted" word, 日本', None][n % 4],
        "count": [0, -(2**31), 2**31 - 1, None][n % 4],
        "total": [0, -(2**63), 2**63 - 1, None][n % 4],
        "price": [Decimal("0.000"), Decimal("-999999999.999"), Decimal("12.345"), None][n % 4],
        "share": [0.0, -1.5e300, 1e-300, None][n % 4],
        "open": [True, False, True, None][n % 4],
        "local": None if n % 4 == 3 else NOON,
        "moment": None if n % 4 == 3 else NOON.replace(tzinfo=dt.UTC),
        "tags": [[], ["a", None], ["ü"], None][n % 4],
        **more,
    }


@pytest.fixture
def home(home: LakeHome) -> LakeHome:
    """Two days and another Monday; Tuesday's file is older than the last column."""
    _write(home, FIRST, [row(MONDAY, 0)] + [row(TUESDAY, n) for n in range(4)])
    _write(home, THEN, [row(MONDAY, n, note=f"n{n}") for n in range(4)])
    return home


def _write(home: LakeHome, schema: T.StructType, rows: list[dict]) -> None:
    arrow = home.make(schema=schema).schema().as_arrow()
    home.publish(home.stage(pa.Table.from_pylist(rows, arrow), {str(r["day"]) for r in rows}))


EXPECTED = [row(TUESDAY, n, note=None) for n in range(4)] + [
    row(MONDAY, n, note=f"n{n}") for n in range(4)
]


def paths(table: Table) -> list[str]:
    found = files_by_partition(table).values()
    return [file.file_path for group in found for file in group]


def by_pyiceberg(table: Table) -> pa.Table:
    return table.scan().to_arrow()


def by_duckdb_through_pyiceberg(table: Table) -> pa.Table:
    return table.scan().to_duckdb("sales").sql("SELECT * FROM sales").to_arrow_table()


def by_duckdb_of_the_listed_files(table: Table) -> pa.Table:
    found = paths(table)
    if found[0].startswith("s3://"):
        pytest.skip("DuckDB's own S3 client is an extension that its packages leave out")
    found = [path.removeprefix("file://") for path in found]
    return duckdb.read_parquet(found, union_by_name=True).to_arrow_table()  # type: ignore[arg-type]


def by_polars(table: Table) -> pa.Table:
    options = {name: table.io.properties[name] for name in table.io.properties if "s3." in name}
    return pl.scan_iceberg(table, storage_options=options or None).collect().to_arrow()


@pytest.mark.parametrize(
    "read",
    [by_pyiceberg, by_duckdb_through_pyiceberg, by_duckdb_of_the_listed_files, by_polars],
    ids=lambda read: read.__name__,
)
def test_an_outsider_with_the_catalog_alone_reads_the_same_rows(
    home: LakeHome, read: Callable[[Table], pa.Table]
):
    catalog = load_catalog("data_platform", **home.lake.properties)
    found = read(catalog.load_table("silver_shop.sales"))
    require_rows(found)


def test_the_lakes_own_reads_see_the_same_rows(home: LakeHome, spark: SparkSession):
    table = home.lake.load(SALES)
    files = files_by_partition(table)
    plan = ReadPlan.of(table, (f for group in files.values() for f in group))
    assert plan.bytes == sum(f.file_size_in_bytes for group in files.values() for f in group)
    frame = plan.dataframe(spark, home.storage)
    assert [(f.name, f.dataType) for f in frame.schema] == [(f.name, f.dataType) for f in THEN]
    require_rows(frame.toArrow())
    nothing = ReadPlan.of(table, []).dataframe(spark, home.storage)
    assert nothing.isEmpty()
    assert nothing.columns == frame.columns


def require_rows(found: pa.Table) -> None:
    """Equal values, whatever names a zone or the width of a type has in the reader's Arrow."""
    names = [field.name for field in THEN]
    rows = found.select(names).to_pylist()
    for one in rows:
        if one["moment"]:
            one["moment"] = one["moment"].astimezone(dt.UTC)
    assert sorted(rows, key=repr) == sorted(EXPECTED, key=repr)


def test_schemas_survive_the_way_to_iceberg_and_back(home: LakeHome):
    table = home.make(schema=THEN)
    assert spark_schema(table.schema()) == THEN


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "is not there"), (b"", "has 0 bytes"), (b"PAR1", "has 4 bytes; it had")],
    ids=["gone", "emptied", "cut"],
)
def test_a_file_that_is_not_whole_is_named_before_anything_is_read(home: LakeHome, content, says):
    """Spark reads no rows from an emptied file, and no error either."""
    table = home.lake.load(SALES)
    path, *_ = paths(table)
    home.place.delete(path)
    if content is not None:
        home.place.write(path, content)
    found = files_by_partition(table).values()
    plan = ReadPlan.of(table, (file for group in found for file in group))
    with pytest.raises(UnreadableFile, match=f"{path}, a data file of silver/shop/sales, {says}"):
        plan.dataframe(cast(SparkSession, None), home.storage)


def test_a_folder_is_read_as_its_published_files_alone(home: LakeHome, spark: SparkSession):
    """Many files of one attempt are found by listing it, where a late task may leave another."""
    keys = [f"2011-0{month}-{day:02}" for month in (5, 6) for day in range(1, LISTED + 1)]
    _write(home, THEN, [row(key, 2, note=key) for key in keys])
    table = home.lake.load(SALES)
    found = files_by_partition(table, keys)
    path = found[keys[0]][0].file_path
    home.place.write(f"{path.rpartition('/')[0]}/2011-05-01-late.parquet", home.place.read(path))
    wanted = found | files_by_partition(table, [MONDAY])
    del wanted[keys[-1]]
    plan = ReadPlan.of(table, (f for group in wanted.values() for f in group))
    notes = [one.note for one in plan.dataframe(spark, home.storage).select("note").collect()]
    assert sorted(notes) == [*keys[:-1], "n0", "n1", "n2", "n3"]


@pytest.mark.spark_only("Sail ends the connection")
def test_a_file_that_is_damaged_inside_is_the_runs_message(home: LakeHome, spark: SparkSession):
    table = home.lake.load(SALES)
    path, *_ = paths(table)
    whole = home.place.read(path)
    home.place.write(path, b"PAR1" + b"\x17" * (len(whole) - 8) + b"PAR1")
    found = files_by_partition(table).values()
    plan = ReadPlan.of(table, (file for group in found for file in group))
    attempt = plain_layout(table, "attempt", home.storage)
    with pytest.raises(dg.Failure) as failed, failures_explained():
        stage(plan.dataframe(spark, home.storage), attempt)
    assert f"{path}, a data file of silver/shop/sales, cannot be read" in str(failed.value)
    assert failed.value.description and "rollback" in failed.value.description


def test_a_file_whose_name_spark_passes_over_is_named_with_the_way_out(
    home: LakeHome, spark: SparkSession
) -> None:
    """Former versions gave such names; as no rows they would be missed, and by nobody."""
    table = home.lake.load(SALES)
    found = [file for group in files_by_partition(table).values() for file in group]
    path = found[0].file_path
    folder, _, name = path.rpartition("/")
    home.place.write(f"{folder}/_{name}", home.place.read(path))
    hidden = DataFile.from_args(
        file_path=f"{folder}/_{name}",
        record_count=found[0].record_count,
        file_size_in_bytes=found[0].file_size_in_bytes,
    )
    plan = ReadPlan.of(table, [found[1], hidden])
    with pytest.raises(UnreadableFile, match=f"{folder}/_{name}.*passes over.*materialize"):
        plan.dataframe(spark, home.storage)


KEYS = ["Île-de-France", ".x", "#1", "_x", "a b", "%41", "{a,b}", "*", "x" * 240, "日本", "?", "'"]


def test_partitions_of_any_name_are_read_by_spark(home: LakeHome, spark: SparkSession) -> None:
    table = TableId.parse("silver/shop/named")
    columns = [T.StructField("shop", T.StringType()), T.StructField("n", T.LongType())]
    home.make(table, T.StructType(columns), ("shop",))
    data = pa.table({"shop": KEYS, "n": list(range(len(KEYS)))})
    home.publish(home.stage(data, KEYS, table=table))
    loaded = home.lake.load(table)
    files = files_by_partition(loaded)
    assert sorted(files) == sorted(KEYS)
    plan = ReadPlan.of(loaded, (f for group in files.values() for f in group))
    rows = plan.dataframe(spark, home.storage).collect()
    assert sorted(map(tuple, rows)) == sorted((key, n) for n, key in enumerate(KEYS))
