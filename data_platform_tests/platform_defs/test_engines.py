"""The same files give the same tables, whichever engine executes."""

import os
import subprocess
import sys

import pyarrow as pa
import pytest

from data_platform.build.platform import Platform
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
def sail(shop: LoadedShop, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """The files of the shop's first load, loaded on Sail, in a process without Java."""
    home = tmp_path_factory.mktemp("sail") / "home"
    env = {name: value for name, value in os.environ.items() if name != "JAVA_HOME"}
    env |= {"DATA_PLATFORM_HOME": str(home), "DATA_PLATFORM_SPARK": "sail", "PATH": ""}
    demo = [
        sys.executable,
        "-m",
        "data_platform.demo",
        "--data",
        str(shop.landed / "online_retail"),
    ]
    ended = subprocess.run(demo, env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Java" not in ended.stderr and "GRPC" not in ended.stderr
    return Platform(settings_at(home))


def test_every_table_has_the_same_rows_in_each_partition(sail: Platform, shop: LoadedShop) -> None:
    for table in (BRONZE, SILVER, SALES, DEMAND, SEGMENTS, *REJECTED):
        found = browse.partition_rows(sail.lake, TableId.parse(table))
        assert found == shop.rows[table], table


def test_bronze_and_rejected_rows_are_equal_in_all_columns(
    sail: Platform, shop: LoadedShop
) -> None:
    received = {BRONZE: shop.received}
    rejected = {name: shop.rejected[name.partition("/")[0]] for name in REJECTED}
    assert all(table.num_rows for table in rejected.values())
    for name, expected in {**received, **rejected}.items():
        assert rows_of_a_load(_read(sail, name)) == rows_of_a_load(expected), name


def test_silver_is_equal_in_all_columns(sail: Platform, shop: LoadedShop) -> None:
    assert rows_of_a_load(_read(sail, SILVER)) == rows_of_a_load(shop.made[SILVER])


def test_each_partition_is_one_file(sail: Platform) -> None:
    """But for one at most, whose file Sail may read in two tasks to give both as many bytes."""
    for table in (BRONZE, SILVER, SALES, DEMAND, SEGMENTS, *REJECTED):
        files = files_by_partition(sail.lake.load(TableId.parse(table)))
        assert len([key for key, of in files.items() if len(of) > 1]) <= 1, table


@pytest.mark.parametrize("table", BY)
def test_gold_is_equal_in_all_columns(sail: Platform, shop: LoadedShop, table: str) -> None:
    theirs, ours = (_by_key(each, BY[table]) for each in (shop.made[table], _read(sail, table)))

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
