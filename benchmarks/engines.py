"""Landed files to gold on Sail, against the plain script on Spark and the one in DuckDB."""

import os

from benchmarks import duck
from benchmarks.long_runs import plain_year, session
from benchmarks.measuring import Measurement, interleaved, of_pairs, seconds
from benchmarks.warm_year import warm_years
from benchmarks.workload import Workload, remove

_PAIRS = 3
_WHERE = (
    "of the CPU time on Sail, by a profile of 2026-11-28, 36 % is silver (typing and rules the "
    "most), 34 % gold, 8 % bronze, and 22 % planning, commits and Dagster's 10,000 events, which "
    "use one core. A ratio of 0.3 would be 14 s: the engine's work takes 12 with both cores full "
    "(13.6 as it is), and what is done beside it, on one core, 12 more"
)


def engines(load: Workload) -> list[Measurement]:
    """Both warm; the year with everything that the platform does."""
    spark = session(load)
    ours = "landed files to gold on Sail, with checks, quarantine and ledger"
    with warm_years(load, "sail") as years:
        pairs = interleaved(
            years.seconds, lambda: plain_year(load, spark), pairs=load.pairs(_PAIRS), warm=True
        )
        beside = interleaved(
            years.seconds, lambda: _duck(load), pairs=load.pairs(_PAIRS), warm=True
        )
    against = (("plain PySpark", pairs, 0.3), ("DuckDB", beside, 3.0))
    return [
        of_pairs(
            "engines",
            f"{ours} / {name} script",
            of,
            bound="at most",
            goal=goal,
            note=f"{load.text}; {_WHERE}",
        )
        for name, of, goal in against
    ]


def _duck(load: Workload) -> float:
    target = load.folder()
    threads = len(os.sched_getaffinity(0))
    landing = load.files[0].parent
    total = seconds(lambda: duck.pipeline(landing, target, threads=threads))
    remove(target)
    return total
