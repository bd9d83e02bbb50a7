"""A ranged run of many partitions: what Dagster logs of it, from its creation to its last check."""

import datetime as dt
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg

from benchmarks.measuring import Measurement, Stopwatch, interleaved, of_pairs, seconds
from benchmarks.workload import Workload, remove
from data_platform.build.dagster_internals import LOGGED, execute
from data_platform.build.events import Log, figures_of
from data_platform.lake.writing.publish import Published
from data_platform.quality.findings import Finding
from data_platform.runs.home import prepare_home
from data_platform.runs.tags import RANGE_END, RANGE_START
from data_platform.settings.environment import enter_home, environment_kept, settings_at
from data_platform.settings.model import Settings
from tools.servers import postgres

KEY = dg.AssetKey(["silver", "shop", "lines"])
CHECKS = ("rules", "conservation", "volume")
_FIRST = dt.date(1990, 1, 1)


@dataclass
class Volume:
    create: float
    published: float
    findings: float
    rest: float

    @property
    def total(self) -> float:
        return self.create + self.published + self.findings + self.rest


def asset(partitions: dg.PartitionsDefinition, published: Stopwatch, checked: Stopwatch):
    """An asset whose step does nothing but log what a table's step logs of every partition."""

    @dg.asset(
        key=KEY,
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=[
            dg.AssetCheckSpec(name, asset=KEY, partitions_def=partitions) for name in CHECKS
        ],
        io_manager_key="nowhere",
    )
    def lines(context: dg.AssetExecutionContext) -> Iterator[dg.Output]:
        log, keys = Log.of(context, KEY), context.partition_keys
        figures = figures_of(Published(7, 3, 1, 100))
        with published.running():
            log.published("a1", {key: {**figures, "attempt": "a1"} for key in keys})
        with checked.running():
            log.findings(
                Finding(name, True, True, f"of {key}", {"rows": 3}, key)
                for key in keys
                for name in CHECKS
            )
        yield dg.Output(None, output_name="result", metadata=dict(LOGGED))
        for name in CHECKS:
            yield dg.Output(None, output_name=f"silver__shop__lines_{name}", metadata=dict(LOGGED))

    return lines


@dg.io_manager
def nowhere(_) -> dg.IOManager:
    class Nowhere(dg.IOManager):
        def handle_output(self, context: dg.OutputContext, obj: object) -> None: ...

        def load_input(self, context: dg.InputContext) -> None: ...

    return Nowhere()


def ranged_run(instance: dg.DagsterInstance, count: int) -> Volume:
    last = _FIRST + dt.timedelta(days=count)
    partitions = dg.DailyPartitionsDefinition(str(_FIRST), end_date=str(last))
    keys = partitions.get_partition_keys()
    assert len(keys) == count
    published, checked = Stopwatch(), Stopwatch()
    definitions = dg.Definitions(
        assets=[asset(partitions, published, checked)],
        jobs=[dg.define_asset_job("job", [KEY])],
        resources={"nowhere": nowhere},
        executor=dg.in_process_executor,
    )
    job = definitions.resolve_job_def("job")
    tags = {RANGE_START: keys[0], RANGE_END: keys[-1]}
    made = []
    create = seconds(lambda: made.append(instance.create_run_for_job(job, tags=tags)))
    rest = seconds(lambda: execute(job, made[0], instance))
    return Volume(create, published.total, checked.total, rest - published.total - checked.total)


if __name__ == "__main__":
    import sys, tempfile, cProfile, pstats
    from pathlib import Path

    kind, count = sys.argv[1], int(sys.argv[2])
    with tempfile.TemporaryDirectory() as d, postgres(Path(d) / "pg") as server:
        os.environ["PGPASSWORD"] = server.password
        s = settings_at(Path(d) / "home", dagster_database=server.url if kind == "pg" else "")
        prepare_home(s)
        enter_home(s)
        with dg.DagsterInstance.get() as instance:
            if len(sys.argv) > 3:
                with cProfile.Profile() as p:
                    v = ranged_run(instance, count)
                pstats.Stats(p).sort_stats("cumtime").print_stats(70)
            else:
                v = ranged_run(instance, count)
            print(v, v.total)
