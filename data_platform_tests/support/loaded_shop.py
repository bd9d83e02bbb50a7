"""One home with a month of the generated shop in it, loaded once for all tests that look at it.

Tests may land more, on days of their own: what a test asserts is either recorded here right after
the first load, or a difference that it made itself. Where several processes share the tests, those
of one shop run in the same process (`ByFileOrShop`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from xdist.scheduler import LoadFileScheduling

from data_platform.demo.generator import Manifest, generate
from data_platform.demo.report import Balance, balance_of
from data_platform.runs.in_process import Ran
from data_platform_tests.support.homes import (
    BRONZE,
    DEMAND,
    SALES,
    SEGMENTS,
    SILVER,
    Home,
    Versions,
    home_at,
)
from data_platform_tests.support.places import place_of
from data_platform_tests.support.tables import TABLES

REJECTED = ("quarantine", "duplicates")


@dataclass(frozen=True)
class LoadedShop:
    """The home, what was landed in it, and how things stood after the first load."""

    home: Home
    manifest: Manifest
    ran: list[Ran]
    versions: Versions
    rows: dict[str, dict[str, int]]
    balance: Balance
    states: dict[str, int]
    landed: Path  # the files of the first load
    received: pa.Table  # bronze
    rejected: dict[str, pa.Table]  # by layer
    made: dict[str, pa.Table]  # silver and gold

    def day(self, number: int) -> date:
        """A trading day by its position in the month."""
        return list(self.manifest.days)[number]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Modules that name `SHOP_PLACES` look at a shop in each of them, the others at a directory."""
    if "shop" in metafunc.fixturenames and vars(metafunc.module).get("LoadedShop") is LoadedShop:
        places = getattr(metafunc.module, "SHOP_PLACES", ("directory",))
        metafunc.parametrize("shop", places, ids=_id_of, indirect=True, scope="session")


def _id_of(place: str) -> str:
    return f"shop_in_{place}"


class ByFileOrShop(LoadFileScheduling):
    """Gives a process whole files, and all tests of one shop: each process that had some of them
    would load it."""

    def _split_scope(self, nodeid: str) -> str:
        shop = re.search(r"\[.*?(shop_in_[a-z]+)", nodeid)
        return shop[1] if shop else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    return ByFileOrShop(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def shop(
    request: pytest.FixtureRequest, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LoadedShop]:
    directory = tmp_path_factory.mktemp("shop") / "home"
    place = place_of(request, request.param, directory)
    with home_at(directory, TABLES, place) as home:
        landed = tmp_path_factory.mktemp("landed") / "landing"
        manifest = generate(landed, seed=3, months=1)
        for path in landed.rglob("*.*"):
            key = path.relative_to(landed).as_posix()
            home.place.write(f"{home.settings.landing_uri}/{key}", path.read_bytes())
        ran = home.run()
        yield LoadedShop(
            home=home,
            manifest=manifest,
            ran=ran,
            versions=home.versions(),
            rows={str(table.id): home.counts(str(table.id)) for table in home.tables}
            | {
                f"{layer}/retail/order_lines": home.counts(f"{layer}/retail/order_lines")
                for layer in REJECTED
            },
            balance=balance_of(home.platform),
            states={**home.platform.ledger.summary()},
            landed=landed,
            received=home.read(BRONZE),
            rejected={layer: home.read(f"{layer}/retail/order_lines") for layer in REJECTED},
            made={table: home.read(table) for table in (SILVER, SALES, DEMAND, SEGMENTS)},
        )
