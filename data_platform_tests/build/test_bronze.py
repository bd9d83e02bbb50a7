"""What lands while a run is reading, and what a run must not lose."""

import datetime as dt
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from data_platform.build.bronze import build_bronze
from data_platform.build.planning import plan
from data_platform.build.platform import Platform
from data_platform.build.result import StepResult, publish_step
from data_platform.domains.retail.bronze import order_lines
from data_platform.lake.errors import PartitionConflict
from data_platform.lake.upkeep.rollback import plan_rollback
from data_platform.landing.arrivals.listing import tick
from data_platform.landing.source import Source
from data_platform.runs.home import prepare_home
from data_platform.runs.tags import MOST_ATTEMPTS
from data_platform.settings.environment import settings_at
from data_platform.settings.model import Settings
from data_platform.storage.files import Storage
from data_platform_tests.support.bronze_loads import (
    DAY,
    OTHER_DAY,
    counts,
    delete,
    load,
    record_landed,
)
from data_platform_tests.support.faults import Faults, disk_full
from data_platform_tests.support.homes import csv, key_of, shop_lines
from data_platform_tests.support.json_lines import JsonLines
from data_platform_tests.support.local_spark import LocalSpark
from data_platform_tests.support.places import Place
from data_platform_tests.support.small_shop import RECEIVED, SHOP, SmallShop


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
    return order_lines.source


def _due(platform: Platform) -> tuple[str, ...]:
    return plan(order_lines, platform, [DAY], only_stale=True).keys


@pytest.mark.parametrize("key", [key_of(DAY, "-late"), key_of(DAY)])
def test_what_lands_while_a_run_reads_its_day_is_due_afterwards(
    spark: SparkSession, tmp_path: Path, key: str
) -> None:
    settings = settings_at(tmp_path / "a home")
    prepare_home(settings)
    platform = Platform(settings)
    _land(platform, key_of(DAY), csv(shop_lines(DAY)))
    meanwhile = replace(platform, given_storage=ArrivesMeanwhile(settings, key))

    planned = plan(order_lines, platform, [DAY], only_stale=True)
    result = build_bronze(order_lines, planned, meanwhile, spark, "first")
    publish_step(platform.lake, platform.builds, platform.ledger, result)

    assert _due(platform) == (DAY,)
    again = plan(order_lines, platform, [DAY], only_stale=True)
    second = build_bronze(order_lines, again, platform, spark, "second")
    publish_step(platform.lake, platform.builds, platform.ledger, second)
    assert _due(platform) == ()
    assert platform.ledger.pending(_source().name) == []


# --- rows that are published ----------------------------------------------------------------


def _roll_back(shop: SmallShop, to: int) -> None:
    """To the first snapshot, the second, and so on."""
    platform = shop.platform()
    snapshot = platform.lake.load(RECEIVED.id).snapshots()[to].snapshot_id
    planned = plan_rollback(
        platform.lake, platform.builds, platform.storage, RECEIVED.id, to=snapshot
    )
    assert planned
    planned.apply()


@pytest.fixture
def shop(tmp_path: Path, place: Place) -> SmallShop:
    return SmallShop(tmp_path / "home", place)


def test_a_run_that_loses_the_race_to_commit_leaves_the_ledger_as_the_winner_left_it(
    shop: SmallShop,
) -> None:
    def staged(run_id: str) -> StepResult:
        record_landed(shop)
        planned = plan(RECEIVED, shop.platform(), [DAY], only_stale=True)
        spark = cast(SparkSession, LocalSpark(Faults()))
        return build_bronze(RECEIVED, planned, shop.platform(), spark, run_id)

    shop.land(DAY, ["a,1"])
    winner = staged("winner")
    shop.land(DAY, ["b,2"], suffix="-late")
    loser = staged("loser")  # reads both, and was planned when nothing was published
    platform = shop.platform()
    publish_step(platform.lake, platform.builds, platform.ledger, winner)
    before = platform.ledger.effective(SHOP.name, [DAY])

    with pytest.raises(PartitionConflict):
        publish_step(platform.lake, platform.builds, platform.ledger, loser)

    assert platform.ledger.effective(SHOP.name, [DAY]) == before
    assert sorted(entry.state for entry in before[DAY]) == ["loaded", "pending"]
    assert load(shop) == {}
    assert counts(shop) == {DAY: 2}


@pytest.fixture
def rolled_back(shop: SmallShop) -> SmallShop:
    """A row, then two of a late file that went from table and landing bucket; then a third file."""
    shop.land(DAY, ["a,1"])
    load(shop)
    shop.land(DAY, ["b,2", "c,3"], "-late")
    load(shop)
    _roll_back(shop, to=0)
    delete(shop, f"{DAY}-late")
    shop.land(DAY, ["d,4"], "-later")
    assert counts(shop) == {DAY: 1}
    return shop


def test_rows_that_are_neither_in_the_landing_bucket_nor_in_bronze_hold_their_day_back_alone(
    rolled_back: SmallShop,
) -> None:
    shop = rolled_back
    shop.land(OTHER_DAY, ["e,5"])
    [(key, why)] = load(shop).items()
    assert key == DAY
    assert f"shop/{DAY}-late.csv is not in the landing bucket" in why
    assert "bronze holds 0 rows of it where the ledger has 2; land it again" in why
    assert counts(shop) == {DAY: 1, OTHER_DAY: 1}
    assert [entry.key for entry in shop.platform().ledger.pending("shop")] == [
        f"shop/{DAY}-later.csv"
    ]


def test_a_day_that_lacks_rows_is_built_once_they_land_again(rolled_back: SmallShop) -> None:
    shop = rolled_back
    assert load(shop)
    shop.land(DAY, ["b,2", "c,3"], "-late")
    assert load(shop) == {}
    assert counts(shop) == {DAY: 4}


def test_a_day_that_lacks_rows_is_built_once_bronze_is_rolled_forward(
    rolled_back: SmallShop,
) -> None:
    shop = rolled_back
    assert load(shop)
    _roll_back(shop, to=1)
    assert load(shop) == {}
    assert counts(shop) == {DAY: 4}


def test_an_older_version_that_had_more_rows_does_not_stand_in_the_way(shop: SmallShop) -> None:
    shop.land(DAY, ["a,1", "b,2", "c,3"])
    load(shop)
    shop.land(DAY, ["a,1"])
    load(shop)
    _roll_back(shop, to=0)
    shop.land(DAY, ["d,4"], "-late")
    assert counts(shop) == {DAY: 3}
    assert load(shop) == {}
    assert counts(shop) == {DAY: 2}


def test_a_renamed_source_loses_no_rows(shop: SmallShop) -> None:
    renamed = replace(RECEIVED, source=replace(SHOP, name="store"))
    shop.land(DAY, ["a,1", "b,2"])
    load(shop)
    shop.land(DAY, ["c,3"], "-late")
    shop.land(OTHER_DAY, ["d,4"])
    [(key, why)] = load(shop, renamed).items()
    assert key == DAY
    assert f"{RECEIVED.id} {DAY}: 2 of its 2 published rows" in why
    assert "source 'store'" in why
    assert "was the source renamed? Give it its former name" in why
    assert counts(shop) == {DAY: 2, OTHER_DAY: 1}
    assert load(shop, renamed).keys() == {DAY}  # it stays due


# --- when rows came -------------------------------------------------------------------------


def _ingested(shop: SmallShop) -> dict[str, set[dt.datetime]]:
    """The times of its rows, by object."""
    found: dict[str, set[dt.datetime]] = {}
    for row in shop.platform().lake.load(RECEIVED.id).scan().to_arrow().to_pylist():
        found.setdefault(row["_source_object"], set()).add(row["_ingested_at"])
    return found


def test_a_row_says_when_its_object_came_however_often_its_day_is_built(shop: SmallShop) -> None:
    first, late = f"shop/{DAY}.csv", f"shop/{DAY}-late.csv"
    shop.land(DAY, ["a,1", "b,2"])
    load(shop)
    [came] = _ingested(shop)[first]
    shop.land(DAY, ["c,3"], "-late")
    load(shop)
    [came_late] = _ingested(shop)[late]
    assert _ingested(shop) == {first: {came}, late: {came_late}}
    assert came_late > came

    delete(shop, DAY)  # its rows are taken from bronze now
    shop.land(DAY, ["c,3", "d,4"], "-late")
    load(shop)
    [came_again] = _ingested(shop)[late]
    assert counts(shop) == {DAY: 4}
    assert _ingested(shop) == {first: {came}, late: {came_again}}
    assert came_again > came_late  # another version of the object


def test_a_rerun_of_the_same_objects_changes_no_column(shop: SmallShop) -> None:
    shop.land(DAY, ["a,1", "b,2"])
    shop.land(OTHER_DAY, ["a,1"])
    load(shop)
    platform = shop.platform()
    before = platform.lake.load(RECEIVED.id).scan().to_arrow()
    planned = plan(RECEIVED, platform, [DAY, OTHER_DAY], only_stale=False)
    spark = cast(SparkSession, LocalSpark(Faults()))
    again = build_bronze(RECEIVED, planned, platform, spark, "again")
    publish_step(platform.lake, platform.builds, platform.ledger, again)
    after = platform.lake.load(RECEIVED.id)
    assert len(after.snapshots()) == 2
    assert sorted(after.scan().to_arrow().to_pylist(), key=repr) == sorted(
        before.to_pylist(), key=repr
    )


# --- attempts -------------------------------------------------------------------------------


def test_an_outage_of_the_warehouse_never_turns_a_waiting_object_into_a_failed_one(
    shop: SmallShop,
) -> None:
    shop.land(DAY, ["a,1"])
    ledger = shop.platform().ledger
    for _ in range(MOST_ATTEMPTS + 1):
        with suppress(OSError):
            load(shop, faults=Faults(at=1, error=disk_full, only="make data folder"))
        ledger.give_up("shop", attempts=MOST_ATTEMPTS)
    assert (ledger.summary()["pending"], ledger.summary()["failed"]) == (1, 0)
    assert load(shop) == {}
    assert counts(shop) == {DAY: 1}


def test_a_header_alone_is_a_day_without_rows(shop: SmallShop) -> None:
    shop.land(DAY, [])
    assert load(shop) == {}
    assert counts(shop) == {DAY: 0}


# --- another format --------------------------------------------------------------------------


def test_another_format_goes_through_bronze_with_its_own_types(shop: SmallShop) -> None:
    lines = JsonLines(("sku", "amount"), numbers=("amount",))
    source = replace(SHOP, format=lines, pattern=SHOP.pattern.replace("csv", "jsonl"))
    table = replace(RECEIVED, source=source)
    landing = f"{shop.place.root}/landing/shop"
    good = b'{"sku": "a", "amount": 1}\n{"sku": "b"}\n'
    shop.place.write(f"{landing}/{DAY}.jsonl", good)
    shop.place.write(f"{landing}/{OTHER_DAY}.jsonl", b"sku,amount\na,1\n")
    held = load(shop, table)
    assert set(held) == {OTHER_DAY}, held
    found = shop.platform().lake.load(table.id).scan().to_arrow()
    assert found.schema.field("amount").type == pa.int64()
    names = ["sku", "amount", "_source_object", "_row_number", "_rescued"]
    key = f"shop/{DAY}.jsonl"
    assert sorted(tuple(row[name] for name in names) for row in found.to_pylist()) == [
        ("a", 1, key, 1, None), ("b", None, key, 2, '{"text": "{\\"sku\\": \\"b\\"}"}'),
    ]  # fmt: skip
    [failed] = shop.platform().ledger.failed(source.name)
    assert failed.error and "line 1 is not JSON" in failed.error
