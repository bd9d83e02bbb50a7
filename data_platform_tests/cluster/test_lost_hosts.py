"""A worker, a host, the master or the driver is lost in the middle of a table, and nothing with it.

"In the middle": the store stops answering when the first file of the table's attempt is in it, so
that the others are being written or wait; then the loss; then the store answers again.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from data_platform.demo.generator import generate
from data_platform_tests.support.cluster import Driven, Driver, Rows, rows_of, stopped_in
from data_platform_tests.support.homes import BRONZE, SILVER, home_at
from data_platform_tests.support.tables import TABLES
from tools.servers import S3Server

LOADED = [table for table in TABLES if str(table.id) in (BRONZE, SILVER)]
COMPARED = (BRONZE, SILVER, "quarantine/retail/order_lines", "duplicates/retail/order_lines")


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A month of the shop, without what fails on its own: unreadable files, days held back."""
    folder = tmp_path_factory.mktemp("files")
    manifest = generate(folder, seed=3, months=1)
    held = tuple(map(str, manifest.held_back))
    left = [path for path in (folder / "online_retail").iterdir() if path.name[:10] not in held]
    return sorted(
        path
        for path in left
        if f"online_retail/{path.name}" not in {*manifest.failed, *manifest.unknown}
    )


@pytest.fixture(scope="session")
def expected(
    files: list[Path], spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Rows]:
    with home_at(tmp_path_factory.mktemp("laptop") / "home", LOADED) as home:
        for file in files:
            home.land(f"online_retail/{file.name}", file.read_bytes())
        assert all(run.success for run in home.run())
        return {table: rows_of(home.platform, table) for table in COMPARED}


Loss = Callable[[Driven, Driver], None]
Losing = Callable[[str, Loss], AbstractContextManager[tuple[Driven, Driver]]]


@pytest.fixture
def losing(
    driven: Callable[..., Driven],
    files: list[Path],
    expected: Mapping[str, Rows],
    store: S3Server,
) -> Losing:
    """Loses something in the middle of a table; gives the home and its driver after that, and after
    the block requires that the home is complete."""

    @contextmanager
    def losing(table: str, lose: Loss) -> Iterator[tuple[Driven, Driver]]:
        home = driven()
        home.land(files)
        with home.driver(LOADED) as driver:
            driver.begin()
            with stopped_in(table, home.place, store, driver) as stopped:
                assert stopped.files < len(expected[table])
                lose(home, driver)
            yield home, driver
        home.require_complete(expected)

    return losing


def kill_the_worker(home: Driven, _: Driver) -> None:
    assert home.hosts.workers[0].executors()
    home.hosts.workers[0].kill()


def kill_the_executor(home: Driven, _: Driver) -> None:
    [executor] = home.hosts.workers[0].executors()
    home.hosts.workers[0].kill([executor])


def cut_the_host_off(home: Driven, _: Driver) -> None:
    assert home.hosts.workers[1].executors()
    home.hosts.workers[1].cut_off()


def kill_the_master(home: Driven, _: Driver) -> None:
    home.hosts.master.kill()


def kill_the_driver(_: Driven, driver: Driver) -> None:
    driver.kill()


RECOVERED = {
    "worker killed": kill_the_worker,
    "executor killed": kill_the_executor,
    "host cut off": cut_the_host_off,
    "master killed": kill_the_master,
}
IN_CI = {("worker killed", BRONZE), ("host cut off", SILVER)}


@pytest.mark.parametrize(
    ("loss", "table"),
    [
        pytest.param(
            loss,
            table,
            marks=() if (loss, table) in IN_CI else pytest.mark.soak,
            id=f"{loss}-{table}",
        )
        for loss in RECOVERED
        for table in (BRONZE, SILVER)
    ],
)
def test_a_run_survives_the_loss(loss: str, table: str, losing: Losing) -> None:
    with losing(table, RECOVERED[loss]) as (_, driver):
        assert driver.finish(), driver.errors


@pytest.mark.parametrize("table", [BRONZE, pytest.param(SILVER, marks=pytest.mark.soak)])
def test_a_rerun_finishes_what_a_killed_driver_began(table: str, losing: Losing) -> None:
    with losing(table, kill_the_driver) as (home, _):
        assert rows_of(home.platform, table) == {}
        with home.driver(LOADED) as again:
            again.begin()
            assert again.finish(), again.errors
