"""One large silver partition: split into tasks by rows, against a single task.

As a program, `python -m benchmarks.large_partition one|by_rows`, it builds the silver day of a
home and writes the seconds that it took into the home.
"""

import datetime as dt
import sys
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from unittest.mock import patch

from pyspark.sql import SparkSession

from benchmarks.measuring import Measurement, interleaved, of_pairs, seconds
from benchmarks.memory import peak
from benchmarks.workload import PREFIX, Workload, remove
from data_platform.build import steps
from data_platform.build.bronze import build_bronze
from data_platform.build.planning import plan
from data_platform.build.platform import Platform
from data_platform.build.result import publish_step
from data_platform.domains.retail.bronze import order_lines as bronze
from data_platform.domains.retail.silver import order_lines as silver
from data_platform.engine.session import start_session
from data_platform.landing.arrivals.listing import OVERLAP_DAYS, tick
from data_platform.quality.spread import Spread
from data_platform.settings.environment import settings_from_env
from data_platform.settings.model import Settings

_PAIRS = 2
_ROWS = 15_500_000  # more than a minute, so that the warm-up of a new JVM does not matter
_DAY = "2011-03-04"
_HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
_TOOK = "took"


def large_partition(load: Workload) -> list[Measurement]:
    """Time and peak memory of a process that builds the day."""
    rows = 600_000 if load.quick else _ROWS
    settings = load.home(files=[])
    landed = Path(settings.landing_uri.removeprefix("file://")) / PREFIX / f"{_DAY}.csv"
    landed.parent.mkdir(parents=True, exist_ok=True)
    with landed.open("w") as file:
        file.writelines(_lines(rows))
    size = landed.stat().st_size
    _bronze(settings)
    program = ["-m", "benchmarks.large_partition"]

    peaks: dict[str, list[float]] = {"by_rows": [], "one": []}

    def timed(tasks: str) -> float:
        peaks[tasks].append(peak(settings, [*program, tasks]))
        return float((settings.home / _TOOK).read_text())

    pairs = interleaved(lambda: timed("by_rows"), lambda: timed("one"), pairs=load.pairs(_PAIRS))
    memory = list(zip(peaks["by_rows"], peaks["one"], strict=True))
    remove(settings.home)
    note = f"one file of {size >> 20} MB, {rows:,} rows"
    return [
        of_pairs(
            "large_partition",
            "rate of silver of one large day, tasks by rows / in one task",
            pairs,
            bound="at least",
            goal=1.8,
            note=note,
            rate=True,
        ),
        of_pairs(
            "large_partition",
            "peak memory of silver of one large day, tasks by rows / in one task",
            memory,
            bound="at most",
            goal=1.0,
            unit="GB",
            note=note,
        ),
    ]


def _lines(rows: int) -> Iterator[str]:
    """Rows as wide as the shop's, one percent of them duplicates, as in the shop's files."""
    yield _HEADER
    for place in range(rows):
        n = place - (place % 100 == 99)
        yield (
            f"{100000 + n // 4 % 900000},{20000 + n % 3877},"
            f"WHITE HANGING HEART LIGHT HOLDER {n % 977},{1 + n % 48},"
            f"{_DAY} {8 + n % 10:02}:{n % 60:02}:00,{1 + n % 900 / 100:.2f},"
            f"{12346 + n % 4372}.0,United Kingdom\n"
        )


def _bronze(settings: Settings) -> None:
    platform, source = Platform(settings), bronze.source
    tick(platform.bucket, [source], platform.ledger, dt.datetime.now(dt.UTC), OVERLAP_DAYS)
    planned = plan(bronze, platform, [_DAY], only_stale=True)
    _with_session(settings, lambda spark: _publish(platform, build_bronze, bronze, planned, spark))


def _with_session(settings: Settings, work) -> None:
    spark = start_session(settings)
    try:
        work(spark)
    finally:
        spark.stop()


def _publish(platform: Platform, step, table, planned, spark: SparkSession) -> None:
    result = step(table, planned, platform, spark, uuid.uuid4().hex)
    assert not result.write.held_back, result.write.held_back
    publish_step(platform.lake, platform.builds, platform.ledger, result)


def _silver(settings: Settings) -> None:
    platform = Platform(settings)

    def work(spark: SparkSession) -> None:
        planned = plan(silver, platform, [_DAY], only_stale=False)
        took = seconds(partial(_publish, platform, steps.build, silver, planned, spark))
        (settings.home / _TOOK).write_text(str(took))

    _with_session(settings, work)


def main() -> None:
    (tasks,) = sys.argv[1:]
    settings = settings_from_env()
    if tasks == "by_rows":
        _silver(settings)
        return
    with patch.object(steps, "spread_of", lambda *_: Spread()):
        _silver(settings)


if __name__ == "__main__":
    main()
