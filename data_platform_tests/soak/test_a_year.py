"""A year of a real shop's files, in a directory and on two stores, compared row by row with an
independent computation."""

import math
from collections.abc import Iterator
from datetime import date

import pytest
from pyspark.sql import SparkSession

from benchmarks.workload import DEFAULT_DATA
from data_platform.demo.landing import land_folder
from data_platform.landing.places.objects import DirectoryBucket
from data_platform_tests.support.homes import (
    BRONZE,
    DEMAND,
    SALES,
    SEGMENTS,
    SILVER,
    Home,
    home_at,
)
from data_platform_tests.support.places import place_of
from data_platform_tests.support.retail import oracle
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
def silver(tmp_path_factory: pytest.TempPathFactory) -> oracle.Silver:
    landed = tmp_path_factory.mktemp("landed")
    land_folder(DEFAULT_DATA, DirectoryBucket(landed))
    return oracle.silver(oracle.read(landed))


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


def test_gold_is_what_the_rules_say(year: Home, silver: oracle.Silver) -> None:
    sales = year.read(SALES).to_pylist()
    assert {tuple(row.values()) for row in sales} == oracle.daily_sales(silver.published)
    segments = year.read(SEGMENTS).to_pylist()
    months = sorted({row["month"] for row in segments})
    assert months[0] == date(2010, 12, 1) and len(months) == 13
    assert {tuple(row.values()) for row in segments} == oracle.customer_segments(
        silver.published, months
    )


def test_demand_is_what_the_rules_say(year: Home, silver: oracle.Silver) -> None:
    expected = oracle.product_demand(silver.published)
    found = {
        tuple(row.values())[:2]: tuple(row.values())[2:] for row in year.read(DEMAND).to_pylist()
    }
    assert found.keys() == expected.keys()
    for key, row in found.items():
        for value, wanted in zip(row, expected[key], strict=True):
            same = value == wanted
            if isinstance(value, float) and isinstance(wanted, float):
                same = math.isclose(value, wanted, rel_tol=1e-9)
            assert same, (key, row, expected[key])
