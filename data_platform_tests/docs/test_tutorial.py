"""The tutorial's example, as it is printed there, and the guides that go on from it."""

import importlib
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import pytest
from pyspark.sql import SparkSession

import data_platform.domains
from data_platform.platform_defs.resources import resources
from data_platform_tests.support.asset_alone import asset_alone
from data_platform_tests.support.homes import Home, home_at
from data_platform_tests.support.pages import blocks, write_modules

TUTORIAL = "docs/tutorial/first-table.md"
PAGES = (TUTORIAL, "docs/how-to/merge-by-key.md", "docs/how-to/ordinary-asset.md")
WEATHER = "data_platform.domains.weather"
GOLD = "gold/weather/station_days"


@pytest.fixture
def weather(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The domain's folder, with every module that the pages have for it."""
    folder = tmp_path / "domains"
    write_modules(folder, *PAGES)
    domains = data_platform.domains
    monkeypatch.setattr(domains, "__path__", [*domains.__path__, str(folder)])
    yield folder / "weather"
    for name in [name for name in sys.modules if name.startswith(WEATHER)]:
        del sys.modules[name]


@pytest.fixture
def home(weather: Path, spark: SparkSession, tmp_path: Path) -> Iterator[Home]:
    """A day of observations, loaded."""
    tables, latest = _module("tables"), _module("latest")
    declared = (tables.received, tables.observations, tables.station_days, latest.stations)
    [rows] = [block.text for block in blocks(TUTORIAL) if block.language == "csv"]
    with home_at(tmp_path / "home", declared) as home:
        home.land("weather/2026-01-05.csv", rows.encode())
        assert all(ran.success for ran in home.run())
        yield home


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{WEATHER}.{name}")


def test_the_example_brings_a_file_to_gold_with_every_row_accounted_for(home: Home) -> None:
    found = {row["station_id"]: row for row in home.read(GOLD).to_pylist()}

    assert {name: (row["coldest"], row["warmest"]) for name, row in found.items()} == {
        "OSL": (Decimal("-7.5"), Decimal("-3.0")),
        "BER": (Decimal("1.5"), Decimal("1.5")),
        "ROM": (Decimal("14.0"), Decimal("14.0")),
    }
    [rejected] = home.read("quarantine/weather/observations").to_pylist()
    assert rejected["temperature"] == "warm"
    assert set(rejected["_reasons"]) == {"celsius.not_null", "celsius.typed"}
    [repeat] = home.read("duplicates/weather/observations").to_pylist()
    assert (repeat["station"], repeat["_repeats_row"]) == ("BER", 4)


def test_the_test_of_the_tutorial_passes(
    weather: Path, spark: SparkSession, tmp_path: Path
) -> None:
    [code] = [
        b.text for b in blocks(TUTORIAL) if "platform_with" in b.text and b.language == "python"
    ]
    names: dict[str, Any] = {}
    exec(compile(code, TUTORIAL, "exec"), names)
    [test] = [value for name, value in names.items() if name.startswith("test_")]
    test(tmp_path / "tested")


def test_no_damaged_value_passes_as_a_good_one(home: Home) -> None:
    damaged = ("-7,5", "-7.55", " 6", "1e3", "NaN", "٣")
    rows = [f"OSL,2026-01-06 {n:02}:00:00,{text},80" for n, text in enumerate(damaged)]
    rows += ["OSL,2026-01-06T23:30:00+05:00,-7.5,80", "OSL,2026-01-06 24:00:00,-7.5,80"]
    good = [f"OSL,2026-01-06 {n % 24:02}:30:{n:02},-4.5,80" for n in range(40)]
    lines = ["station,observed_at,temperature,humidity", *rows, *good, ""]
    home.land("weather/2026-01-06.csv", "\n".join(lines).encode())
    assert all(ran.success for ran in home.run())

    published = home.read("silver/weather/observations", "2026-01-06").to_pylist()
    assert {row["celsius"] for row in published} == {Decimal("-4.5")}
    assert len(published) == len(good)
    rejected = home.read("quarantine/weather/observations", "2026-01-06").to_pylist()
    reasons = {row["_row_number"]: set(row["_reasons"]) for row in rejected}
    assert sorted(reasons) == list(range(1, len(rows) + 1))
    assert "rescued" in reasons[1]  # a decimal comma is a field too many
    assert all("celsius.typed" in reasons[n] for n in range(2, 7))
    assert all("measured_at.typed" in reasons[n] for n in (7, 8))


def test_the_merged_table_has_the_last_observation_of_each_station(home: Home) -> None:
    home.land(
        "weather/2026-01-06.csv",
        b"""station,observed_at,temperature,humidity
OSL,2026-01-06 06:00:00,-4.0,80
""",
    )
    # A correction of the same time of observation, lower than what it corrects.
    home.land(
        "weather/2026-01-05.late.csv",
        b"""station,observed_at,temperature,humidity
ROM,2026-01-05 12:00:00,9.0,55
""",
    )
    assert all(ran.success for ran in home.run())

    found = home.read("gold/weather/stations").to_pylist()
    assert sorted((row["station_id"], row["celsius"]) for row in found) == [
        ("BER", Decimal("1.5")),
        ("OSL", Decimal("-4.0")),
        ("ROM", Decimal("9.0")),
    ]


def test_the_ordinary_asset_reads_and_publishes_through_the_same_tables(home: Home) -> None:
    reports, tables = _module("reports"), _module("tables")

    result = dg.materialize(
        [reports.warm_stations, asset_alone(tables.station_days)],
        selection=[reports.warm_stations],
        partition_key="2026-01-05",
        instance=home.instance,
        resources=resources(home.settings),
    )

    assert result.success
    [row] = home.read("gold/weather/warm_stations").to_pylist()
    assert row["station_id"] == "ROM"
