"""The same files give the same tables, whichever engine executes."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from data_platform.build.platform import Platform
from data_platform.engine.java import java
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

# Sail loads the shop's month sooner in a second process than a JVM would.
pytestmark = pytest.mark.spark_only("compares Sail's tables with Spark's")

SHOP_PLACES = ("versitygw",)

REJECTED = ("quarantine/retail/order_lines", "duplicates/retail/order_lines")
BY = {  # what rows are told apart by, and their partition
    SALES: ("day", "country"),
    DEMAND: ("day", "stock_code"),
    SEGMENTS: ("month", "customer_id"),
}


@dataclass(frozen=True)
class Loaded:
    platform: Platform
    said: str  # what it printed as errors
    environment: Mapping[str, str]
    by_java: Path  # a file that every JVM creates which is started in this environment


@pytest.fixture(scope="module")
def loaded(shop: LoadedShop, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """The files of the shop's first load, loaded on Sail by a process that finds no Java but that
    of its own environment, and would notice if that was started."""
    directory = tmp_path_factory.mktemp("other")
    home, by_java = directory / "home", directory / "java.txt"
    env = {name: value for name, value in os.environ.items() if name != "JAVA_HOME"}
    env |= {"DATA_PLATFORM_HOME": str(home), "DATA_PLATFORM_SPARK": "sail", "PATH": ""}
    env |= {"JAVA_TOOL_OPTIONS": f"-Xlog:os:file={by_java}"}
    ended = subprocess.run(
        [sys.executable, "-m", "data_platform.demo", "--data", shop.landed / "online_retail"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return Loaded(Platform(settings_at(home)), ended.stderr, env, by_java)


@pytest.fixture
def other(loaded: Loaded) -> Platform:
    return loaded.platform


def test_sail_starts_no_java_and_prints_no_errors_of_its_own(loaded: Loaded) -> None:
    assert "Java" not in loaded.said and "GRPC" not in loaded.said
    assert not loaded.by_java.exists()
    program = java()
    assert program  # tests on two engines have one
    subprocess.run([program, "-version"], env=loaded.environment, capture_output=True, check=True)
    assert loaded.by_java.exists()


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
    rows = table.drop_columns(
        [n for n in ("_attempt", "_trace") if n in table.column_names]
    ).to_pylist()
    return {tuple(row[name] for name in by): row for row in rows}
