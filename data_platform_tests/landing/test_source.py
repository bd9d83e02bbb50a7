from typing import Any

import pytest

from data_platform.landing.formats.csv import Csv
from data_platform.landing.source import Source

PATTERN = r"^online_retail/(\d{4}-\d{2}-\d{2})([._-][^/]*)?\.csv$"


def source(**changes: Any) -> Source:
    values: dict[str, Any] = {
        "name": "shop",
        "prefix": "online_retail/",
        "pattern": PATTERN,
        "table": "bronze/retail/order_lines",
        "format": Csv(columns=("a",)),
    }
    return Source(**(values | changes))


@pytest.mark.parametrize(
    ("key", "partition"),
    [
        ("online_retail/2011-03-04.csv", "2011-03-04"),
        ("online_retail/2011-03-04-late.csv", "2011-03-04"),
        ("online_retail/2011-03-04x.csv", None),
        ("online_retail/2011-03-04.csv\n", None),
        ("online_retail/2011-02-30.csv", None),
        ("other/2011-03-04.csv", None),
        ("x/online_retail/2011-03-04.csv", None),
    ],
)
def test_a_key_names_its_partition_or_none(key: str, partition: str | None) -> None:
    assert source().partition_of(key) == partition


def test_the_partition_may_be_made_of_what_the_key_says() -> None:
    monthly = source(partition=lambda text: f"{text[:7]}-01")
    assert monthly.partition_of("online_retail/2011-03-04.csv") == "2011-03-01"


def test_keys_are_ordered_by_date_only_if_nothing_varies_before_it() -> None:
    assert source().date_ordered
    assert not source(pattern=r"online_retail/[a-z]+/(\d{4}-\d{2}-\d{2}).csv").date_ordered


def test_a_pattern_without_a_group_is_an_error() -> None:
    with pytest.raises(ValueError, match="needs a group"):
        source(pattern="online_retail/.*")


@pytest.mark.parametrize(
    "pattern",
    [
        r"a/(\d+)?\.csv",
        r"a/(\d+)*\.csv",
        r"a/(?:(\d+)-)?x\.csv",
        r"a/(?:(\d+)|all)\.csv",
        r"a/(?:(\d+)){0,2}\.csv",
    ],
)
def test_a_pattern_whose_first_group_is_optional_is_an_error(pattern: str) -> None:
    with pytest.raises(ValueError, match="a key can match without it"):
        source(pattern=pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        r"a/(\d+)(-late)?\.csv",
        r"a/(?:x|y)?(\d+)\.csv",
        r"a/((\d+)?)\.csv",
        r"a/(?:(\d+)-)+x\.csv",
        r"a/(?=(\d+)).*",
        r"a/(?P<day>\d+)(?(day)x|y)",
        r"(?i:A/(?>(\d+)))\.csv",
    ],
)
def test_a_pattern_whose_first_group_is_always_there_is_taken(pattern: str) -> None:
    assert source(pattern=pattern).pattern == pattern


@pytest.mark.parametrize(
    "wrong",
    [
        {"columns": ()},
        {"columns": ("a", "a")},
        {"columns": ("_row_number",)},
        {"columns": ("a",), "delimiter": ",,"},
        {"columns": ("a",), "delimiter": '"'},
        {"columns": ("a",), "encoding": "utf8-ish"},
        {"columns": ("a",), "encoding": "zlib"},
        {"columns": ("a",), "encoding": "undefined"},
    ],
)
def test_a_format_that_cannot_be_is_an_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Csv"):
        Csv(**wrong)


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        (("a", "A", "b"), r"equal: \['a', 'A'\]"),
        (("İD", "n", "id"), r"equal: \['İD', 'id'\]"),
        (("\u0131d", "id"), r"equal: \['.d', 'id'\]"),
    ],
)
def test_columns_that_spark_could_not_tell_apart_are_an_error(
    columns: tuple[str, ...], named: str
) -> None:
    with pytest.raises(ValueError, match=f"{named}.*have the files name these columns otherwise"):
        Csv(columns=columns)
