"""What a declaration makes of the tables in the lake."""

from dataclasses import replace
from pathlib import Path

import pytest

from data_platform.assets import Table
from data_platform.build.platform import Platform
from data_platform.build.tables import ensure_tables
from data_platform.contracts.contract import Retention
from data_platform.domains.retail.bronze import order_lines as bronze
from data_platform.domains.retail.gold import daily_sales
from data_platform.domains.retail.silver import order_lines as silver
from data_platform.lake.expiry import retention
from data_platform.runs.home import prepare_home
from data_platform.settings.environment import settings_at
from data_platform.tables.outcomes import DATA


@pytest.mark.parametrize("table", [bronze, silver, daily_sales], ids=lambda t: t.id.layer)
def test_a_declared_retention_is_what_the_lake_keeps_and_can_be_changed(
    tmp_path: Path, table: Table
) -> None:
    settings = settings_at(tmp_path / "home")
    prepare_home(settings)
    lake = Platform(settings).lake
    ensure_tables(bronze, lake)  # what silver rejects has its columns
    declared = ensure_tables(table, lake)[DATA]
    assert retention(declared) == (table.retention.snapshots, table.retention.days)

    shorter = replace(table, retention=Retention(days=7, snapshots=3))
    assert retention(ensure_tables(shorter, lake)[DATA]) == (3, 7)
    assert retention(lake.load(table.id)) == (3, 7)
