"""The guides that declare tables, run together as they are printed: one home, one first load."""

import datetime as dt
import sys
from collections.abc import Iterator
from decimal import Decimal
from importlib import import_module

import pytest
from pyspark.sql import SparkSession

import data_platform.domains
from data_platform.platform_defs.discovery import discovered
from data_platform_tests.support.homes import Home, home_at
from data_platform_tests.support.pages import write_modules

PAGES = ("partitions", "several-sources", "dimension", "freshness")
DOMAINS = ("data_platform.domains.traffic", "data_platform.domains.sales")
LANDED = {
    "traffic/2026-01-05T06.csv": "station,cars\nN1,10\nS1,5\n",
    "traffic/2026-01-05T07.csv": "station,cars\nN1,7\n",
    "traffic/2026-02-01T00.csv": "station,cars\nN1,1\n",
    "traffic/2026-02-01T25.csv": "station,cars\nN1,1\n",
    "stations/north.csv": "station,road\nN1,A1\n",
    "stations/south.csv": "station,road\nS1,A2\n",
    "sales/web/2026-01-05.csv": "order,product,amount\nw1,p1,10.00\n",
    "sales/app/2026-01-05.csv": "order,product,amount\na1,p2,2.50\n",
    "sales/web/2026-01-06.csv": "order,product,amount\nw2,p1,1.00\n",
    "till/2026-01-05.csv": "Bon;Artikel;Betrag\nt1;p1;1.234,50\n",
    "products/current.csv": "product,category\np1,books\n",
}
JANUARY, FEBRUARY = dt.date(2026, 1, 1), dt.date(2026, 2, 1)
FIFTH, SIXTH = dt.date(2026, 1, 5), dt.date(2026, 1, 6)


@pytest.fixture(scope="module")
def home(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The guides' tables, with a few files loaded."""
    directory = tmp_path_factory.mktemp("guides")
    write_modules(directory / "domains", *(f"docs/how-to/{page}.md" for page in PAGES))
    package = data_platform.domains
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(package, "__path__", [*package.__path__, str(directory / "domains")])
        with home_at(directory / "home", discovered(DOMAINS).tables) as home:
            for key, text in LANDED.items():
                home.land(key, text.encode())
            assert all(ran.success for ran in home.run())
            yield home
        for name in [name for name in sys.modules if name.startswith(DOMAINS)]:
            del sys.modules[name]


def _rows(home: Home, table: str, *columns: str) -> set[tuple]:
    return {tuple(row[name] for name in columns) for row in home.read(table).to_pylist()}


def test_hours_are_loaded_one_by_one_and_summed_by_the_month(home: Home) -> None:
    assert home.counts("silver/traffic/counts") == {
        "2026-01-05-06:00": 2,
        "2026-01-05-07:00": 1,
        "2026-02-01-00:00": 1,
    }
    assert home.counts("silver/traffic/stations") == {"north": 1, "south": 1}
    assert _rows(home, "gold/traffic/roads", "month", "road", "cars") == {
        (JANUARY, "A1", 17),
        (JANUARY, "A2", 5),
        (FEBRUARY, "A1", 1),
    }


def test_a_file_of_no_hour_is_listed_as_unknown(home: Home) -> None:
    [unknown] = home.platform.ledger.unknown()
    assert (unknown.key, unknown.cause) == ("traffic/2026-02-01T25.csv", "no partition")


def test_folders_and_formats_come_together_in_one_table(home: Home) -> None:
    assert _rows(home, "gold/sales/all", "day", "channel", "number", "amount") == {
        (FIFTH, "web", "w1", Decimal("10.00")),
        (FIFTH, "web", "a1", Decimal("2.50")),
        (FIFTH, "till", "t1", Decimal("1234.50")),
        (SIXTH, "web", "w2", Decimal("1.00")),  # a day without the till
    }


def test_a_new_list_of_products_is_read_by_the_newest_day(home: Home) -> None:
    columns = ("day", "category", "amount")
    first = {
        (FIFTH, "books", Decimal("10.00")),
        (FIFTH, "unknown", Decimal("2.50")),
        (SIXTH, "books", Decimal("1.00")),
    }
    assert _rows(home, "gold/sales/categories", *columns) == first
    before = home.versions()

    home.land("products/current.csv", b"product,category\np1,novels\np2,toys\n")
    assert all(ran.success for ran in home.run())

    changed = {table: keys for table, keys in home.changed(before).items() if keys}
    assert changed == {
        "bronze/sales/products": {"current"},
        "silver/sales/products": {"current"},
        "gold/sales/categories": {"2026-01-06"},
    }
    newest = {(SIXTH, "novels", Decimal("1.00"))}
    older = {row for row in first if row[0] == FIFTH}
    assert _rows(home, "gold/sales/categories", *columns) == newest | older


def test_the_rule_of_freshness_can_be_followed(home: Home) -> None:
    rule = import_module("data_platform.domains.sales.freshness").BY_THE_EVENING

    assert (rule.problem, rule.days.problem) == (None, None)
    assert not rule.days.has(dt.date(2026, 12, 25))
