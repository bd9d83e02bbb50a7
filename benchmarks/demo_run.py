"""`make demo` in a new home, once the environment is there."""

import os
import subprocess

from benchmarks.measuring import Measurement, of_pairs, seconds
from benchmarks.workload import Workload, remove
from data_platform.settings.model import CHECKOUT

_RUNS = 5
_GOAL = 15.0  # seconds
_OURS = ("DATA_PLATFORM_", "DAGSTER_", "SPARK_", "MAKE")  # as in a new shell with only a home


def demo(load: Workload) -> list[Measurement]:
    """From the command to the end of its report: two months of generated files, on the default
    engine."""
    times = [_demo(load) for _ in range(load.pairs(_RUNS))]
    name = f"make demo, from the command to its report / {_GOAL:g} s"
    note = "a new home each time, the environment made"
    pairs = [(took, _GOAL) for took in times]
    return [of_pairs("demo", name, pairs, bound="at most", goal=1.0, note=note)]


def _demo(load: Workload) -> float:
    home = load.folder()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    env = inherited | {"DATA_PLATFORM_HOME": str(home)}
    log = load.work / "demo.txt"

    def run() -> int:
        with log.open("w") as output:
            return subprocess.call(
                ["make", "demo"], env=env, cwd=CHECKOUT, stdout=output, stderr=subprocess.STDOUT
            )

    ended: list[int] = []
    took = seconds(lambda: ended.append(run()))
    if ended != [0]:
        raise RuntimeError(f"make demo failed:\n{log.read_text()[-4000:]}")
    print(f"    {took:.3g}", flush=True)
    remove(home)
    return took
