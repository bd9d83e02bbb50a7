"""Rules are compiled in the order of declaration, and reasons name those that a row breaks."""

from typing import cast

import pandera.pyspark as pa
import pyarrow as arrow
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from data_platform.contracts.columns import column
from data_platform.contracts.compile import compile_rules, reasons, received
from data_platform.contracts.contract import Contract, Rule
from data_platform.contracts.declare import contract

SHOP = T.StructType(
    [
        T.StructField("id", T.IntegerType()),
        T.StructField("name", T.StringType()),
        T.StructField(
            "_received", T.StructType().add("Id", T.StringType()).add("_rescued", T.StringType())
        ),
    ]
)


def _shop_contract() -> Contract:
    @contract(
        table="silver/shop/things",
        owner="team:shop",
        version="1",
        warn=("name.str_length",),
        rules=(
            Rule("named_as_numbered", lambda: F.col("name") == received("Id")),
            Rule("short", lambda: F.col("id") < 100, severity="warning"),
        ),
    )
    class Things(pa.DataFrameModel):
        id: T.IntegerType = column(source="Id", ge=1)
        name: T.StringType = column(source="Id", nullable=True, str_length={"max_value": 3})

    return cast(Contract, Things)


def test_rules_are_compiled_without_a_session_in_the_order_of_declaration():
    rules = compile_rules(_shop_contract())
    assert [(rule.name, rule.column, rule.check, rule.severity) for rule in rules] == [
        ("id.not_null", "id", "not_null", "blocking"),
        ("id.typed", "id", "typed", "blocking"),
        ("id.greater_than_or_equal_to", "id", "greater_than_or_equal_to", "blocking"),
        ("name.str_length", "name", "str_length", "warning"),
        ("named_as_numbered", None, "rule", "blocking"),
        ("short", None, "rule", "warning"),
        ("rescued", None, "rescued", "blocking"),
    ]


def test_reasons_name_the_broken_rules_in_order_and_are_null_for_a_good_row(spark: SparkSession):
    rows = [
        {"id": 1, "name": "1", "_received": {"Id": "1"}},
        {"id": 0, "name": "abc", "_received": {"Id": "0"}},
        {"id": None, "name": None, "_received": {"Id": "x"}},
        {"id": None, "name": None, "_received": {"Id": None}},
        {"id": 5000, "name": "5000", "_received": {"Id": "5000"}},
        {"id": 2, "name": "2", "_received": {"Id": "2", "_rescued": "{}"}},
    ]
    table = arrow.Table.from_pylist(rows, to_arrow_schema(SHOP))
    rules = compile_rules(_shop_contract())
    judged = spark.createDataFrame(table, SHOP).select(
        reasons(rules, "blocking").alias("blocking"), reasons(rules, "warning").alias("warning")
    )
    assert judged.schema["blocking"].dataType.simpleString() == "array<string>"
    assert [tuple(row) for row in judged.collect()] == [
        (None, None),
        (["id.greater_than_or_equal_to", "named_as_numbered"], None),
        (["id.not_null", "id.typed"], None),
        (["id.not_null"], None),
        (None, ["name.str_length", "short"]),
        (["rescued"], None),
    ]


def test_without_rules_of_a_severity_its_reasons_are_null(spark: SparkSession):
    frame = spark.range(1).select(reasons((), "warning").alias("reasons"))
    assert frame.schema["reasons"].dataType.simpleString() == "array<string>"
    assert frame.collect()[0].reasons is None
