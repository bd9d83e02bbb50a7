"""The Spark schema of a contract's table, and types without Spark."""

import pickle

import pytest
from pyspark.sql import types as T

from data_platform.contracts.schema import column_type, schema_of, spark_type
from data_platform_tests.support.contracts import declare, model


def test_the_spark_schema_has_types_nulls_comments_and_lineage_in_silver():
    schema = schema_of(declare())
    assert [(f.name, f.dataType.simpleString(), f.nullable) for f in schema] == [
        ("day", "date", False),
        ("line", "int", False),
        ("paid", "decimal(12,3)", False),
        ("buyer", "string", True),
        ("at", "timestamp_ntz", False),
        ("_source_object", "string", False),
        ("_row_number", "bigint", False),
        ("_ingested_at", "timestamp", True),
    ]
    assert schema["line"].metadata == {"comment": "from 1"}


def test_gold_has_no_lineage_and_needs_no_winner_unless_it_says_so():
    gold = declare(model(), table="gold/shop/sales")
    assert (gold.lineage, gold.winner) == (False, ())
    assert schema_of(gold).names == ["v"]
    assert schema_of(declare(table="gold/shop/sales", lineage=True)).names[-1] == "_ingested_at"


@pytest.mark.parametrize(
    "type_",
    [
        T.DateType(),
        T.DecimalType(12, 3),
        T.TimestampNTZType(),
        T.ArrayType(T.StringType(), containsNull=False),
        T.StructType([T.StructField("a b", T.LongType(), False, {"comment": "x"})]),
        T.MapType(T.StringType(), T.ArrayType(T.BinaryType()), valueContainsNull=False),
    ],
    ids=T.DataType.simpleString,
)
def test_a_type_as_described_is_the_type_that_was_declared(type_: T.DataType) -> None:
    described = column_type(type_)
    assert spark_type(described) == type_
    assert str(described) == type_.simpleString()
    assert pickle.loads(pickle.dumps(described)) == described == column_type(type_)
