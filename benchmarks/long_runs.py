"""Measures for a whole year: landed files to gold, the backfill, its commits."""

from pathlib import Path

from pyspark.sql import SparkSession

from benchmarks import plain, unpartitioned
from benchmarks.measuring import Measurement, interleaved, of_pairs, seconds
from benchmarks.platform_runs import build_everything, commits_timed
from benchmarks.workload import PREFIX, Workload, remove
from data_platform.build.platform import Platform
from data_platform.engine.session import start_session
from data_platform.operations.repair import instance_of

_PAIRS = 3
_WHERE = (
    "the release before the engines takes 1.09 as long on the same machine (2026-11-28: 55.8 and "
    "51.2 s); what made gold's functions quicker since is in the plain script as well. Of 51 s, 22 "
    "are silver: by a profile 45 % of it compares and sorts rows to find repeats and to write each "
    "day's together, 26 % is the way to Python and back through Arrow; the script takes 25 s for "
    "its silver, which rejects, compares and records nothing"
)
_DAYS = 10  # runs of a day, from which those of a year are extrapolated


def landed_to_gold(load: Workload) -> list[Measurement]:
    """Ours against the plain script, both in one warm session."""
    spark = session(load)
    pairs = interleaved(
        lambda: ours(load)[0], lambda: plain_year(load, spark), pairs=load.pairs(_PAIRS), warm=True
    )
    name = "landed files to gold with checks, quarantine and ledger / plain PySpark script"
    note = f"{load.text}; {_WHERE}"
    return [of_pairs("landed_to_gold", name, pairs, bound="at most", goal=0.85, note=note)]


def backfill(load: Workload) -> list[Measurement]:
    """A year as one run against one job without partitions, and against a run per day."""
    spark = session(load)
    shares: list[tuple[float, float]] = []

    def a_year() -> float:
        total, commits = ours(load)
        shares.append((commits, total))
        return total

    pairs = interleaved(
        a_year, lambda: _unpartitioned(load, spark), pairs=load.pairs(_PAIRS), warm=True
    )
    daily = _daily(load)
    year = [(own, daily * len(load.files)) for own, _ in pairs]
    return [
        of_pairs(
            "backfill",
            "a year as one run / one unpartitioned job doing the same work",
            pairs,
            bound="at most",
            goal=1.3,
            note=load.text,
        ),
        of_pairs(
            "backfill",
            f"a year as one run / a run per day (extrapolated from {_DAYS})",
            year,
            note=f"{daily:.1f} s for a day's run, all its tables",
        ),
        of_pairs(
            "backfill",
            "all commits of the backfill / the backfill",
            shares[1:] or shares,
            bound="at most",
            goal=0.05,
        ),
    ]


def session(load: Workload) -> SparkSession:
    """The process's session, on the workload's engine."""
    return start_session(load.settings(load.work))


def _landing(load: Workload) -> Path:
    return load.files[0].parent


def ours(load: Workload) -> tuple[float, float]:
    """Seconds in total, and in commits."""
    settings = load.home()
    with commits_timed() as commits:
        total = seconds(lambda: build_everything(settings))
    remove(settings.home)
    return total, commits.total


def plain_year(load: Workload, spark: SparkSession) -> float:
    """Seconds of the plain script."""
    target = load.folder()
    total = seconds(lambda: plain.pipeline(spark, _landing(load), target))
    remove(target)
    return total


def _unpartitioned(load: Workload, spark: SparkSession) -> float:
    target = load.folder()
    total = seconds(lambda: unpartitioned.pipeline(spark, _landing(load), target))
    remove(target)
    return total


def _daily(load: Workload) -> float:
    """Mean seconds from a day's landing to its gold, in the middle of the year."""
    middle = len(load.files) // 2
    days = load.files[middle : middle + (2 if load.quick else _DAYS)]
    settings = load.home(files=load.files[:middle])
    with instance_of(Platform(settings)) as instance:
        build_everything(settings, instance)
        total = 0.0
        for day in days:
            load.land(settings, [day])
            total += seconds(lambda: build_everything(settings, instance))
    assert Path(settings.landing_uri.removeprefix("file://"), PREFIX, days[-1].name).exists()
    remove(settings.home)
    return total / len(days)
