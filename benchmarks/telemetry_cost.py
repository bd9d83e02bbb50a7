"""A run whose traces are exported, to a collector that answers or to none, against one without."""

import json
from collections.abc import Mapping
from pathlib import Path

from benchmarks.measuring import Measurement, interleaved, of_pairs, seconds
from benchmarks.one_partition import JOB, asked, run_process
from benchmarks.workload import Workload, remove
from tools.collector import collector

_PAIRS = 9
_GOAL = 1.02
_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_NOWHERE = "http://127.0.0.1:9"


def telemetry(load: Workload) -> list[Measurement]:
    """`dagster job execute` of one day, as a process from launch to its end."""
    day = min(load.files, key=lambda path: path.stat().st_size)
    with collector(load.folder()) as receiver:
        found = [
            _compared(load, day, "a collector", receiver.endpoint),
            _compared(load, day, "a collector that is away", _NOWHERE),
        ]
        if not receiver.spans():
            raise RuntimeError("no span has reached the collector")
    return found


def _compared(load: Workload, day: Path, which: str, endpoint: str) -> Measurement:
    pairs = interleaved(
        lambda: _run(load, day, {_ENDPOINT: endpoint}),
        lambda: _run(load, day, {}),
        pairs=load.pairs(_PAIRS),
        warm=True,
    )
    name = f"a run of one day with its trace sent to {which} / without"
    return of_pairs("telemetry", name, pairs, bound="at most", goal=_GOAL)


def _run(load: Workload, day: Path, variables: Mapping[str, str]) -> float:
    settings = load.home(files=[day])
    tags = json.dumps(dict(asked(settings).tags))
    command = ["-m", "dagster", "job", "execute", "-m", "data_platform.definitions", "-j", JOB]
    took = seconds(lambda: run_process(settings, [*command, "--tags", tags], variables))
    remove(settings.home)
    return took
