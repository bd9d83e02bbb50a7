"""A year of a real shop's files, in a directory and on two stores, compared row by row with an
independent computation."""

from collections.abc import Iterator
from datetime import date

import pytest
from pyspark.sql import SparkSession

from benchmarks.workload import DEFAULT_DATA
from data_platform.demo.landing import land_folder
from data_platform.landing.places.objects import DirectoryBucket
from data_platform_tests.support.homes import BRONZE, SEGMENTS, SILVER, Home, home_at
from data_platform_tests.support.places import place_of
from data_platform_tests.support.retail import oracle, rules
from data_platform_tests.support.tables import TABLES

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(
        not DEFAULT_DATA.is_dir(), reason=f"{DEFAULT_DATA}, files of a real shop, is not there"
    ),
]


@pytest.fixture(scope="module", params=["directory", "versitygw", "minio"])
def year(
    request: pytest.FixtureRequest, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Home]:
    directory = tmp_path_factory.mktemp("year") / "home"
    place = place_of(request, request.param, directory)
    with home_at(directory, TABLES, place) as home:
        land_folder(DEFAULT_DATA, home.platform.bucket)
        assert all(ran.success for ran in home.run())
        yield home


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> list[oracle.Received]:
    folder = tmp_path_factory.mktemp("landed")
    land_folder(DEFAULT_DATA, DirectoryBucket(folder))
    return oracle.read(folder)


@pytest.fixture(scope="module")
def silver(landed: list[oracle.Received]) -> oracle.Silver:
    return oracle.silver(landed)


def _rows(home: Home, table: str) -> int:
    return sum(home.counts(table).values())


def test_every_row_is_where_it_belongs(year: Home) -> None:
    assert year.platform.ledger.summary() == {
        "pending": 0,
        "loaded": 305,
        "failed": 0,
        "unknown": len([p for p in DEFAULT_DATA.iterdir() if not p.name[0].isdigit()]),
    }
    beside = [_rows(year, f"{layer}/retail/order_lines") for layer in ("quarantine", "duplicates")]
    assert (_rows(year, BRONZE), _rows(year, SILVER), *beside) == (541_909, 536_638, 3, 5_268)


def test_a_second_look_at_the_year_asks_for_nothing(year: Home) -> None:
    assert year.run() == []


def test_bronze_is_what_landed(year: Home, landed: list[oracle.Received]) -> None:
    rules.require_bronze(year.read(BRONZE), landed)


def test_silver_is_what_the_rules_say(year: Home, silver: oracle.Silver) -> None:
    rules.require_silver(year.read(SILVER), silver)


def test_rejected_rows_are_those_of_the_rules(year: Home, silver: oracle.Silver) -> None:
    quarantine, duplicates = (
        year.read(f"{layer}/retail/order_lines") for layer in ("quarantine", "duplicates")
    )
    rules.require_rejected(quarantine, duplicates, silver)


def test_gold_is_what_the_rules_say(year: Home, silver: oracle.Silver) -> None:
    rules.require_gold(lambda name: rules.rows(year.read(f"gold/retail/{name}")), silver.published)
    months = {row["month"] for row in year.read(SEGMENTS).to_pylist()}
    assert min(months) == date(2010, 12, 1) and len(months) == 13
