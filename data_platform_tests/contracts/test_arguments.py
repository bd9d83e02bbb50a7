"""Arguments that could make a comparison fail, round or depend on the machine are refused."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import types as T

from data_platform.contracts.arguments import text_problem, values_problem


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


@pytest.mark.parametrize("pattern", ["a|b", "(?i)a", "(?=a)", re.compile("(?i)a"), r"\(\?P", ""])
def test_patterns_of_both_flavours_are_accepted(pattern: Any):
    assert text_problem("str_matches", {"pattern": pattern}) is None


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("str_matches", {"pattern": "(?P<a>b)"}, "Python's alone"),
        ("str_contains", {"pattern": "(?a)b"}, "Python's alone"),
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
