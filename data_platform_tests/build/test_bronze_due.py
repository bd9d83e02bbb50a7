"""What waits in the ledger is due, and the other way round; what could not be read is held back."""

import datetime as dt
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from data_platform.assets import BronzeTable
from data_platform.build.held import held_now
from data_platform.build.planning import current_versions
from data_platform.landing.arrivals.listing import reconcile
from data_platform.landing.formats.csv import Csv
from data_platform.runs.arrivals import due_of_bronze, record_arrivals, settle_arrivals
from data_platform_tests.support.bronze_loads import (
    DAY,
    OTHER_DAY,
    counts,
    delete,
    load,
    record_landed,
)
from data_platform_tests.support.faults import Crash, Faults
from data_platform_tests.support.places import Place
from data_platform_tests.support.small_shop import RECEIVED, SHOP, SmallShop


@pytest.fixture
def shop(tmp_path: Path, place: Place) -> SmallShop:
    return SmallShop(tmp_path / "home", place)


def _waits(shop: SmallShop) -> bool:
    """Whether an object waits; what is due says the same."""
    platform = shop.platform()
    waits = bool(platform.ledger.pending("shop"))
    assert bool(due_of_bronze(RECEIVED, platform).keys) == waits
    return waits


@pytest.mark.parametrize("between", [b"\xff\xfe", b"sku,amount\nb,2\n"])
@pytest.mark.parametrize("seen", ["by a run", "by a tick"])
def test_bytes_that_come_back_after_others_are_loaded_once_more(
    shop: SmallShop, between: bytes, seen: str
) -> None:
    shop.land(DAY, ["a,1"])
    load(shop)
    shop.place.write(f"{shop.place.root}/landing/shop/{DAY}.csv", between)
    if seen == "by a run":
        load(shop)
    else:
        record_landed(shop)
    shop.land(DAY, ["a,1"])
    record_landed(shop)
    assert _waits(shop)
    assert load(shop) == {}
    assert not _waits(shop)
    assert shop.rows(RECEIVED.id)[0][1:3] == ("a", "1")


def test_what_is_reopened_is_read_again(shop: SmallShop) -> None:
    shop.land(DAY, ["a,1"])
    load(shop)
    ledger = shop.platform().ledger
    ledger.reopen(e.id for e in ledger.effective("shop", [DAY])[DAY])
    assert _waits(shop)
    load(shop)
    assert not _waits(shop)


def test_a_partition_under_another_declaration_is_due_though_nothing_waits(shop: SmallShop) -> None:
    shop.land(DAY, ["a,1"])
    load(shop)
    other = replace(RECEIVED, source=replace(RECEIVED.source, format=Csv(("sku", "amount", "x"))))
    assert due_of_bronze(other, shop.platform()).keys == (DAY,)


def test_a_run_that_dies_at_any_step_under_another_declaration_leaves_the_partition_due(
    shop: SmallShop,
) -> None:
    shop.land(DAY, ["a,1"])
    load(shop)
    number = 0
    while True:  # each run of a declaration that differs from the one before
        number += 1
        other = replace(RECEIVED, source=replace(RECEIVED.source, version=f"v{number}"))
        faults = Faults(at=number)
        with suppress(Crash):
            load(shop, other, faults)
        platform = shop.platform()
        settle_arrivals(platform, [other])
        found = current_versions(platform, other.id, None)
        done = platform.builds.of(other.id, found)[DAY].contract == other.version
        assert done or due_of_bronze(other, platform).keys == (DAY,), faults
        assert not platform.builds.doubtful(other.id, other.version) or not done, faults
        if not faults.raised:
            assert done and number > 3
            return


def test_what_could_not_be_read_is_tried_again_once_for_each_declaration(shop: SmallShop) -> None:
    shop.land(DAY, ["a,1"])
    shop.place.write(f"{shop.place.root}/landing/shop/{DAY}-late.csv", b"\x80\x00\xff")
    load(shop)
    other = replace(RECEIVED, source=replace(RECEIVED.source, version="2"))
    now = dt.datetime.now(dt.UTC)

    def failed(table: BronzeTable) -> list[int]:
        platform = shop.platform()
        record_arrivals(platform, [table], now)
        return [entry.id for entry in platform.ledger.failed("shop")]

    first = failed(RECEIVED)
    assert len(first) == 1 and failed(RECEIVED) == first
    assert failed(other) == []  # it waits
    load(shop, other)
    again = failed(other)
    assert len(again) == 1 and again != first and failed(other) == again


# --- days of which nothing could be read ------------------------------------------------------


@pytest.mark.parametrize("content", [b"\x80\x00\xff", b'{"sku": "a"}', b"", b"other,names\na,1\n"])
def test_a_day_of_which_nothing_could_be_read_is_held_back_until_it_is_fixed(
    shop: SmallShop, content: bytes
) -> None:
    name = f"{shop.place.root}/landing/shop/{DAY}.csv"
    shop.place.write(name, content)
    shop.land(OTHER_DAY, ["a,1"])

    [(key, why)] = load(shop).items()

    assert key == DAY and why.startswith("readable: 1 of 1 object could not be read: shop/")
    assert counts(shop) == {OTHER_DAY: 1}
    assert set(held_now(RECEIVED, shop.platform())) == {DAY}
    assert not _waits(shop)
    shop.land(DAY, ["b,2"])
    assert load(shop) == {}
    assert counts(shop) == {DAY: 1, OTHER_DAY: 1}
    assert held_now(RECEIVED, shop.platform()) == {}


def test_a_day_is_not_held_back_any_more_when_what_could_not_be_read_is_gone(
    shop: SmallShop,
) -> None:
    shop.place.write(f"{shop.place.root}/landing/shop/{DAY}.csv", b"")
    assert set(load(shop)) == {DAY}
    delete(shop, DAY)
    reconcile(shop.platform().bucket, [SHOP], shop.platform().ledger, dt.datetime.now(dt.UTC))
    assert held_now(RECEIVED, shop.platform()) == {}
    assert shop.platform().ledger.failed() == []
