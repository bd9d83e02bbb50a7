import datetime as dt
import io
from collections.abc import Callable
from dataclasses import replace
from operator import itemgetter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import types as T

from data_platform.contracts.names import indistinct
from data_platform.lake.files import (
    attempt_of,
    files_by_partition,
    partitioning_of,
    stored,
    versions,
)
from data_platform.lake.upkeep import browse
from data_platform.lake.writing.publish import publish
from data_platform.lake.writing.staging import Staged
from data_platform.tables.identity import TableId
from data_platform.tables.outcomes import DATA, QUARANTINE
from data_platform_tests.support.lake_home import MONDAY, SALES, TUESDAY, LakeHome, days

N = T.StructField("n", T.LongType())
DAY, SHOP = dt.date(2011, 3, 7), "EIRE"
HOUR = dt.datetime(2011, 3, 7, 5)
KINDS = {
    "daily": (
        {"day": (T.DateType(), pa.date32())},
        {MONDAY: (DAY,), TUESDAY: (DAY.replace(day=8),)},
    ),
    "monthly": (
        {"month": (T.DateType(), pa.date32())},
        {"2011-03-01": (DAY.replace(day=1),), "2011-04-01": (dt.date(2011, 4, 1),)},
    ),
    "hourly": (
        {"hour": (T.TimestampNTZType(), pa.timestamp("us"))},
        {"2011-03-07-05:00": (HOUR,), "2011-03-07-06:00": (HOUR.replace(hour=6),)},
    ),
    "hourly in UTC": (
        {"hour": (T.TimestampType(), pa.timestamp("us", "UTC"))},
        {
            "2011-03-07-05:00": (HOUR.replace(tzinfo=dt.UTC),),
            "2011-03-07-06:00": (HOUR.replace(hour=6, tzinfo=dt.UTC),),
        },
    ),
    "static": (
        {"shop": (T.StringType(), pa.string())},
        {"EIRE": ("EIRE",), "Côte d'Ivoire/2 %": ("Côte d'Ivoire/2 %",)},
    ),
    "numbered": ({"bucket": (T.IntegerType(), pa.int32())}, {"1": (1,), "-2": (-2,)}),
    "multi-dimensional": (
        {"day": (T.DateType(), pa.date32()), "shop": (T.StringType(), pa.string())},
        {f"{MONDAY}|EIRE": (DAY, "EIRE"), f"{MONDAY}|USA": (DAY, "USA")},
    ),
    "none": ({}, {"": ()}),
}  # fmt: skip


def table_of(columns: dict, rows: list[tuple]) -> pa.Table:
    """Rows of partition values and a number."""
    names = {**{name: kind for name, (_, kind) in columns.items()}, "n": pa.int64()}
    by_name = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    return pa.table({name: pa.array(by_name[name], kind) for name, kind in names.items()})


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_partition_is_replaced_alone(home: LakeHome, kind):
    columns, keys = KINDS[kind]
    table = TableId.parse("silver/shop/kinds")
    fields = [T.StructField(name, spark, False) for name, (spark, _) in columns.items()]
    home.make(table, T.StructType([*fields, N]), tuple(columns))
    first, *others = keys

    def write(numbers: dict[str, int]) -> str:
        rows = [(*keys[key], n) for key, n in numbers.items()]
        staged = home.stage(table_of(columns, rows), numbers, table=table)
        home.publish(staged)
        return staged.attempt

    before = write(dict.fromkeys(keys, 1))
    after = write({first: 2})
    loaded = home.lake.load(table)
    assert partitioning_of(loaded).names == tuple(columns)
    assert versions(files_by_partition(loaded)) == {first: after} | dict.fromkeys(others, before)
    assert set(files_by_partition(loaded, [first])) == {first}
    found = loaded.scan().to_arrow().select([*columns, "n"]).to_pylist()
    wanted = [(*keys[first], 2), *((*keys[key], 1) for key in others)]
    assert {tuple(row.values()) for row in found} == set(wanted)
    assert len(found) == len(wanted)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sets(st.text(st.characters(exclude_characters="|", codec="utf-8"), min_size=1), max_size=5)
)
def test_static_partitions_may_have_any_name(home: LakeHome, shops):
    table = TableId.parse("silver/shop/static")
    home.make(table, T.StructType([T.StructField("shop", T.StringType(), False), N]), ("shop",))
    columns = {"shop": (T.StringType(), pa.string())}
    rows = [(shop, n) for n, shop in enumerate(sorted(shops))]
    home.publish(home.stage(table_of(columns, rows), shops, table=table))
    loaded = home.lake.load(table)
    assert set(files_by_partition(loaded, shops)) == shops
    current = [row for row in loaded.scan().to_arrow().to_pylist() if row["shop"] in shops]
    assert sorted((row["shop"], row["n"]) for row in current) == rows


NAME = st.text(st.characters(codec="utf-8"), max_size=8)


@settings(max_examples=25, deadline=None)
@given(st.lists(NAME, min_size=2, max_size=5).filter(lambda names: not indistinct(names)))
def test_columns_may_have_any_name_also_those_that_come_later(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
):
    home = LakeHome(tmp_path_factory.mktemp("named"))
    table, text = TableId.parse("silver/shop/named"), T.StringType()
    tags = T.StructField("_tags", T.ArrayType(text))
    for count in (1, len(names)):
        fields = [T.StructField(name, text, True, {"comment": "doc"}) for name in names[:count]]
        home.make(table, T.StructType([T.StructField("_key", text), tags, *fields]), ("_key",))
        row = {"_key": f"{count}", "_tags": ["a"], **dict.fromkeys(names[:count], "1")}
        kinds = [pa.string(), pa.list_(pa.string()), *[pa.string()] * count]
        schema = pa.schema(zip(row, kinds, strict=True))
        home.publish(home.stage(pa.Table.from_pylist([row], schema), [row["_key"]], table=table))
    found = browse.rows(home.lake.load(table)).read_all().to_pylist()
    later = dict.fromkeys(names[1:])
    key = itemgetter("_key")
    assert sorted(found, key=key) == sorted(
        [row, {"_key": "1", "_tags": ["a"], names[0]: "1", **later}], key=key
    )


@given(st.datetimes(dt.datetime(1800, 1, 1)))
def test_a_moment_is_stored_exactly(moment):
    assert dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=int(stored(moment))) == moment


def test_the_version_of_a_partition_is_the_attempt_in_its_path(home: LakeHome):
    home.make()
    monday, tuesday = home.write({MONDAY: [1]}), home.write({TUESDAY: [2]})
    found = files_by_partition(home.lake.load(SALES))
    assert versions(found) == {MONDAY: monday.attempt, TUESDAY: tuesday.attempt}
    assert attempt_of(found[MONDAY][0].file_path) == monday.attempt


def test_a_snapshot_is_read_as_it_was(home: LakeHome):
    home.make()
    first = home.write({MONDAY: [1]})
    home.write({MONDAY: [2], TUESDAY: [2]})
    then = files_by_partition(home.lake.load(SALES), snapshot_id=home.snapshots()[0])
    assert versions(then) == {MONDAY: first.attempt}


def test_a_table_never_written_has_no_files(home: LakeHome):
    assert files_by_partition(home.make()) == {}


def _cut(home: LakeHome, path: str) -> None:
    cut = pa.BufferOutputStream()
    pq.write_table(pq.read_table(io.BytesIO(home.place.read(path))).slice(0, 1), cut)
    home.place.write(path, cut.getvalue().to_pybytes())


DAMAGES: dict[str, tuple[Callable[[LakeHome, str], None], str]] = {
    "lost rows": (_cut, "holds 1 rows and its writer reported 2"),
    "no Parquet": (lambda home, path: home.place.write(path, b"PAR1" * 99), "written for"),
    "gone": (lambda home, path: home.place.delete(path), "written for"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_is_not_as_written_holds_back_its_partition_alone(home: LakeHome, damage: str):
    spoil, why = DAMAGES[damage]
    home.make()
    first = home.write({MONDAY: [0], TUESDAY: [0]})
    write = home.stage(days({MONDAY: [1, 2], TUESDAY: [3]}), [MONDAY, TUESDAY])
    write = replace(write, inputs={MONDAY: "new", TUESDAY: "new"})
    (path,) = (file.path for file in write.staged.files[DATA] if file.key == MONDAY)
    spoil(home, path)
    publication = publish(home.lake, home.builds, write)
    assert set(publication.partitions) == {TUESDAY}
    assert home.numbers() == {MONDAY: [0], TUESDAY: [3]}
    assert set(publication.write.held_back) == {MONDAY}
    assert (
        why in publication.write.held_back[MONDAY] and path in publication.write.held_back[MONDAY]
    )
    held = home.builds.held_back(SALES)[MONDAY]
    assert held.inputs == "", "so that it is due again"
    assert versions(files_by_partition(home.lake.load(SALES), [MONDAY])) == {MONDAY: first.attempt}


def test_a_damaged_quarantine_holds_back_its_partition(home: LakeHome):
    home.make_rejecting()
    rows = [days({MONDAY: [1], TUESDAY: [2]}, DATA), days({MONDAY: [-1, -2]}, QUARANTINE)]
    write = home.stage(pa.concat_tables(rows), [MONDAY, TUESDAY])
    (file,) = write.staged.files[QUARANTINE]
    _cut(home, file.path)
    publication = publish(home.lake, home.builds, write)
    assert home.numbers() == {TUESDAY: [2]}
    assert "holds 1 rows" in publication.write.held_back[MONDAY]
    assert home.rejected("quarantine") == {}


def test_rows_of_another_partition_are_not_published(home: LakeHome):
    home.make()
    write = home.stage(days({MONDAY: [1]}), [MONDAY])
    (file,) = write.staged.files[DATA]
    moved = Staged({DATA: (replace(file, key=TUESDAY),)})
    astray = replace(write, slice=replace(write.slice, keys=(TUESDAY,)), staged=moved)
    held = publish(home.lake, home.builds, astray).write.held_back
    assert f"rows of another partition than {TUESDAY}" in held[TUESDAY]
    assert home.numbers() == {}
