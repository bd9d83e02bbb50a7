"""What Dagster logs of a ranged run of many partitions, from its creation to its last check, and
how long its asset's page takes right after it.

As a program, `python -m benchmarks.event_volume HOME [COUNT]`, it leaves a home with such a run, to
look at in the UI.
"""

import datetime as dt
import itertools
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import dagster as dg
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster_graphql.test.utils import execute_dagster_graphql

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
# What the webserver's pages of an asset ask for: its partitions, and its checks.
_PAGE = """
query ($asset: AssetKeyInput!) {
  assetNodeOrError(assetKey: $asset) {
    ... on AssetNode {
      assetMaterializations(limit: 1) { runId timestamp }
      partitionStats { numMaterialized numPartitions numFailed numMaterializing }
      assetPartitionStatuses {
        ... on TimePartitionStatuses { ranges { status startKey endKey } }
      }
      assetChecksOrError {
        ... on AssetChecks {
          checks {
            name
            executionForLatestMaterialization { status timestamp }
            partitionStatuses {
              ... on AssetCheckTimePartitionStatuses { ranges { status startKey endKey } }
            }
          }
        }
      }
    }
  }
}
"""
_PARTS = ("creation with what is planned", "materializations", "check results", "the rest")


def event_volume(load: Workload) -> list[Measurement]:
    """Time per partition of a long range, and of its page, against a shorter one's, on both
    databases."""
    many, few = (400, 40) if load.quick else (12_000, 1_200)
    found = []
    for name, database in (("SQLite", _sqlite), ("PostgreSQL", _postgres)):
        with environment_kept(), database(load) as settings, open_instance(settings) as instance:
            found += _compared(load, Runs(instance, load.folder()), name, many, few)
    return found


def _compared(
    load: Workload, runs: "Runs", database: str, many: int, few: int
) -> Iterator[Measurement]:
    pairs = interleaved(
        partial(runs.per_partition, many),
        partial(runs.per_partition, few),
        pairs=load.pairs(_PAIRS),
        warm=True,
    )
    parts = [median(part) for part in zip(*runs.took[many], strict=True)]
    said = ", ".join(f"{part:.1f} s {name}" for name, part in zip(_PARTS, parts, strict=True))
    yield of_pairs(
        "event_volume",
        f"events of a ranged run on {database}, per partition: {many:,} partitions / {few:,}",
        pairs,
        bound="at most",
        goal=1.2,
        unit="ms",
        note=f"{database}: {many:,} partitions with {len(CHECKS)} checks in {sum(parts):.1f} s: "
        f"{said}",
    )
    ours, base = (runs.opened[count][1:] for count in (many, few))  # the first ones warm up
    yield of_pairs(
        "event_volume",
        f"page of the asset after it on {database}, per partition: {many:,} partitions / {few:,}",
        [(1000 * one / many, 1000 * other / few) for one, other in zip(ours, base, strict=True)],
        bound="at most",
        goal=1.2,
        unit="ms",
        note=f"{database}: the page of {many:,} partitions in {median(ours):.2f} s",
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
    """Ranged runs in an instance, each of an asset of its own, what their parts took, and the
    asset's page after it."""

    instance: dg.DagsterInstance
    folder: Path
    took: dict[int, list[tuple[float, ...]]] = field(default_factory=dict)
    opened: dict[int, list[float]] = field(default_factory=dict)
    number: Iterator[int] = field(default_factory=itertools.count)

    def per_partition(self, count: int) -> float:
        """Milliseconds per partition of a run of so many."""
        name = f"lines_{next(self.number)}"
        took = ranged_run(self.instance, shop(name, count))
        self.took.setdefault(count, []).append(took)
        self.opened.setdefault(count, []).append(self._page(name, count))
        return 1000 * sum(took) / count

    def _page(self, name: str, count: int) -> float:
        """Seconds that the page of an asset takes the first time."""
        code = self.folder / f"{name}.py"
        code.write_text(
            "from benchmarks.event_volume import shop\n"
            f"defs = shop({name!r}, {count}).definitions\n"
        )
        file = LoadableTargetOrigin(python_file=str(code))
        target = InProcessWorkspaceLoadTarget([InProcessCodeLocationOrigin(file, "benchmark")])
        with WorkspaceProcessContext(self.instance, target) as workspace:
            context = workspace.create_request_context()
            asset = {"asset": {"path": ["silver", "shop", name]}}
            answers: list[Mapping[str, Any]] = []
            took = seconds(
                lambda: answers.append(execute_dagster_graphql(context, _PAGE, asset).data)
            )
        _require_all(answers[0]["assetNodeOrError"], count)
        return took


def _require_all(page: Mapping[str, Any], count: int) -> None:
    """Refuse a page that does not have all partitions and checks of a run."""
    assert page["partitionStats"]["numMaterialized"] == count
    checks = page["assetChecksOrError"]["checks"]
    assert {each["name"] for each in checks} == {*CHECKS}
    for of in (page["assetPartitionStatuses"], *(each["partitionStatuses"] for each in checks)):
        assert len(of["ranges"]) == 1, of


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
