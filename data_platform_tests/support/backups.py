"""Platforms to back up and restore: an old one with something of everything, and empty ones."""

import datetime as dt
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from data_platform.operations.backup import BackedUp, back_up
from data_platform.operations.repair import instance_of
from data_platform_tests.support.places import Place
from data_platform_tests.support.small_shop import TABLES, SmallShop

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)
SILVER = TABLES[1]
DAYS = {"2011-03-04", "2011-03-05"}
_KEY = dg.AssetKey(["silver", "shop", "sales"])


def shop_in(folder: Path) -> SmallShop:
    """An empty platform, all in one directory."""
    return SmallShop(folder, Place.directory(folder))


def loaded(shop: SmallShop) -> SmallShop:
    """Rows that are published, rejected and repeated, one day published twice, one held back, and
    Dagster's events."""
    shop.land("2011-03-04", ["a,1", "b,x", "a,1", "c,2"])
    shop.land("2011-03-05", ["a,1", "c,3"])
    shop.land("2011-03-07", ["a,x", "b,x", "c,1"])
    shop.run()
    shop.land("2011-03-05", ["d,4"], suffix="-late")
    shop.run()
    with instance_of(shop.platform()) as instance:
        for day in sorted(DAYS):
            instance.report_runless_asset_event(dg.AssetMaterialization(_KEY, partition=day))
    return shop


def backed_up(shop: SmallShop, place: Path | str, keep: dt.timedelta = DAY) -> BackedUp:
    return back_up(shop.platform(), str(place), now=NOW, keep=keep)


def copied(old: SmallShop, new: SmallShop) -> None:
    """The files of one place in another."""
    for uri, content in old.place.save().items():
        name = uri.removeprefix(old.place.root)
        if name.startswith(("/warehouse/", "/landing/")):
            new.place.write(new.place.root + name, content)


def deleted(shop: SmallShop) -> None:
    """All files of a place are gone."""
    for uri in shop.place.files():
        shop.place.delete(uri)


def materialized(shop: SmallShop) -> set[str]:
    """What Dagster knows to be materialized."""
    with instance_of(shop.platform()) as instance:
        return instance.get_materialized_partitions(_KEY)


def killed_restoring(shop: SmallShop, backup: str, step: str, time: int = 1) -> None:
    """A process restores a backup there, and is killed before it does this step for this time."""
    module = "data_platform_tests.support.processes.restoring"
    root = shop.place.root.removeprefix("file://")
    arguments = [str(shop.home), root, shop.database, backup, step, str(time)]
    ended = subprocess.run([sys.executable, "-m", module, *arguments], check=False)
    assert ended.returncode == -signal.SIGKILL


@contextmanager
def publishing(shop: SmallShop) -> Iterator[Callable[[int], None]]:
    """Another process lands files and publishes them until the block ends; gives what waits until
    it has published so many times."""
    module = "data_platform_tests.support.processes.publishing"
    place = {"root": shop.place.root, "store": vars(shop.place.store)}
    arguments = [str(shop.home), json.dumps(place), shop.database]
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process:
        assert process.stdin
        assert process.stdout
        lines = process.stdout

        def until_published(times: int) -> None:
            while (line := lines.readline()) and int(line) < times:
                pass
            assert line, "it has ended"

        try:
            yield until_published
        finally:
            process.stdin.close()  # it finishes what it is at
            lines.read()
    assert process.returncode == 0
