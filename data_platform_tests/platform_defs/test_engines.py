"""The same files give the same tables, whichever engine executes."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from data_platform.build.platform import Platform
from data_platform.engine.java import chosen_java
from data_platform.lake.files import files_by_partition
from data_platform.lake.upkeep import browse
from data_platform.settings.environment import settings_at
from data_platform.tables.identity import TableId
from data_platform_tests.support.homes import (
    BRONZE,
    DEMAND,
    SALES,
    SEGMENTS,
    SILVER,
    rows_of_a_load,
)
from data_platform_tests.support.loaded_shop import LoadedShop

REJECTED = ("quarantine/retail/order_lines", "duplicates/retail/order_lines")
BY = {  # what rows are told apart by, and their partition
    SALES: ("day", "country"),
    DEMAND: ("day", "stock_code"),
    SEGMENTS: ("month", "customer_id"),
}


@pytest.fixture(scope="module")
def other(
    shop: LoadedShop, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Platform:
    """The files of the shop's first load, loaded on the other engine in a process of its own."""
    on_sail = request.config.getoption("engine") == "sail"
    if on_sail and chosen_java() is None:
        assert not os.environ.get("CI")
        pytest.skip("there is no Java 17 or 21 for Spark")
    home = tmp_path_factory.mktemp("other") / "home"
    run_demo(home, shop, "local[2]" if on_sail else "sail")
    return Platform(settings_at(home))


def run_demo(home: Path, shop: LoadedShop, engine: str) -> str:
    """What it prints as errors; Sail is given no Java."""
    env = {name: value for name, value in os.environ.items() if name != "JAVA_HOME"}
    env.pop("SPARK_CONNECT_MODE_ENABLED", None)
    env |= {"DATA_PLATFORM_HOME": str(home), "DATA_PLATFORM_SPARK": engine}
    env |= {"PATH": ""} if engine == "sail" else {}
    files = str(shop.landed / "online_retail")
    ended = subprocess.run(
        [sys.executable, "-m", "data_platform.demo", "--data", files],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stderr


def test_sail_needs_no_java_and_prints_no_errors_of_its_own(
    shop: LoadedShop, tmp_path: Path
) -> None:
    said = run_demo(tmp_path / "home", shop, "sail")

    assert "Java" not in said and "GRPC" not in said


def test_every_table_has_the_same_rows_in_each_partition(other: Platform, shop: LoadedShop) -> None:
    for table in (BRONZE, SILVER, SALES, DEMAND, SEGMENTS, *REJECTED):
        found = browse.partition_rows(other.lake, TableId.parse(table))
        assert found == shop.rows[table], table


def test_bronze_and_rejected_rows_are_equal_in_all_columns(
    other: Platform, shop: LoadedShop
) -> None:
    received = {BRONZE: shop.received}
    rejected = {name: shop.rejected[name.partition("/")[0]] for name in REJECTED}
    assert all(table.num_rows for table in rejected.values())
    for name, expected in {**received, **rejected}.items():
        assert rows_of_a_load(_read(other, name)) == rows_of_a_load(expected), name


def test_silver_is_equal_in_all_columns(other: Platform, shop: LoadedShop) -> None:
    assert rows_of_a_load(_read(other, SILVER)) == rows_of_a_load(shop.made[SILVER])


def test_each_partition_is_one_file(other: Platform) -> None:
    """But for one at most, whose file Sail may read in two tasks to give both as many bytes."""
    for table in (BRONZE, SILVER, SALES, DEMAND, SEGMENTS, *REJECTED):
        files = files_by_partition(other.lake.load(TableId.parse(table)))
        assert len([key for key, of in files.items() if len(of) > 1]) <= 1, table


@pytest.mark.parametrize("table", BY)
def test_gold_is_equal_in_all_columns(other: Platform, shop: LoadedShop, table: str) -> None:
    theirs, ours = (_by_key(each, BY[table]) for each in (shop.made[table], _read(other, table)))

    assert ours.keys() == theirs.keys()
    for key, row in theirs.items():
        assert ours[key] == {name: _near(value) for name, value in row.items()}, key


def _read(platform: Platform, table: str) -> pa.Table:
    return browse.rows(platform.lake.load(TableId.parse(table))).read_all()


def _near(value: object) -> object:
    """Sums of doubles depend on their order; all else is exact."""
    return pytest.approx(value, rel=1e-9) if isinstance(value, float) else value


def _by_key(table: pa.Table, by: tuple[str, ...]) -> dict[tuple, dict]:
    rows = table.drop_columns([n for n in ("_attempt",) if n in table.column_names]).to_pylist()
    return {tuple(row[name] for name in by): row for row in rows}
