"""Latencies that a user sees in Dagster: a run on a warm engine, and a late file to gold."""

import dataclasses
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles

import dagster as dg
import yaml
from dagster_graphql import DagsterGraphQLClient

from benchmarks.measuring import Measurement, interleaved, of_pairs
from benchmarks.one_partition import BASELINE, JOB, asked, process_env, script
from benchmarks.workload import Workload, remove
from data_platform.build.planning import current_versions
from data_platform.build.platform import Platform
from data_platform.operations.repair import instance_of
from data_platform.settings.model import CHECKOUT, Settings
from data_platform.storage.waiting import is_listening, wait
from data_platform.tables.identity import TableId
from tools.servers import free_port

_GOLD = TableId.parse("gold/retail/daily_sales")
_PAIRS = 9
_LATE = 20
_GOAL = 30.0  # seconds
_ENDS_WITHIN = 300
_DEFINITIONS = ("-m", "data_platform.definitions")


def warm_partition(load: Workload) -> list[Measurement]:
    """Runs of a day each that are launched by a webserver, against the plain script's process."""
    return [_warm_partition(dataclasses.replace(load, engine="sail"), load)]


def _warm_partition(on: Workload, load: Workload) -> Measurement:
    days = sorted(load.files, key=lambda path: path.stat().st_size)
    settings = on.home(files=[])
    without_queue(settings)
    left = iter(days)
    with dagster_process(settings, "dagster-webserver") as client:

        def run() -> float:
            on.land(settings, [next(left)])
            tags = dict(asked(settings).tags)
            began = time.perf_counter()
            run_id = client.submit_job_execution(JOB, tags=tags)
            _wait(lambda: client.get_run_status(run_id) in _ENDED)
            assert client.get_run_status(run_id) is dg.DagsterRunStatus.SUCCESS
            return time.perf_counter() - began

        pairs = interleaved(run, lambda: script(load, days[0]), pairs=load.pairs(_PAIRS), warm=True)
    remove(settings.home)
    name = f"a run of one day on a warm engine (sail), launch to success / {BASELINE}"
    note = f"{days[0].stat().st_size >> 10} KB landed and more; without the first, which starts it"
    return of_pairs("warm_partition", name, pairs, bound="at most", goal=0.6, note=note)


def without_queue(settings: Settings) -> None:
    """Have a webserver launch runs itself: a queue is the daemon's, whose sensors launch others."""
    file = settings.dagster_home / "dagster.yaml"
    config = yaml.safe_load(file.read_text())
    del config["concurrency"]
    coordinator = {"module": "dagster.core.run_coordinator", "class": "DefaultRunCoordinator"}
    file.write_text(yaml.safe_dump({**config, "run_coordinator": coordinator}))


_ENDED = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)


def late_file(load: Workload) -> list[Measurement]:
    """A file at a time, landed beside a running `dagster dev` at any moment of its sensor's wait,
    until its day is in gold."""
    on = dataclasses.replace(load, engine="sail")
    days = load.files[: (_LATE if not load.quick else 2) + 1]
    settings = on.home(files=[])
    platform = Platform(settings)
    found: list[tuple[float, ...]] = []
    with dagster_process(settings, "dagster", "dev"), instance_of(platform) as instance:
        for number, day in enumerate(days):
            time.sleep(number * 10 / len(days))  # the sensor looks every ten seconds
            landed = time.time()
            on.land(settings, [day])
            key = day.stem
            _wait(lambda key=key: key in current_versions(platform, _GOLD, None))
            found.append((time.time() - landed, *_parts(instance, landed)))
    remove(settings.home)
    counted = found[1:]  # the first starts the engine
    whole, parts = [each[0] for each in counted], list(zip(*counted, strict=True))[1:]
    p95 = quantiles(whole, n=20, method="inclusive")[-1] if len(whole) > 1 else whole[0]
    names = ("until a run is asked for", "until it starts", "until gold")
    note = ", ".join(
        f"{median(part):.1f} s {name}" for name, part in zip(names, parts, strict=True)
    )
    name = f"a late file to gold in dagster dev, p95 of {len(whole)} / {_GOAL:g} s"
    return [
        of_pairs(
            "late_file",
            name,
            [(p95, _GOAL)],
            bound="at most",
            goal=1.0,
            note=f"median {median(whole):.1f} s: {note}",
        )
    ]


def _parts(instance: dg.DagsterInstance, landed: float) -> tuple[float, float, float]:
    """Seconds from landing to the creation of a run, from there to its start, and to now."""
    (record,) = instance.get_run_records(limit=1)
    created = record.create_timestamp.timestamp()
    started = record.start_time or created
    return created - landed, started - created, time.time() - started


@contextmanager
def dagster_process(
    settings: Settings, *command: str, more: Mapping[str, str] | None = None
) -> Iterator[DagsterGraphQLClient]:
    """A Dagster process with a webserver on a home, and a client of it, once it listens: by then it
    has loaded the definitions. It gets `more` environment variables."""
    port = free_port()
    program = str(Path(sys.executable).with_name(command[0]))
    words = [program, *command[1:], *_DEFINITIONS, "-h", "127.0.0.1", "-p", str(port)]
    log = (settings.home / "dagster.txt").open("w")
    process = subprocess.Popen(
        words, env=process_env(settings) | dict(more or {}), cwd=CHECKOUT, stdout=log, stderr=log
    )
    try:
        _wait(lambda: is_listening("127.0.0.1", port) or process.poll() is not None)
        if process.poll() is not None:
            text = (settings.home / "dagster.txt").read_text()
            raise RuntimeError(f"{' '.join(words)} ended:\n{text[-4000:]}")
        yield DagsterGraphQLClient("127.0.0.1", port_number=port)
    finally:
        process.terminate()
        try:
            process.wait(timeout=120)
        finally:
            process.kill()
            log.close()


def _wait(until: Callable[[], bool]) -> None:
    if not wait(until, _ENDS_WITHIN):
        raise TimeoutError(
            f"Dagster was not ready, or a run did not end, in {_ENDS_WITHIN} seconds"
        )
