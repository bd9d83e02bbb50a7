"""What a role is let do is what building a table does."""

from pathlib import Path

import dagster as dg

from data_platform.build.platform import Platform
from data_platform.build.tables import ensure_tables, tables_written
from data_platform.platform_defs.table_uses import table_uses
from data_platform.runs.home import prepare_home
from data_platform.settings.environment import settings_at
from data_platform.tables.identity import TableId
from data_platform_tests.support.tables import TABLES


def test_the_tables_written_are_those_that_a_write_makes(tmp_path: Path) -> None:
    settings = settings_at(tmp_path)
    prepare_home(settings)
    lake = Platform(settings).lake

    for table in TABLES:
        made = ensure_tables(table, lake)
        identifiers = {outcome: tuple(loaded.name()) for outcome, loaded in made.items()}
        said = {outcome: each.identifier for outcome, each in tables_written(table).items()}
        assert said == identifiers

    assert set(lake.tables()) == {t for use in table_uses(TABLES) for t in use.writes}


def test_an_ordinary_asset_writes_its_own_table_and_reads_its_inputs() -> None:
    days = dg.AssetKey(["gold", "weather", "station_days"])

    @dg.asset(key_prefix=["gold", "weather"], deps=[days, "Somewhere-else"])
    def warm_stations() -> None: ...

    @dg.asset(key_prefix=["weather"], deps=["elsewhere"])
    def masts() -> None: ...

    @dg.asset(key_prefix=["no", "such", "table"])
    def as_this() -> None: ...

    use, of_two_parts = table_uses((), [warm_stations, masts, as_this])

    assert use.writes == (TableId("gold", "weather", "warm_stations"),)
    assert use.reads == (TableId("gold", "weather", "station_days"),)
    assert use.landing is None
    assert of_two_parts.writes == (TableId("assets", "weather", "masts"),)
    assert of_two_parts.reads == (TableId("assets", "default", "elsewhere"),)
