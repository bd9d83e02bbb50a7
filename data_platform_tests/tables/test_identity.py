import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import types as T

from data_platform.lake.writing.parquet import values_written, written
from data_platform.tables.identity import LAYERS, PartitionColumn, Partitioning, TableId

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
HOURS = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1)).map(
    lambda moment: moment.replace(minute=0, second=0, microsecond=0)
)
VALUES: dict[T.DataType, st.SearchStrategy] = {
    T.DateType(): st.dates(dt.date(1000, 1, 1)),
    T.TimestampNTZType(): HOURS,
    T.TimestampType(): HOURS.map(lambda moment: moment.replace(tzinfo=dt.UTC)),
    T.StringType(): st.text().filter(lambda text: "|" not in text),
    T.IntegerType(): st.integers(-(2**31), 2**31 - 1),
    T.LongType(): st.integers(-(2**63), 2**63 - 1),
}


@st.composite
def partitions(draw) -> tuple[Partitioning, tuple]:
    """A partitioning of no, one or several columns, and one partition's values."""
    types = draw(st.lists(st.sampled_from(list(VALUES)), max_size=3))
    columns = tuple(PartitionColumn(f"c{n}", kind) for n, kind in enumerate(types))
    return Partitioning(columns), tuple(draw(VALUES[kind]) for kind in types)


@given(partitions())
def test_a_partition_key_gives_its_values_back(given):
    partitioning, values = given
    assert partitioning.values(partitioning.key(values)) == values


@given(partitions())
def test_what_a_task_reports_of_a_partition_gives_its_values_back(given):
    _, values = given
    assert values_written(written(values)) == values


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        (T.DateType(), "2011-03-04", dt.date(2011, 3, 4)),
        (T.DateType(), "2011-03-01", dt.date(2011, 3, 1)),  # a month's key
        (T.TimestampNTZType(), "2011-03-04-05:00", dt.datetime(2011, 3, 4, 5)),
        (T.TimestampType(), "2011-03-04-05:00", dt.datetime(2011, 3, 4, 5, tzinfo=dt.UTC)),
        (T.StringType(), "EIRE", "EIRE"),
        (T.LongType(), "7", 7),
    ],
)
def test_keys_are_the_orchestrators(kind, key, value):
    partitioning = Partitioning((PartitionColumn("p", kind),))
    assert partitioning.values(key) == (value,)
    assert partitioning.key((value,)) == key


def test_a_table_without_partitions_has_one_without_a_name():
    assert Partitioning().values("") == ()
    assert Partitioning().key(()) == ""


@pytest.mark.parametrize("key", ["a", "2011-03-04|a|b", ""])
def test_a_key_of_another_shape_is_refused(key):
    columns = (PartitionColumn("day", T.DateType()), PartitionColumn("shop", T.StringType()))
    with pytest.raises(ValueError, match=r"does not fit the columns \('day', 'shop'\)"):
        Partitioning(columns).values(key)


@pytest.mark.parametrize("key", ["", "EIRE", "2011-13-01", "2011-3-4", "2011-03-04-05:00"])
def test_a_key_that_is_no_day_is_refused(key):
    with pytest.raises(ValueError, match=r".+"):
        Partitioning((PartitionColumn("day", T.DateType()),)).values(key)


@given(st.sampled_from(LAYERS), NAMES, NAMES)
def test_a_tables_name_reads_back(layer, domain, name):
    table = TableId(layer, domain, name)
    assert TableId.parse(str(table)) == table
    assert table.identifier == (f"{layer}_{domain}", name)


def test_a_layer_that_there_is_none_of_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="its layer is platinum; there are bronze, silver, gold"):
        TableId.parse("platinum/shop/sales")


@pytest.mark.parametrize(
    "text", ["sales", "silver/sales", "silver/shop/Sales", "silver/shop/a/b", "silver//sales", ""]
)
def test_what_is_no_tables_name_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="silver/retail/order_lines"):
        TableId.parse(text)
