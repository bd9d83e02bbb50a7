"""Arguments that could make a comparison fail, round or depend on the machine are refused."""

import re
import warnings
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, cast

import pandera.pyspark as pa
import pytest
from pyspark.errors import IllegalArgumentException
from pyspark.sql import SparkSession
from pyspark.sql import types as T

from data_platform.contracts.arguments import pattern_text, text_problem, values_problem
from data_platform.contracts.columns import column
from data_platform.contracts.declare import contract
from data_platform.contracts.errors import ContractError


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (1, T.IntegerType()),
        (0.5, T.LongType()),
        (Decimal("0.5"), T.LongType()),
        (float("nan"), T.DoubleType()),
        (Decimal("1e30"), T.DoubleType()),
        (0, T.DecimalType(38, 37)),
        (True, T.BooleanType()),
        (b"a", T.BinaryType()),
        (date(2011, 3, 4), T.DateType()),
        (datetime(2011, 3, 4, tzinfo=UTC), T.TimestampType()),
        (datetime(2011, 3, 4), T.TimestampNTZType()),
    ],
)
def test_what_fits_is_accepted(value: Any, type_: T.DataType):
    assert values_problem((value,), type_) is None


@pytest.mark.parametrize(
    ("values", "type_", "message"),
    [
        ((1,), T.StringType(), "give a str"),
        (("1",), T.LongType(), "give an int"),
        ((None,), T.LongType(), "give an int"),
        ((Decimal("NaN"),), T.DecimalType(9, 2), "finite"),
        ((2**63,), T.LongType(), "64 bits"),
        ((Decimal("0.5"),), T.DecimalType(38, 0), "needs 39 digits"),
        ((100,), T.DecimalType(38, 37), "needs 40 digits"),
        ((Decimal("1e30"), Decimal("1e-20")), T.DecimalType(5, 2), "needs 51 digits"),
        ((Decimal("1e-30"),), T.LongType(), "needs 50 digits"),
        (("2011-03-04",), T.DateType(), "give a datetime.date"),
        ((datetime(2011, 3, 4),), T.DateType(), "give a datetime.date"),
        ((datetime(2011, 3, 4),), T.TimestampType(), "with a tzinfo"),
        ((datetime(2011, 3, 4, tzinfo=UTC),), T.TimestampNTZType(), "without a tzinfo"),
        ((1,), T.BooleanType(), "True or False"),
        (("a",), T.BinaryType(), "bytes"),
    ],
)
def test_what_does_not_fit_is_a_problem(values: tuple[Any, ...], type_: T.DataType, message: str):
    assert message in (values_problem(values, type_) or "")


BOTH = [
    *("a|b", "(?i)a", "(?=a)", "(?:a)", re.compile("(?i)a"), r"\(\?P", ""),
    *(r"\{", r"\\", "a}", "a{2}", "a{2,}", "a{2,3}b", r"\d{4}-\d{2}", r"(a|b){1,2}"),
    *("[{]", "[(?#]", r"[\[]", "[]a]", "[^]a{]", r"[\]\\]", "[a&b]", r"[&\&]", "]", r"[\d-]"),
    *(r"\bword\b", r"\012", r"[\07]", r"\x00", r"\u00e9", r"\N{DIGIT ONE}", r"(a)\1"),
]
"""Patterns that both flavours accept, with the constructs that only look like Python's alone."""

ONLY_PYTHON = [
    *("x{,3}", "{", "a{b}", "a{1,b}", "[a]{", r"\\{", "[[]", "[a[b]c]", r"[]\\[]", "(?#c)a"),
    *(r"\U0001F600", r"[\U0001F600]", r"[\b]", r"[a\1]", r"\0", r"\08", r"[\0]", "[&&]"),
    *("(?P<a>b)", "(?a)b", "(a)?(?(1)b)"),
]


@pytest.mark.parametrize("pattern", BOTH)
def test_patterns_of_both_flavours_are_accepted(pattern: Any):
    assert text_problem("str_matches", {"pattern": pattern}) is None


@pytest.mark.parametrize("pattern", ONLY_PYTHON)
def test_a_pattern_that_only_python_takes_is_refused_where_it_is_declared(pattern: str):
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of nested sets
        re.compile(pattern)
    model = {"__annotations__": {"v": T.StringType}, "v": column(str_contains=pattern)}
    with pytest.raises(ContractError, match="Python's alone") as caught:
        contract(table="gold/shop/sales", owner="team:shop", version="1")(
            type("Model", (pa.DataFrameModel,), model)
        )
    error = caught.value
    assert (error.table, error.column, error.check) == ("gold/shop/sales", "v", "str_contains")


@pytest.mark.spark_only("asks the JVM")
def test_java_takes_what_is_accepted_and_refuses_what_is_not(spark: SparkSession):
    java = cast(Any, spark)._jvm.java.util.regex.Pattern

    def taken(pattern: Any) -> bool:
        try:
            java.compile(pattern_text(pattern))
        except IllegalArgumentException:
            return False
        return True

    assert [pattern for pattern in BOTH if not taken(pattern)] == []
    assert [pattern for pattern in ONLY_PYTHON if taken(pattern)] == ["[a[b]c]"]  # as a union


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("str_matches", {"pattern": "x{,3}"}, "as in {0,3}"),
        ("str_matches", {"pattern": re.compile("a", re.IGNORECASE)}, "(?i)"),
        ("str_matches", {"pattern": re.compile(b"a")}, "takes a str"),
        ("str_startswith", {"string": 1}, "takes a str"),
        ("str_length", {"min_value": 1.5, "max_value": None}, "a length is an int"),
    ],
)
def test_texts_that_spark_reads_otherwise_are_a_problem(
    kind: str, arguments: dict[str, Any], message: str
):
    assert message in (text_problem(kind, arguments) or "")
