"""`make bench`: the platform's speed as ratios. `python -m benchmarks [names] [--quick]`."""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.bronze_rate import bronze
from benchmarks.commits import aging, planning
from benchmarks.dagster_dev import late_file, warm_partition
from benchmarks.demo_run import demo
from benchmarks.engines import engines
from benchmarks.event_volume import event_volume
from benchmarks.large_partition import large_partition
from benchmarks.long_runs import backfill, landed_to_gold
from benchmarks.many_tables import many_tables
from benchmarks.measuring import Measurement, machine
from benchmarks.memory import memory
from benchmarks.merging import merge
from benchmarks.one_partition import one_partition
from benchmarks.queue_tick import queue_tick
from benchmarks.results import PAGE, keep
from benchmarks.sensor_tick import sensor_tick
from benchmarks.silver_write import silver_write
from benchmarks.stored_planning import s3_planning
from benchmarks.stored_year import s3_requests, s3_year
from benchmarks.telemetry_cost import telemetry
from benchmarks.workload import DEFAULT_DATA, Workload, remove
from data_platform.telemetry.logs import quiet_libraries

MEASURES: dict[str, Callable[[Workload], list[Measurement]]] = {
    "landed_to_gold": landed_to_gold,
    "engines": engines,
    "backfill": backfill,
    "silver_write": silver_write,
    "bronze": bronze,
    "planning": planning,
    "aging": aging,
    "sensor_tick": sensor_tick,
    "one_partition": one_partition,
    "warm_partition": warm_partition,
    "late_file": late_file,
    "large_partition": large_partition,
    "merge": merge,
    "memory": memory,
    "s3_year": s3_year,
    "s3_requests": s3_requests,
    "s3_planning": s3_planning,
    "queue_tick": queue_tick,
    "many_tables": many_tables,
    "event_volume": event_volume,
    "telemetry": telemetry,
    "demo": demo,
}


def main() -> None:
    args = _arguments()
    quiet_libraries()
    about = machine()
    for line in about.values():
        print(line)
    work = Path(tempfile.mkdtemp(prefix="bench-", dir=args.work))
    load = Workload(args.data.resolve(), work, quick=args.quick, memory=args.memory)
    missed = 0
    try:
        for name in args.names or MEASURES:
            print(f"\n{name}", flush=True)
            found = MEASURES[name](load)
            for one in found:
                print(f"  {one.text}", flush=True)
                missed += one.met is False
            if not args.quick:
                keep(found, about)
    finally:
        remove(work)
    if not args.quick:
        print(f"\nwritten to {PAGE}; {missed} goals missed")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(MEASURES)}")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="a folder of shop files")
    parser.add_argument("--work", type=Path, help="where to make the temporary directory")
    parser.add_argument("--memory", default="4g", help="the heap of every session")
    parser.add_argument(
        "--quick", action="store_true", help="try the benchmarks: little data, nothing kept"
    )
    args = parser.parse_args()
    if unknown := sorted(set(args.names) - set(MEASURES)):
        sys.exit(f"no measure {', '.join(unknown)}; there are: {', '.join(MEASURES)}")
    return args


if __name__ == "__main__":
    main()
