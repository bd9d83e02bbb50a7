"""What storage costs, as Dagster shows it."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

from data_platform.lake.catalog import Lake, LakeTable
from data_platform.lake.sizes import TableBytes
from data_platform.platform_defs.assembly import definitions
from data_platform.platform_defs.resources import resources
from data_platform.platform_defs.storage_costs import JOB, KEY, report, storage_costs
from data_platform.settings.environment import settings_at
from data_platform.storage.s3_errors import StoreError
from data_platform.tables.identity import TableId
from data_platform_tests.support.homes import SILVER
from data_platform_tests.support.lake_home import SALES, LakeHome
from data_platform_tests.support.loaded_shop import LoadedShop

GB = 2**30
FOUND = [
    TableBytes(TableId.parse("silver/shop/sales"), 3 * GB, GB),
    TableBytes(TableId.parse("quarantine/shop/sales"), GB, GB),
    TableBytes(TableId.parse("gold/funds/nav"), 2 * GB, 0),
]


def test_bytes_and_cost_are_summed_in_all_and_by_domain() -> None:
    metadata = report(FOUND, 0.5, "list price")

    numbers = {name: value for name, value in metadata.items() if name != "tables"}
    assert numbers == {
        "bytes": 8 * GB,
        "history_bytes": 2 * GB,
        "rejected_bytes": 2 * GB,
        "monthly_usd": 4.0,
        "shop/bytes": 6 * GB,
        "shop/history_bytes": 2 * GB,
        "shop/rejected_bytes": 2 * GB,
        "shop/monthly_usd": 3.0,
        "funds/bytes": 2 * GB,
        "funds/history_bytes": 0,
        "funds/rejected_bytes": 0,
        "funds/monthly_usd": 1.0,
        "usd_per_gb_and_month": 0.5,
        "price": "list price",
    }
    rows = [record.data for record in metadata["tables"].records]
    assert rows[0] == {
        "table": "silver/shop/sales",
        "bytes": 3 * GB,
        "history_bytes": GB,
        "monthly_usd": 2.0,
    }
    assert len(rows) == 3


def test_without_a_price_there_are_bytes_and_no_cost() -> None:
    metadata = report(FOUND, None, "")

    assert metadata["shop/bytes"] == 6 * GB
    assert not [name for name in metadata if "usd" in name or "price" in name]
    assert "monthly_usd" not in metadata["tables"].records[0].data


def test_the_asset_measures_the_tables_that_are_there(shop: LoadedShop) -> None:
    settings = replace(shop.home.settings, storage_price=1.0)

    run = dg.materialize([storage_costs(settings)], resources=resources(settings))

    [event] = run.get_asset_materialization_events()
    metadata = event.materialization.metadata
    records = metadata["tables"].value.records  # type: ignore[union-attr]
    files = {row.data["table"]: row.data["bytes"] for row in records}
    warehouse = Path(settings.warehouse_uri.removeprefix("file://"))
    assert 0 < files[SILVER] <= sum(f.stat().st_size for f in warehouse.rglob("*.parquet"))  # type: ignore[operator]
    assert metadata["price"].value == "DATA_PLATFORM_STORAGE_PRICE"
    assert metadata["retail/bytes"] == metadata["bytes"]


class Refusing(Lake):
    """One of its tables may not be read."""

    def load(self, table: TableId) -> LakeTable:
        if table != SALES:
            raise StoreError("s3://bucket/key: access denied")
        return super().load(table)


def test_a_table_that_may_not_be_read_fails_the_run_that_measured_the_others(
    tmp_path: Path,
) -> None:
    home = LakeHome(tmp_path)
    for table in (SALES.sibling("bronze"), SALES):
        home.make(table)
    platform = SimpleNamespace(lake=Refusing(home.lake.properties, home.lake.warehouse))

    run = dg.materialize(
        [storage_costs(settings_at(tmp_path))],
        resources={"platform": platform},
        raise_on_error=False,
    )

    assert not run.success
    [event] = run.get_asset_materialization_events()
    records = event.materialization.metadata["tables"].value.records  # type: ignore[union-attr]
    assert [row.data["table"] for row in records] == [str(SALES)]
    [failure] = [e for e in run.all_events if e.is_step_failure]
    assert "bronze/shop/sales: s3://bucket/key" in str(failure.step_failure_data.error)


@pytest.mark.parametrize("region", ["", "eu-west-1"])
def test_it_is_there_where_there_is_a_cloud(tmp_path: Path, region: str) -> None:
    settings = replace(settings_at(tmp_path), aws_region=region)

    repository = definitions((), settings).get_repository_def()

    assert (KEY in repository.asset_graph.get_all_asset_keys()) is bool(region)
    assert repository.has_job(JOB) is bool(region)
    names = [schedule.name for schedule in repository.schedule_defs]
    assert ("storage_costs_monthly" in names) is bool(region)
