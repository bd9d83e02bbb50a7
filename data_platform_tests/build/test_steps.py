import time
from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from data_platform.build.placement import among
from data_platform.build.steps import held_back
from data_platform.quality.findings import Finding
from data_platform.tables.identity import Partitioning


def _finding(
    check: str, *, passed: bool = False, blocking: bool = True, key: str | None = "a"
) -> Finding:
    return Finding(check, passed, blocking, f"{check} is wrong", partition=key)


def test_a_failed_blocking_check_holds_its_partition_back() -> None:
    found = held_back(
        [
            _finding("rules"),
            _finding("volume", key="b", blocking=False),
            _finding("rules", key="c", passed=True),
        ]
    )

    assert found == {"a": "rules: rules is wrong"}


def test_all_reasons_of_a_partition_are_given() -> None:
    found = held_back([_finding("conservation"), _finding("rules")])

    assert found == {"a": "conservation: conservation is wrong; rules: rules is wrong"}


def test_a_check_of_the_whole_run_holds_no_partition_back() -> None:
    assert held_back([_finding("rules", key=None)]) == {}


def test_a_table_without_partitions_is_held_back_as_a_whole() -> None:
    assert set(held_back([_finding("rules", key="")])) == {""}


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose zone is not the session's."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("columns", "built", "other"),
    [
        ("hour timestamp_ntz", ["2011-03-04-05:00", "2011-03-04-07:00"], "2011-03-04-14:00"),
        ("at timestamp", ["2011-03-04-05:00"], "2011-03-04-14:00"),
        ("day date", ["2011-03-04", "2011-03-06"], "2011-03-05"),
        ("hour timestamp_ntz, shop string", ["2011-03-04-05:00|a"], "2011-03-04-05:00|b"),
        (
            "shop string",
            ["it's", '"a"', r"back\slash\\", "two\nlines", "", "Ö日", "${x}", "${env:HOME}"],
            "its",
        ),
        ("day date, till bigint", ["2011-03-04|7", "2011-03-05|8"], "2011-03-04|8"),
    ],
)
def test_rows_are_told_by_their_partition_whatever_the_zone_of_the_machine(
    spark: SparkSession, tokyo: None, columns: str, built: list[str], other: str
) -> None:
    schema = spark.createDataFrame([], columns).schema
    partitioning = Partitioning.of(schema, tuple(schema.names))
    # as ISO text, which Spark casts without asking for the machine's zone
    rows = [tuple(_iso(text) for text in key.split("|")) for key in (*built, other)]
    texts = spark.createDataFrame(rows, schema.names)
    frame = texts.select(*(F.col(field.name).cast(field.dataType) for field in schema))

    found = frame.where(among(partitioning, built))
    as_text = found.select(*(F.col(name).cast("string") for name in schema.names)).collect()

    assert [tuple(row) for row in as_text] == rows[:-1]


def _iso(text: str) -> str:
    return f"{text[:10]} {text[11:]}:00" if text.endswith(":00") else text
