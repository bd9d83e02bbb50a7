import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from data_platform.contracts.names import folded, indistinct, quoted

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)


@pytest.mark.parametrize(
    ("names", "one"),
    [
        (["id", "ID", "n"], ["id", "ID"]),
        (["id", "İD"], ["id", "İD"]),
        (["\u0131d", "id", "n"], ["\u0131d", "id"]),
        (["\u017fum", "Sum"], ["\u017fum", "Sum"]),
        (["İ", "i̇"], ["İ", "i̇"]),
        (["ß", "ss", "é", "e"], []),
        (["", " ", "a", "a "], []),
    ],
)
def test_names_that_spark_takes_for_one_column_are_found(names: list[str], one: list[str]) -> None:
    assert indistinct(names) == one


@given(TEXT)
def test_no_name_is_taken_for_itself_and_its_other_cases_are(name: str) -> None:
    assert indistinct([name]) == []
    other = name.swapcase()
    if len(other) == len(name) and other != name and other.swapcase() == name:
        assert indistinct([name, other]) == [name, other]


@pytest.mark.spark_only("asks the JVM")
def test_names_are_folded_as_java_compares_them(spark: SparkSession) -> None:
    """`equalsIgnoreCase` calls two characters equal whose upper cases' lower cases are."""
    jvm: Any = spark._jvm
    java = jvm.java.lang.Character
    cased = [c for c in map(chr, range(sys.maxunicode + 1)) if c.upper() != c or c.lower() != c]
    alike: dict[int, set[str]] = {}
    for letter in cased:
        alike.setdefault(java.toLowerCase(java.toUpperCase(ord(letter))), set()).add(letter)
    assert len(alike) > 1000
    assert [group for group in alike.values() if len(set(map(folded, group))) > 1] == []


def test_a_quoted_name_is_one_column_to_spark_whatever_it_is(spark: SparkSession) -> None:
    names = ["", "a.b", "a`b", "`", "*", "a b", "select", "a,b", "日本", "\n", "'", "$a", "x" * 300]
    frame = spark.createDataFrame([tuple(map(str, range(len(names))))], names)
    row = frame.select(*(F.col(quoted(name)) for name in names)).first()
    assert row and list(row) == list(map(str, range(len(names))))
