from concurrent.futures import ThreadPoolExecutor

import pytest
from pyspark.sql import types as T

from data_platform.databases.errors import DatabaseUnavailable
from data_platform.lake.catalog import Lake
from data_platform.lake.errors import SchemaConflict, UnknownTable
from data_platform.tables.identity import TableId
from data_platform_tests.support.lake_home import (
    DAY,
    MONDAY,
    SALES,
    SCHEMA,
    TUESDAY,
    LakeHome,
    days,
)

N = T.StructField("n", T.LongType())


def schema(*fields: T.StructField) -> T.StructType:
    return T.StructType([DAY, *fields])


def test_a_new_nullable_column_reads_null_in_old_partitions(home: LakeHome):
    home.make()
    home.write({MONDAY: [1]})
    loaded = home.make(schema=schema(N, T.StructField("note", T.StringType())))
    data = days({TUESDAY: [2]})
    home.publish(home.stage(data.append_column("note", [["new"]]), [TUESDAY]))
    rows = home.lake.load(SALES).scan().to_arrow().to_pylist()
    assert {(row["n"], row["note"]) for row in rows} == {(1, None), (2, "new")}
    assert loaded.schema().column_names == ["day", "n", "note"]


def test_a_new_column_comes_last_wherever_the_contract_has_it(home: LakeHome):
    home.make()
    home.write({MONDAY: [1]})
    home.make(schema=schema(T.StructField("note", T.StringType()), N))
    assert home.numbers() == {MONDAY: [1]}


def test_a_required_column_may_become_nullable(home: LakeHome):
    home.make(schema=schema(T.StructField("n", T.LongType(), False)))
    home.write({MONDAY: [1]})
    assert not home.make().schema().find_field("n").required
    data = days({TUESDAY: [2]}).set_column(1, "n", [[None]])
    home.publish(home.stage(data.cast(days({}).schema), [TUESDAY]))
    assert home.numbers() == {MONDAY: [1], TUESDAY: [None]}


def test_a_column_stays_nullable_in_the_table_if_the_contract_is_stricter(home: LakeHome):
    home.make()
    home.make(schema=schema(T.StructField("n", T.LongType(), False)))
    assert not home.lake.load(SALES).schema().find_field("n").required


def test_column_docs_follow_the_contract(home: LakeHome):
    home.make()
    home.make(schema=schema(T.StructField("n", T.LongType(), True, {"comment": "how many"})))
    assert home.lake.load(SALES).schema().find_field("n").doc == "how many"


def test_ensuring_the_same_again_commits_nothing(home: LakeHome):
    before = home.make().metadata_location
    assert home.make().metadata_location == before


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ([], ["column n", "(long)", "removed or renamed", "put it back"]),
        ([T.StructField("m", T.LongType())], ["column n", "removed or renamed", "new name"]),
        ([T.StructField("n", T.StringType())], ["column n", "long", "string", "another name"]),
        ([T.StructField("n", T.IntegerType())], ["column n", "long", "int", "keep the type"]),
        ([T.StructField("n", T.DecimalType(10, 2))], ["column n", "long", "decimal(10, 2)"]),
        (
            [N, T.StructField("note", T.StringType(), False)],
            ["column note", "(string)", "not nullable", "nullable=True"],
        ),
    ],
    ids=["removed", "renamed", "retyped", "narrowed", "made decimal", "new and required"],
)
def test_a_change_that_would_break_old_partitions_is_refused(home: LakeHome, fields, says):
    home.make()
    home.write({MONDAY: [1]})
    before = home.lake.load(SALES).metadata_location
    with pytest.raises(SchemaConflict) as refused:
        home.make(schema=schema(*fields))
    for text in ["silver/shop/sales", "Ways out", *says]:
        assert text in str(refused.value)
    assert home.lake.load(SALES).metadata_location == before
    assert home.numbers() == {MONDAY: [1]}


def test_nested_types_are_compared_by_what_they_hold(home: LakeHome):
    def tagged(kind: T.DataType) -> T.StructType:
        inner = T.StructType([T.StructField("tags", T.ArrayType(kind))])
        return schema(N, T.StructField("more", inner))

    home.make(schema=tagged(T.StringType()))
    home.make(schema=tagged(T.StringType()))
    with pytest.raises(SchemaConflict, match="column more"):
        home.make(schema=tagged(T.LongType()))


def test_partitions_cannot_change(home: LakeHome):
    home.make()
    with pytest.raises(SchemaConflict, match=r"partitioned by \('day',\) and declared by nothing"):
        home.make(partition_by=())


def test_a_type_that_iceberg_lacks_is_refused_by_name(home: LakeHome):
    with pytest.raises(SchemaConflict, match=r"column v: Spark type .*interval.* cast it"):
        home.make(schema=schema(T.StructField("v", T.DayTimeIntervalType())))
    assert not home.lake.exists(SALES)


def test_an_unknown_table_is_named(home: LakeHome):
    with pytest.raises(UnknownTable, match="no table silver/shop/sales in the catalog"):
        home.lake.load(SALES)
    assert home.lake.metadata_locations([SALES]) == {SALES: ""}


def test_tables_are_listed_by_name(home: LakeHome):
    for name in ("silver/shop/sales", "gold/shop/totals", "gold/web_shop/totals"):
        home.make(TableId.parse(name))
    assert [str(t) for t in home.lake.tables()] == [
        "gold/shop/totals",
        "gold/web_shop/totals",
        "silver/shop/sales",
    ]


def test_a_catalog_that_cannot_be_opened_is_named(tmp_path):
    uri = f"sqlite:///{tmp_path}/nowhere/catalog.db"
    with pytest.raises(DatabaseUnavailable, match=r"nowhere/catalog\.db"):
        Lake({"type": "sql", "uri": uri}, str(tmp_path)).tables()


def test_makers_of_one_table_at_once_make_one_and_change_it_once(home: LakeHome):
    note = T.StructField("note", T.StringType(), True)
    for schema in (SCHEMA, T.StructType([*SCHEMA.fields, note])):
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda _, s=schema: home.again().make(schema=s), range(8)))
        assert len({table.metadata.table_uuid for table in made}) == 1
        assert all(table.schema().column_names == schema.names for table in made)
    assert len(home.lake.load(SALES).metadata.schemas) == 2
