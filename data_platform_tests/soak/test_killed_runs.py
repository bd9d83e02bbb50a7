"""A process that loads the shop's files is killed at random moments, again and again.

The files come in two waves: the second is loaded over the first, so readers have an old version
to see. An undisturbed load of the same files, in the same place, says what must come out.
"""

import datetime as dt
import json
import select
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import psutil
import pytest

from data_platform.build.platform import Platform
from data_platform.demo.generator import Manifest, generate, land
from data_platform.domains.retail.landing import ONLINE_RETAIL
from data_platform.lake.files import files_by_partition, partitioning_of
from data_platform.lake.upkeep.clean import clean, orphans, referenced_files
from data_platform.settings.environment import settings_at
from data_platform_tests.support.memory_bucket import ever_landed
from data_platform_tests.support.places import Place, place_of
from data_platform_tests.support.tables import TABLES

SEED = 1852
# What differs between two runs of the same work.
OF_THE_RUN = {"_attempt", "_ingested_at", "_trace"}
LANDED = "online_retail"

Rows = list[tuple]
Tables = dict[str, dict[str, Rows]]  # rows of every partition, by table


@dataclass(frozen=True)
class Home:
    """A home, and how many of the shop's tables are built in it."""

    folder: Path
    tables: int
    place: Place

    @property
    def platform(self) -> Platform:
        return Platform(settings_at(self.folder, **self.place.settings))

    @contextmanager
    def loader(self) -> Iterator["Loader"]:
        """A process that can load this home."""
        command = [sys.executable, "-m", "data_platform_tests.support.processes.loading"]
        tables = [str(table.id) for table in TABLES[: self.tables]]
        process = subprocess.Popen(
            [*command, str(self.folder), json.dumps(self.place.settings), *tables],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        loader = Loader(process)
        try:
            loader.wait()
            yield loader
        finally:
            loader.kill()

    def rows(self) -> Tables:
        """What a reader sees: the rows of each partition, in a fixed order."""
        lake = self.platform.lake
        found: Tables = {}
        for table_id in lake.tables():
            table = lake.load(table_id)
            partitioning = partitioning_of(table)
            partitions: dict[str, Rows] = defaultdict(list)
            for row in table.scan().to_arrow().to_pylist():
                key = partitioning.key(tuple(row[name] for name in partitioning.names))
                partitions[key].append(tuple(v for k, v in row.items() if k not in OF_THE_RUN))
            found[str(table_id)] = {k: sorted(rows, key=repr) for k, rows in partitions.items()}
        return found

    def land(self, files: Iterable[Path]) -> None:
        for file in files:
            uri = f"{self.platform.settings.landing_uri}/{LANDED}/{file.name}"
            self.place.write(uri, file.read_bytes())


@dataclass(frozen=True)
class Loader:
    """The process, at rest."""

    process: subprocess.Popen[str]

    def load(self) -> float:
        """An undisturbed load; the seconds it took."""
        started = time.monotonic()
        self._begin()
        self.wait()
        return time.monotonic() - started

    def load_and_kill(self, after: float) -> bool:
        """Kill the process and all it started, so many seconds into its work; False if too late."""
        assert self.process.stdout
        self._begin()
        finished, _, _ = select.select([self.process.stdout], [], [], after)
        self.kill()
        return not finished

    def _begin(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("load\n")
        self.process.stdin.flush()

    def wait(self) -> None:
        assert self.process.stdout
        assert self.process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        """With SIGKILL; the Java process and its workers as well."""
        if self.process.poll() is None:
            everyone = [psutil.Process(self.process.pid)]
            everyone += everyone[0].children(recursive=True)
            for one in everyone:
                with suppress(psutil.NoSuchProcess):
                    one.kill()
            psutil.wait_procs(everyone, timeout=60)
        self.process.communicate()


@dataclass(frozen=True)
class Waves:
    """Files that land first, and those that land on top of them."""

    first: tuple[Path, ...]
    second: tuple[Path, ...]


def few_files(folder: Path) -> Waves:
    """Two days of the shop; then one of them again, more of the other, and a third in part."""
    manifest = generate(folder, SEED)
    days = [str(day) for day in manifest.days]
    by_name = {path.name: path for path in (folder / LANDED).iterdir()}
    first = [f"{days[n]}.csv" for n in (3, 8)]
    second = [f"{days[3]}-late.csv", f"{days[11]}.csv", f"{days[11]}-latin1.csv"]
    return Waves(
        tuple(by_name[name] for name in first),
        (*(by_name[name] for name in second), _reupload(folder, manifest)),
    )


def all_files(folder: Path) -> Waves:
    """Every file of the shop's two months, half of them at a time; then one of the first again."""
    manifest = generate(folder, SEED)
    files = sorted((folder / LANDED).iterdir())
    half = len(files) // 2
    return Waves(tuple(files[:half]), (*files[half:], _reupload(folder, manifest)))


def _reupload(folder: Path, manifest: Manifest) -> Path:
    again = folder / "again"
    land(again, manifest.reupload)
    return again / manifest.reupload.key


# On a store, the loads that are interrupted at each step are in every test run (lake/test_faults).
@pytest.fixture(params=["directory", pytest.param("versitygw", marks=pytest.mark.soak)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return place_of(request, request.param, tmp_path / "place")


def test_a_load_that_is_killed_ends_as_an_undisturbed_one(tmp_path: Path, place: Place):
    load_killing(Home(tmp_path / "home", 2, place), few_files(tmp_path / "files"), kills=1)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [SEED, SEED + 1])
def test_a_load_killed_many_times_ends_as_an_undisturbed_one(
    tmp_path: Path, place: Place, seed: int
):
    home = Home(tmp_path / "home", len(TABLES), place)
    load_killing(home, all_files(tmp_path / "files"), kills=20, seed=seed)


def load_killing(home: Home, waves: Waves, *, kills: int, seed: int = SEED) -> None:
    """Loads the second wave over the first, killed so many times before it came to its end.

    Where a kill comes too late the state before is put back, and it does not count.
    """
    random, saved = Random(seed), home.folder.with_name("saved")
    with home.loader() as undisturbed:
        home.land(waves.first)
        seconds = undisturbed.load()
        old = home.rows()
        home.land(waves.second)
        shutil.copytree(home.folder, saved)
        files = home.place.save()
        undisturbed.load()
        new = home.rows()
        _restore(home, saved, files)
        tries = hits = 0
        while hits < kills:
            tries += 1
            assert tries <= 4 * kills + 4, f"only {hits} of {tries} loads were killed at work"
            with home.loader() as doomed:
                hit = doomed.load_and_kill(random.uniform(0, 1) * seconds)
            hits += hit
            if hit:
                require_old_or_new(home, old, new)
            else:
                require_complete(home, new)
                _restore(home, saved, files)
        undisturbed.load()
        require_complete(home, new)


def _restore(home: Home, saved: Path, files: dict[str, bytes]) -> None:
    shutil.rmtree(home.folder)
    shutil.copytree(saved, home.folder)
    home.place.restore(files)


def require_old_or_new(home: Home, old: Tables, new: Tables) -> None:
    """Readers see one of the two versions of each partition of each table."""
    for table, partitions in home.rows().items():
        for key in {*old.get(table, {}), *new[table]}:
            versions = [tables.get(table, {}).get(key, []) for tables in (old, new)]
            assert partitions.get(key, []) in versions, f"{table} {key}"


def require_complete(home: Home, new: Tables) -> None:
    """As if nobody had been killed: the rows, the ledger, and no file left over."""
    assert home.rows() == new
    require_ledger_balances(home)
    platform, later = home.platform, dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)
    clean(platform.lake, platform.storage, later, dt.timedelta(0))
    assert not list(orphans(platform.lake, platform.storage, later, dt.timedelta(0)))
    for table_id in platform.lake.tables():
        table = platform.lake.load(table_id)
        left = {file.path for file in platform.storage.files(table.location())}
        assert left == referenced_files(table), table_id
    assert home.rows() == new


def require_ledger_balances(home: Home) -> None:
    """Every object is in the ledger once and was loaded once: bronze has the rows it names."""
    ledger = home.platform.ledger
    assert landed(home) == recorded(home)
    assert ledger.summary()["pending"] == 0
    found = ledger.effective(ONLINE_RETAIL.name, ever_landed(ledger, ONLINE_RETAIL.name))
    for partition, entries in found.items():
        rows = sum(entry.rows or 0 for entry in entries)
        assert bronze_rows(home, partition) == rows, partition


def landed(home: Home) -> int:
    return len(home.place.files("/landing"))


def recorded(home: Home) -> int:
    """Keys in the ledger."""
    return sum(home.platform.ledger.summary().values())


def bronze_rows(home: Home, partition: str) -> int:
    table = home.platform.lake.load(TABLES[0].id)
    return sum(f.record_count for f in files_by_partition(table, [partition]).get(partition, ()))
