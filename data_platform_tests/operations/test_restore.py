"""A backup, restored into an empty place: every table is as it was, and the work goes on."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from data_platform.operations.backup import back_up
from data_platform.operations.repair import instance_of
from data_platform.operations.restore import restore
from data_platform.settings.environment import environment_kept
from data_platform_tests.support.places import Place, place_of
from data_platform_tests.support.small_shop import SmallShop

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)
KEY = dg.AssetKey(["silver", "shop", "sales"])
MakeShop = Callable[[str], SmallShop]


@pytest.fixture(autouse=True)
def environment():
    with environment_kept():
        yield


@pytest.fixture(params=["files", pytest.param("servers", marks=pytest.mark.integration)])
def new_shop(request: pytest.FixtureRequest, tmp_path: Path) -> MakeShop:
    """Gives an empty platform: all in one directory, or on PostgreSQL and in a bucket."""

    def make(name: str) -> SmallShop:
        home = tmp_path / name
        if request.param == "files":
            return SmallShop(home, Place.directory(home))
        place = place_of(request, "versitygw", home)
        return SmallShop(home, place, request.getfixturevalue("new_postgres_url")())

    return make


def loaded(shop: SmallShop) -> SmallShop:
    """Rows that are published, rejected and repeated, one day published twice, and Dagster's
    events."""
    shop.land("2011-03-04", ["a,1", "b,x", "a,1", "c,2"])
    shop.land("2011-03-05", ["a,1", "c,3"])
    shop.run()
    shop.land("2011-03-05", ["d,4"], suffix="-late")
    shop.run()
    with instance_of(shop.platform()) as instance:
        for day in ("2011-03-04", "2011-03-05"):
            instance.report_runless_asset_event(dg.AssetMaterialization(KEY, partition=day))
    return shop


def copied(old: SmallShop, new: SmallShop) -> None:
    """The files of one place in another, the first one's deleted."""
    for uri, content in old.place.save().items():
        name = uri.removeprefix(old.place.root)
        if name.startswith(("/warehouse/", "/landing/")):
            new.place.write(new.place.root + name, content)
        old.place.delete(uri)


def materialized(shop: SmallShop) -> set[str]:
    with instance_of(shop.platform()) as instance:
        return instance.get_materialized_partitions(KEY)


def test_every_table_is_as_it_was_in_another_place_and_the_work_goes_on(
    new_shop: MakeShop, tmp_path: Path
) -> None:
    old, new, place = loaded(new_shop("old")), new_shop("new"), str(tmp_path / "backup")
    before, objects = old.everything(), old.platform().ledger.summary()
    back_up(old.platform(), place, now=NOW, keep=DAY, version="")
    copied(old, new)

    restore(new.platform(), place)

    assert all(before.values())
    assert new.everything() == before
    assert new.platform().ledger.summary() == objects
    assert materialized(new) == {"2011-03-04", "2011-03-05"}
    assert new.run() == set()
    new.land("2011-03-06", ["e,5"])
    assert new.run() == {"bronze 2011-03-06", "silver 2011-03-06"}
    assert new.run() == set()
