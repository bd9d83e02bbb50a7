"""What lands while a run is reading."""

import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from data_platform.domains.retail.bronze import order_lines
from data_platform.lake.publish import publish
from data_platform.lake.storage import Storage
from data_platform.landing.intake import tick
from data_platform.landing.source import Source
from data_platform.platform_defs.bronze import build_bronze
from data_platform.platform_defs.planning import plan
from data_platform.platform_defs.platform import Platform
from data_platform.settings import Settings, prepare_home
from data_platform_tests.platform_defs.homes import csv, key_of, shop_lines

DAY = "2011-03-04"


@dataclass(frozen=True)
class ArrivesMeanwhile(Storage):
    """A file lands, and a sensor records it, once the run knows what it is going to read."""

    settings: Settings
    key: str

    def make_folder(self, location: str) -> None:
        super().make_folder(location)
        _land(Platform(self.settings), self.key, csv(shop_lines(DAY, 5, first=10)))


def _land(platform: Platform, key: str, content: bytes) -> None:
    target = Path(platform.settings.landing_uri.removeprefix("file://")) / key
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    now = dt.datetime.now(dt.UTC)
    tick(platform.bucket, [_source()], platform.ledger, now, overlap_days=7)


def _source() -> Source:
    assert order_lines.source
    return order_lines.source


def _due(platform: Platform) -> tuple[str, ...]:
    return plan(order_lines, platform, [DAY], only_stale=True).keys


@pytest.mark.parametrize("key", [key_of(DAY, "-late"), key_of(DAY)])
def test_what_lands_while_a_run_reads_its_day_is_due_afterwards(
    spark: SparkSession, tmp_path: Path, key: str
) -> None:
    settings = Settings.at(tmp_path / "a home")
    prepare_home(settings)
    platform = Platform(settings)
    _land(platform, key_of(DAY), csv(shop_lines(DAY)))
    meanwhile = replace(platform, storage=ArrivesMeanwhile(settings, key))

    due = plan(order_lines, platform, [DAY], only_stale=True)
    result = build_bronze(order_lines, due, meanwhile, spark, "first")
    publish(platform.lake, platform.builds, result.write)

    assert _due(platform) == (DAY,)
    again = plan(order_lines, platform, [DAY], only_stale=True)
    publish(
        platform.lake,
        platform.builds,
        build_bronze(order_lines, again, platform, spark, "second").write,
    )
    assert _due(platform) == ()
    assert platform.ledger.pending(_source().name) == []
