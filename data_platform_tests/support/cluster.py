"""Runs on a cluster, whose driver is a process of its own, and how to stop the world in one."""

import datetime as dt
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from data_platform.assets import Table
from data_platform.build.platform import Platform
from data_platform.lake.files import partitioning_of
from data_platform.lake.upkeep import browse
from data_platform.lake.upkeep.clean import clean, referenced_files
from data_platform.runs.home import prepare_home
from data_platform.settings.environment import settings_at
from data_platform.tables.identity import TableId
from data_platform_tests.support.places import Place
from tools.cluster import Cluster
from tools.servers import S3Server

_OF_THE_LOAD = ("_attempt", "_ingested_at", "_trace")
PATIENCE = 240  # seconds for a load, on a busy machine
LOADING = "data_platform_tests.support.processes.loading"


@dataclass(frozen=True)
class Drivers:
    """Starts processes that are drivers of the cluster."""

    environment: Mapping[str, str]

    def start(self, *arguments: str, errors: Any = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *arguments],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )

    def run(self, *arguments: str) -> str:
        """What a driver prints, once it ended well."""
        process = self.start(*arguments, errors=subprocess.STDOUT)
        said, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said
        return said


class Driver:
    """A process that loads a home when it is told to."""

    def __init__(self, process: subprocess.Popen[str], errors: Path) -> None:
        self._process, self._errors = process, errors
        self._settled()

    def begin(self) -> None:
        assert self._process.stdin
        self._process.stdin.write("load\n")
        self._process.stdin.flush()

    def finish(self, patience: float = PATIENCE) -> bool:
        """Wait until the load and the process have ended; whether nothing failed in any load."""
        self._settled(patience)
        self._process.communicate(timeout=PATIENCE)
        return self._process.returncode == 0

    @property
    def errors(self) -> str:
        return self._errors.read_text()

    @property
    def at_work(self) -> bool:
        """Whether it has not said that it is done."""
        assert self._process.stdout
        return not select.select([self._process.stdout], [], [], 0)[0]

    def kill(self) -> None:
        """With SIGKILL; its Java process as well."""
        with suppress(psutil.NoSuchProcess):
            everyone = psutil.Process(self._process.pid).children(recursive=True)
            for one in (psutil.Process(self._process.pid), *everyone):
                with suppress(psutil.NoSuchProcess):
                    one.kill()
        self._process.communicate()

    def _settled(self, patience: float = PATIENCE) -> None:
        assert self._process.stdout
        assert select.select([self._process.stdout], [], [], patience)[0], self.errors
        assert self._process.stdout.readline() == "ready\n", self.errors


@dataclass(frozen=True)
class Driven:
    """A home whose runs execute on a cluster."""

    directory: Path
    place: Place
    database: str
    hosts: Cluster
    drivers: Drivers

    @property
    def fields(self) -> dict[str, str]:
        """What differs from `settings_at`, but for the engine."""
        metadata = dict.fromkeys(("catalog_uri", "ledger_uri", "dagster_database"), self.database)
        return {**self.place.settings, **metadata}

    @property
    def platform(self) -> Platform:
        return Platform(settings_at(self.directory, **self.fields))

    def land(self, files: Sequence[Path]) -> None:
        prepare_home(self.platform.settings)
        for file in files:
            key = f"online_retail/{file.name}"
            self.place.write(f"{self.platform.settings.landing_uri}/{key}", file.read_bytes())

    @contextmanager
    def driver(self, tables: Sequence[Table]) -> Iterator[Driver]:
        """A driver for these tables, which does nothing yet."""
        fields = json.dumps({**self.fields, "spark": self.hosts.url})
        names = [str(table.id) for table in tables]
        errors = self.directory.with_suffix(".errors.txt")
        with errors.open("w") as output:
            started = self.drivers.start(
                "-m", LOADING, str(self.directory), fields, *names, errors=output
            )
        driver = None
        try:
            driver = Driver(started, errors)
            yield driver
        finally:
            if driver:
                driver.kill()
            else:
                started.kill()

    def require_complete(self, expected: "Mapping[str, Rows]") -> None:
        """As if nothing had happened: the rows, the ledger, and no file that cleaning leaves."""
        platform, later = self.platform, dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)
        assert platform.ledger.summary()["pending"] == 0
        for table, rows in expected.items():
            assert rows_of(platform, table) == rows, table
        clean(platform.lake, platform.storage, later, dt.timedelta(0))
        for table_id in platform.lake.tables():
            table = platform.lake.load(table_id)
            left = {file.path for file in platform.storage.files(table.location())}
            assert left == referenced_files(table), table_id
        for table, rows in expected.items():
            assert rows_of(platform, table) == rows, table


Rows = dict[str, Counter]  # how often each row is in a partition


def rows_of(platform: Platform, name: str) -> Rows:
    """What readers see of a table, without what differs between loads; empty if it is not there."""
    table_id = TableId.parse(name)
    if table_id not in platform.lake.tables():
        return {}
    found: Rows = defaultdict(Counter)
    table = platform.lake.load(table_id)
    partitioning = partitioning_of(table)
    for row in browse.rows(table).read_all().to_pylist():
        key = partitioning.key(tuple(row[name] for name in partitioning.names))
        found[key][repr({k: v for k, v in row.items() if k not in _OF_THE_LOAD})] += 1
    return dict(found)


def stopped_in(table: str, place: Place, store: S3Server, driver: Driver) -> "StoppedStore":
    """Stop the store as soon as the first file of an attempt at a table is in it.

    It stays stopped within the block: whatever writes, waits in the middle of the table.
    """
    assert store.access_log  # beside its data
    bucket = place.root.removeprefix("s3://")
    data = store.access_log.parent / "data" / bucket / "warehouse" / table / "data"
    end = time.monotonic() + PATIENCE
    while not any(data.glob("*/*.parquet")):
        assert driver.at_work, f"{table} was not loaded: {driver.errors}"
        assert time.monotonic() < end, driver.errors
        time.sleep(0.002)
    return StoppedStore(store, data)


class StoppedStore:
    """A store that answers nobody within the block; `files` of the table are in it then."""

    def __init__(self, store: S3Server, data: Path) -> None:
        self._pid = store.process.pid
        os.killpg(self._pid, signal.SIGSTOP)
        self.files = len(list(data.glob("*/*.parquet")))

    def __enter__(self) -> "StoppedStore":
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._pid, signal.SIGCONT)
