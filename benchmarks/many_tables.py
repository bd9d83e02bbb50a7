"""A thousand tables of ten years of days: loading definitions, a sensor's tick, a step's plan.

As a program, `python -m benchmarks.many_tables`, it loads the definitions as a code server does.
"""

import bisect
import itertools
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import dagster as dg
from pyiceberg.manifest import clear_manifest_cache

from benchmarks.dagster_dev import dagster_process
from benchmarks.declared_tables import write_package
from benchmarks.measuring import Measurement, interleaved, of_pairs, seconds
from benchmarks.one_partition import run_process
from benchmarks.published_tables import object_key, publish_again, publish_all
from benchmarks.sensor_tick import SortedBucket
from benchmarks.workload import Workload, remove
from data_platform.assets import Table
from data_platform.build.kinds import derived, landed
from data_platform.build.planning import plan
from data_platform.build.platform import Platform
from data_platform.definitions import defs
from data_platform.lake import file_io
from data_platform.operations.repair import instance_of
from data_platform.platform_defs.assembly import definitions
from data_platform.platform_defs.discovery import discovered

_LOADS, _SERVES, _TICKS, _PLANS = 5, 3, 9, 15  # pairs
_ARRIVE = 2  # objects before each tick
_GROWS = {
    "load": "definitions grow with the tables (Dagster's assets and checks, and the imports of "
    "their modules), not with partitions, which are not listed",
    "arrivals": "landing_arrivals looks at the sources' recent keys, at the runs of each job, and "
    "plans the tables with waiting objects",
    "stale": "stale_tables compares a row of the catalog and of the register for each table, and "
    "plans those that changed, with all their partitions",
    "first look": "the first look plans every table with all partitions, half a minute per tick",
    "serve": "the webserver loads the definitions and Dagster's snapshot of them",
    "plan": "a step's plan reads the manifests of its own partitions",
}


def many_tables(load: Workload) -> list[Measurement]:
    """What grows with the number of tables, and what with the number of their partitions."""
    tables, few_tables, days, few_days = (
        (40, 20, 60, 30) if load.quick else (1_000, 100, 3_650, 365)
    )
    with ExitStack() as stack:

        def of(tables: int, days: int) -> "Shops":
            return stack.enter_context(shops(load, tables, days))

        large = of(tables, days)
        found: list[Measurement] = []
        for small in (of(few_tables, days), of(tables, few_days)):
            found += _compared(load, large, small)
    return found


def _compared(load: Workload, large: "Shops", small: "Shops") -> list[Measurement]:
    def measured(what: str, of: str, pairs: list[tuple[float, float]]) -> Measurement:
        return of_pairs("many_tables", f"{what}, {large} / {small}", pairs, note=_GROWS[of])

    def sampled(what: str, of: str, many: int) -> Measurement:
        own, base = getattr(large, of), getattr(small, of)
        return measured(what, of, interleaved(own, base, pairs=load.pairs(many), warm=True))

    first = [(large.first["stale_tables"], small.first["stale_tables"])]
    return [
        sampled("definitions loaded in a new process", "load", _LOADS),
        sampled(f"tick of landing_arrivals, {_ARRIVE} new objects", "arrivals", _TICKS),
        sampled(f"tick of stale_tables, {_ARRIVE} tables published", "stale", _TICKS),
        measured("first look of stale_tables at all tables", "first look", first),
        sampled("dagster-webserver until it listens", "serve", _SERVES),
        sampled("plan of a step of one partition", "plan", _PLANS),
    ]


class _Landed(Platform):
    """A platform whose landing bucket is in memory."""

    @cached_property
    def bucket(self) -> SortedBucket:  # type: ignore[override]
        """All that has ever landed."""
        return SortedBucket()


@dataclass
class Shops:
    """The declared tables of a package, all published, and what Dagster does with them.

    Each method takes a sample: it makes what there is to do, and returns the seconds that it took.
    """

    tables: tuple[Table, ...]
    platform: Platform
    instance: dg.DagsterInstance
    package: Path
    first: dict[str, float] = field(default_factory=dict)
    cursors: dict[str, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        *_, last = (table.id.domain for table in self.tables)
        self.own = [table for table in self.tables if table.id.domain == last]
        self.count = itertools.count()

    def __str__(self) -> str:
        return f"{len(self.tables):,} tables x {len(self.keys):,} partitions"

    @cached_property
    def keys(self) -> list[str]:
        assert self.tables[0].partitions
        return list(self.tables[0].partitions.get_partition_keys())

    @cached_property
    def repository(self) -> dg.RepositoryDefinition:
        return definitions(self.tables, self.platform.settings).get_repository_def()

    def load(self) -> float:
        """A process imports the domains and makes Dagster's repository of them."""
        command = ["-m", "benchmarks.many_tables", str(len(self.tables))]
        return seconds(lambda: run_process(self.platform.settings, command, self.domains))

    @property
    def domains(self) -> dict[str, str]:
        """What a process is given to find the package."""
        place = {"PYTHONPATH": str(self.package.parent)}
        return {"DATA_PLATFORM_DOMAINS": self.package.name, **place}

    def serve(self) -> float:
        """A webserver and its code server start, until the webserver listens."""
        began = time.perf_counter()
        with dagster_process(self.platform.settings, "dagster-webserver", more=self.domains):
            return time.perf_counter() - began

    def arrivals(self) -> float:
        """Late files land for two tables; the sensor asks for a run of their days."""
        ledger, number = self.platform.ledger, next(self.count)
        arrived = landed(self.own)[:_ARRIVE]
        for table in arrived:
            key = object_key(table, self.keys[-1], f"_{number}")
            bisect.insort(self.platform.bucket.keys, key)  # type: ignore[union-attr]
        took, requests = self.tick("landing_arrivals")
        assert requests == 1, requests
        pending = [entry.id for table in arrived for entry in ledger.pending(table.source.name)]
        assert len(pending) == _ARRIVE
        ledger.mark_loaded(dict.fromkeys(pending, 1), "run", "attempt")
        return took

    def stale(self) -> float:
        """Two bronze tables have a new version of a day; the sensor asks for a run downstream."""
        for table in landed(self.own)[:_ARRIVE]:
            publish_again(self.platform.lake, table, self.keys[-1], f"again-{next(self.count)}")
        took, requests = self.tick("stale_tables")
        assert requests == 1, requests
        return took

    def look_at_all(self) -> None:
        """The sensors' ticks until they have looked at every table, which are all up to date."""
        # The cursor of arrivals has one more word: all declarations.
        words = {
            "landing_arrivals": len(landed(self.tables)) + 1,
            "stale_tables": len(derived(self.tables)),
        }
        for name, number in words.items():
            self.first[name] = self._looked_at_all(name, number)

    def _looked_at_all(self, name: str, words: int) -> float:
        total = 0.0
        for _ in self.tables:  # each tick plans at least one
            took, requests = self.tick(name)
            assert requests == 0, requests
            total += took
            if len((self.cursors[name] or "").split()) == words:
                return total
        raise RuntimeError(f"not every table is up to date: {self.skipped}")

    def tick(self, name: str) -> tuple[float, int]:
        """Seconds of a tick, and the number of runs that it requested."""
        context = dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursors.get(name),
            repository_def=self.repository,
            resources={"platform": self.platform},
        )
        sensor = self.repository.get_sensor_def(name)
        found: list = []
        took = seconds(lambda: found.append(sensor.evaluate_tick(context)))
        (result,) = found
        self.cursors[name], self.skipped = result.cursor, result.skip_message
        return took, len(result.run_requests or [])

    def plan(self) -> float:
        """A new process's plan, without cached metadata, of the last day of a silver table."""
        file_io.forget()
        clear_manifest_cache()
        table = derived(self.own)[-1]
        planned = []
        took = seconds(
            lambda: planned.append(
                plan(table, Platform(self.platform.settings), self.keys[-1:], only_stale=False)
            )
        )
        assert planned[0].keys == (self.keys[-1],)
        return took


@contextmanager
def shops(load: Workload, tables: int, days: int) -> Iterator[Shops]:
    """Declared and published in a new home; the sensor has found each up to date."""
    folder = load.folder()
    package = folder / f"shops_{tables}_{days}"
    write_package(package, tables=tables, days=days)
    settings = load.home(files=[])
    sys.path.insert(0, str(folder))
    platform = _Landed(settings)
    try:
        with instance_of(platform) as instance:
            found = Shops(discovered([package.name]).tables, platform, instance, package)
            platform.bucket.keys = sorted(
                object_key(table, key) for table in landed(found.tables) for key in found.keys
            )
            publish_all(platform, found.tables)
            found.look_at_all()
            yield found
    finally:
        sys.path.remove(str(folder))
        remove(settings.home)
        remove(folder)


def main() -> None:
    repository = defs().get_repository_def()
    assert len(repository.asset_graph.get_all_asset_keys()) >= int(sys.argv[1])


if __name__ == "__main__":
    main()
