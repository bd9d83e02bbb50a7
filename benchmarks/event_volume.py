"""What Dagster logs of a ranged run of many partitions, from its creation to its last check.

As a program, `python -m benchmarks.event_volume HOME [COUNT]`, it leaves a home with such a run, to
look at in the UI.
"""

import datetime as dt
import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

import dagster as dg

from benchmarks.measuring import Measurement, Stopwatch, interleaved, of_pairs, seconds
from benchmarks.workload import Workload
from data_platform.build.dagster_internals import LOGGED, execute
from data_platform.build.events import Log, figures_of
from data_platform.lake.writing.publish import Published
from data_platform.quality.findings import Finding
from data_platform.runs.instance import open_instance
from data_platform.runs.tags import RANGE_END, RANGE_START
from data_platform.settings.environment import environment_kept, export, settings_at
from data_platform.settings.model import Settings
from tools.postgres_server import postgres

CHECKS = ("rules", "conservation", "volume")
_FIRST = dt.date(1990, 1, 1)
_PAIRS = 3
_PARTS = ("creation with what is planned", "materializations", "check results", "the rest")


def event_volume(load: Workload) -> list[Measurement]:
    """Time per partition of a long range against a shorter one's, on both databases."""
    many, few = (400, 40) if load.quick else (12_000, 1_200)
    found = []
    for name, database in (("SQLite", _sqlite), ("PostgreSQL", _postgres)):
        with environment_kept(), database(load) as settings, open_instance(settings) as instance:
            found.append(_compared(load, Runs(instance), name, many, few))
    return found


def _compared(load: Workload, runs: "Runs", database: str, many: int, few: int) -> Measurement:
    pairs = interleaved(
        partial(runs.per_partition, many),
        partial(runs.per_partition, few),
        pairs=load.pairs(_PAIRS),
        warm=True,
    )
    parts = [median(part) for part in zip(*runs.took[many], strict=True)]
    said = ", ".join(f"{part:.1f} s {name}" for name, part in zip(_PARTS, parts, strict=True))
    return of_pairs(
        "event_volume",
        f"events of a ranged run on {database}, per partition: {many:,} partitions / {few:,}",
        pairs,
        bound="at most",
        goal=1.2,
        unit="ms",
        note=f"{database}: {many:,} partitions with {len(CHECKS)} checks in {sum(parts):.1f} s: "
        f"{said}",
    )


@contextmanager
def _sqlite(load: Workload) -> Iterator[Settings]:
    yield settings_at(load.folder())


@contextmanager
def _postgres(load: Workload) -> Iterator[Settings]:
    with postgres(load.folder()) as server:
        export(PGPASSWORD=server.password)
        yield settings_at(load.folder(), dagster_database=server.url)


@dataclass
class Runs:
    """Ranged runs in an instance, each of an asset of its own, and what their parts took."""

    instance: dg.DagsterInstance
    took: dict[int, list[tuple[float, ...]]] = field(default_factory=dict)
    number: Iterator[int] = field(default_factory=itertools.count)

    def per_partition(self, count: int) -> float:
        """Milliseconds per partition of a run of so many."""
        took = ranged_run(self.instance, shop(f"lines_{next(self.number)}", count))
        self.took.setdefault(count, []).append(took)
        return 1000 * sum(took) / count


@dataclass(frozen=True)
class Shop:
    """An asset with checks whose step only logs, of all partitions, what a table's step logs."""

    definitions: dg.Definitions
    keys: list[str]
    published: Stopwatch
    checked: Stopwatch


def shop(name: str, count: int) -> Shop:
    """An asset `silver/shop/NAME` of so many daily partitions, and its job."""
    key, last = dg.AssetKey(["silver", "shop", name]), _FIRST + dt.timedelta(days=count)
    partitions = dg.DailyPartitionsDefinition(str(_FIRST), end_date=str(last))
    published, checked = Stopwatch(), Stopwatch()
    specs = [dg.AssetCheckSpec(check, asset=key, partitions_def=partitions) for check in CHECKS]

    @dg.asset(
        key=key,
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=specs,
        io_manager_key="nowhere",
    )
    def step(context: dg.AssetExecutionContext) -> Iterator[dg.Output]:
        log, keys = Log.of(context, key), context.partition_keys
        with published.running():
            figures = figures_of(Published(7, 3, 1, 100))
            log.published("a1", {each: {**figures, "attempt": "a1"} for each in keys})
        with checked.running():
            log.findings(
                Finding(check, True, True, f"of {each}", {"rows": 3}, each)
                for each in keys
                for check in CHECKS
            )
        yield dg.Output(None, output_name="result", metadata=dict(LOGGED))
        for spec in specs:
            name = spec.get_python_identifier()
            yield dg.Output(None, output_name=name, metadata=dict(LOGGED))

    definitions = dg.Definitions(
        assets=[step],
        jobs=[dg.define_asset_job("ranged", [key])],
        resources={"nowhere": _nowhere},
        executor=dg.in_process_executor,
    )
    return Shop(definitions, list(partitions.get_partition_keys()), published, checked)


@dg.io_manager
def _nowhere(_: dg.InitResourceContext) -> dg.IOManager:
    class Nowhere(dg.IOManager):
        def handle_output(self, context: dg.OutputContext, obj: object) -> None: ...

        def load_input(self, context: dg.InputContext) -> None: ...

    return Nowhere()


def ranged_run(instance: dg.DagsterInstance, of: Shop) -> tuple[float, ...]:
    """A run of all partitions; the seconds of its `_PARTS`."""
    job = of.definitions.resolve_job_def("ranged")
    tags = {RANGE_START: of.keys[0], RANGE_END: of.keys[-1]}
    made: list[dg.DagsterRun] = []
    created = seconds(lambda: made.append(instance.create_run_for_job(job, tags=tags)))
    executed = seconds(lambda: execute(job, made[0], instance))
    run = instance.get_run_by_id(made[0].run_id)
    assert run and run.is_success
    logged = of.published.total, of.checked.total
    return created, *logged, executed - sum(logged)


def defs() -> dg.Definitions:
    """For a webserver beside the program's home (`-m benchmarks.event_volume -a defs`)."""
    return shop("lines", 12_000).definitions


def main() -> None:
    home, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 12_000
    with open_instance(settings_at(home.absolute())) as instance:
        took = ranged_run(instance, shop("lines", count))
    for name, part in zip(_PARTS, took, strict=True):
        print(f"{part:6.1f} s  {name}")


if __name__ == "__main__":
    main()
