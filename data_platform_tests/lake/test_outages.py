"""Places that fail for a while: a full disk, a read-only warehouse, a locked or lost database."""

import os
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from data_platform.databases.errors import DatabaseUnavailable
from data_platform.lake.builds import Builds
from data_platform.lake.catalog import Lake
from data_platform.lake.writing.publish import publish
from data_platform_tests.support.faults import Faults, disk_full, read_only
from data_platform_tests.support.faulty_platform import FaultyLake, FaultyStorage
from data_platform_tests.support.lake_home import MONDAY, SALES, TUESDAY, LakeHome, days
from data_platform_tests.support.places import Place

SHORT = "?timeout=0.1"
TMPFS_BYTES = 256 << 10


@pytest.mark.parametrize("error", [disk_full, read_only])
@pytest.mark.parametrize("step", ["make data folder", "open data", "write data", "close data"])
def test_where_data_cannot_be_written_nothing_is_published(home: LakeHome, error, step):
    home.make()
    home.write({MONDAY: [1]})
    faults = Faults(at=1, error=error, lasting=True, only=step)
    broken = FaultyStorage(faults, store=home.storage.store)
    with pytest.raises(OSError, match=f"{os.strerror(error('').errno)}.*{step}"):
        home.stage(days({MONDAY: [2]}), [MONDAY], storage=broken)
    assert home.numbers() == {MONDAY: [1]}
    home.write({MONDAY: [2]})
    assert home.numbers() == {MONDAY: [2]}


@pytest.mark.parametrize("error", [disk_full, read_only])
@pytest.mark.parametrize("step", ["open manifest", "write manifest", "open meta", "write meta"])
def test_where_metadata_cannot_be_written_nothing_is_published(home: LakeHome, error, step):
    home.make()
    home.write({MONDAY: [1]})
    write = home.stage(days({MONDAY: [2]}), [MONDAY])
    broken = FaultyLake.of(home.lake, Faults(at=1, error=error, lasting=True, only=step))
    with pytest.raises(OSError, match=os.strerror(error("").errno)):
        publish(broken, home.builds, write)
    assert home.numbers() == {MONDAY: [1]}
    home.write({MONDAY: [2]})
    assert home.numbers() == {MONDAY: [2]}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for little; where mounting is allowed."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system may be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_fills_up_leaves_what_was_published(small_disk: Path, tmp_path: Path):
    home = LakeHome(tmp_path, Place.directory(small_disk))
    home.make()
    home.write({MONDAY: [1]})
    many = {TUESDAY: range(0, 2**40, 2**20 + 7919)}
    with pytest.raises(OSError, match="No space left on device"):
        home.write(many)
    assert home.numbers() == {MONDAY: [1]}
    for path in (small_disk / "warehouse").rglob("2011-03-08*.parquet"):
        path.unlink()
    home.write({TUESDAY: [2]})
    assert home.numbers() == {MONDAY: [1], TUESDAY: [2]}


def impatient(home: LakeHome) -> Lake:
    return replace(home.lake, properties={**home.lake.properties, "uri": uri(home) + SHORT})


def uri(home: LakeHome) -> str:
    return str(home.lake.properties["uri"])


def test_a_locked_catalog_is_named_and_nothing_is_published(home: LakeHome):
    home.make()
    home.write({MONDAY: [1]})
    write = home.stage(days({MONDAY: [2]}), [MONDAY])
    lake = impatient(home)
    assert lake.exists(SALES)
    with closing(sqlite3.connect(home.folder / "catalog.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DatabaseUnavailable, match=r"catalog\.db: .*locked; another process"):
            publish(lake, home.builds, write)
        with pytest.raises(DatabaseUnavailable, match=r"catalog\.db: .*locked"):
            impatient(home).tables()
    assert home.numbers() == {MONDAY: [1]}
    publish(lake, home.builds, write)
    assert home.numbers() == {MONDAY: [2]}


def test_a_writer_waits_for_a_lock_that_is_soon_released(home: LakeHome):
    home.make()
    write = home.stage(days({MONDAY: [2]}), [MONDAY])
    holder = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('BEGIN EXCLUSIVE');"
        "print('locked', flush=True); sys.stdin.readline(); c.rollback()"
    )
    command = ["python3", "-c", holder, str(home.folder / "catalog.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as p:
        assert p.stdin and p.stdout and p.stdout.readline() == "locked\n"
        released = threading.Event()

        def release() -> None:
            released.set()
            print("release", file=p.stdin, flush=True)

        threading.Timer(1, release).start()
        publish(home.lake, home.builds, write)
        assert released.is_set()
    assert home.numbers() == {MONDAY: [2]}


def test_a_locked_register_is_named(home: LakeHome):
    home.make()
    write = home.write({MONDAY: [1]})
    builds = Builds(home.builds.uri, wait=0.1)
    assert set(builds.latest(SALES)) == {MONDAY}
    with closing(sqlite3.connect(home.folder / "ledger.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DatabaseUnavailable, match=r"ledger\.db: .*locked"):
            builds.accept(SALES, {MONDAY: write.attempt}, {}, "", "")


def test_a_database_in_no_directory_is_named_with_the_way_out(tmp_path: Path):
    with pytest.raises(DatabaseUnavailable, match=r"nowhere/ledger\.db: .*directory must exist"):
        Builds(f"sqlite:///{tmp_path}/nowhere/ledger.db").latest(SALES)
