"""A run of one small day, bronze to gold, as a process from launch to success."""

import dataclasses
import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.measuring import Measurement, interleaved, of_pairs, seconds
from benchmarks.workload import PREFIX, Workload, remove
from data_platform.assets import BronzeTable
from data_platform.build.platform import Platform
from data_platform.definitions import declared
from data_platform.landing.arrivals.listing import OVERLAP_DAYS, partitions_of, tick
from data_platform.runs.requests import run_request
from data_platform.settings.model import CHECKOUT, Settings

_PAIRS = 9
JOB = "retail_daily"
BASELINE = "a plain script with its own session"
# Both with timestamps on their lines, in turns, on the machine of the results.
_PROFILE = (
    "by a profile of 2026-11-21 ours is later by 1.4 s at the first step (imports, the run's "
    "creation), 0.4 s in bronze, 1.6 s in silver and 1.0 s in gold (rules told to a JVM that has "
    "just started, and judged; checks, commits), 0.3 s at the end"
)


def one_partition(load: Workload) -> list[Measurement]:
    """`dagster job execute` with what the sensor asks for, against the plain script's process."""
    day = min(load.files, key=lambda path: path.stat().st_size)
    landed = f"{day.stat().st_size >> 10} KB landed"
    found = []
    for engine, goal, note in (("local[*]", 1.3, f"{landed}; {_PROFILE}"), ("sail", 1.0, landed)):
        on = dataclasses.replace(load, engine=engine)
        pairs = interleaved(
            lambda on=on: _dagster(on, day), lambda: script(load, day), pairs=load.pairs(_PAIRS)
        )
        name = f"a dagster run of one day on {engine}, launch to success / {BASELINE}"
        found.append(of_pairs("one_partition", name, pairs, bound="at most", goal=goal, note=note))
    return found


def _dagster(load: Workload, day: Path) -> float:
    settings = load.home(files=[day])
    request = asked(settings)
    command = ["-m", "dagster", "job", "execute", "-m", "data_platform.definitions", "-j", JOB]
    tags = json.dumps(dict(request.tags))
    took = seconds(lambda: run_process(settings, [*command, "--tags", tags]))
    remove(settings.home)
    return took


def asked(settings: Settings):
    """What the sensor requests once the day is in the ledger."""
    (table,) = (table for table in declared().tables if isinstance(table, BronzeTable))
    platform = Platform(settings)
    now = dt.datetime.now(dt.UTC)
    tick(platform.bucket, [table.source], platform.ledger, now, overlap_days=OVERLAP_DAYS)
    waiting = partitions_of(platform.ledger.pending(table.source.name))
    return run_request(JOB, waiting, run_key="bench", partitions=table.partitions)


def script(load: Workload, day: Path) -> float:
    settings = load.home(files=[day])
    landing = settings.home / "landing" / PREFIX
    target = settings.home / "plain"
    command = ["-m", "benchmarks.plain", "--landing", str(landing), "--target", str(target)]
    command += ["--memory", load.memory, "--one-day"]
    took = seconds(lambda: run_process(settings, command))
    assert any((target / "product_demand").rglob("*.parquet"))
    remove(settings.home)
    return took


def run_process(
    settings: Settings, arguments: list[str], more: Mapping[str, str] | None = None
) -> None:
    """Run Python with these arguments on this home, with `more` environment variables. Raises
    RuntimeError with its output."""
    done = subprocess.run(
        [sys.executable, *arguments],
        env=process_env(settings) | dict(more or {}),
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stderr[-4000:]}")


def process_env(settings: Settings) -> dict[str, str]:
    """The environment of a process that works on this home, as `make dev` gives it to its own."""
    # This process may use Spark Connect; the script has a Spark of its own.
    ours = ("DATA_PLATFORM_", "SPARK_CONNECT_")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    store = {
        "DATA_PLATFORM_AWS_REGION": settings.aws_region,
        "DATA_PLATFORM_AWS_ENDPOINT": settings.aws_endpoint,
    }
    return (
        inherited
        | (store if settings.aws_endpoint else {})
        | {
            "DATA_PLATFORM_LANDING": settings.landing_uri,
            "DATA_PLATFORM_WAREHOUSE": settings.warehouse_uri,
            "DATA_PLATFORM_HOME": str(settings.home),
            "DATA_PLATFORM_SPARK": settings.spark.text,
            "DATA_PLATFORM_SPARK_MEMORY": settings.spark_memory,
            "DAGSTER_HOME": str(settings.dagster_home),
            "DAGSTER_EVENT_BATCH_SIZE": "1000",
        }
    )
