"""How the cost of metadata grows: planning with many files, committing to an old table."""

import itertools
import uuid
from collections.abc import Callable
from datetime import date, timedelta
from statistics import median

import pyarrow as pa
from pyspark.sql import types as T

from benchmarks.measuring import Measurement, interleaved, of_pairs, seconds
from benchmarks.workload import Workload, remove
from data_platform.build.platform import Platform
from data_platform.lake.catalog import Lake
from data_platform.lake.files import files_by_partition, versions
from data_platform.lake.reads import ReadPlan
from data_platform.lake.writing.publish import StagedWrite, publish
from data_platform.lake.writing.staging import new_attempt, plain_layout, stage_arrow
from data_platform.tables.identity import TableId, TableSlice

_FIRST = date(1990, 1, 1)
_PAIRS = 30
_NEAR = 4  # commits on each side of the 10th
_TABLES = 3  # young ones, to be compared with the old one
_SCHEMA = T.StructType(
    [
        T.StructField("day", T.DateType()),
        T.StructField("shop", T.StringType()),
        T.StructField("sold", T.LongType()),
    ]
)


def planning(load: Workload) -> list[Measurement]:
    """From the catalog to the files of one partition, for a table with many files and with few."""
    platform = Platform(load.home(files=[]))
    many, few = (1_000, 100) if load.quick else (10_000, 100)
    tables = {count: TableId("silver", "bench", f"files_{count}") for count in (many, few)}
    for count, table in tables.items():
        _publish(platform, table, range(count))

    def planned(count: int) -> float:
        key = _day(count // 2)
        return seconds(lambda: _planned(platform.lake, tables[count], key))

    pairs = interleaved(
        lambda: planned(many), lambda: planned(few), pairs=load.pairs(_PAIRS), warm=True
    )
    remove(platform.settings.home)
    name = f"planning 1 partition among {many:,} files / among {few}"
    return [of_pairs("planning", name, pairs, bound="at most", goal=2.0)]


def aging(load: Workload) -> list[Measurement]:
    """Daily commits: those to an old table against those to young ones, around the 10th."""
    platform = Platform(load.home(files=[]))
    last = 100 if load.quick else 2_000
    old = _daily(platform, "daily")
    times = [old() for _ in range(last)][-100:]
    pairs = []
    for number in range(load.pairs(_TABLES)):
        young = _daily(platform, f"young_{number}")
        for _ in range(9 - _NEAR):
            young()
        pairs += interleaved(old, young, pairs=2 * _NEAR + 1)
    remove(platform.settings.home)
    note = f"median of the 100 commits before {median(times):.3f} s, slowest {max(times):.3f} s"
    name = f"the {last:,}th daily commit of a table / the 10th (with {_NEAR} on each side)"
    return [of_pairs("aging", name, pairs, bound="at most", goal=2.0, note=note)]


def _daily(platform: Platform, name: str) -> Callable[[], float]:
    """Publishes one more day of the table at each call."""
    table, numbers = TableId("silver", "bench", name), itertools.count()
    return lambda: _publish(platform, table, [next(numbers)])


def _day(number: int) -> str:
    return (_FIRST + timedelta(days=number)).isoformat()


def _planned(lake: Lake, table: TableId, key: str) -> ReadPlan:
    loaded = lake.load(table)
    files = files_by_partition(loaded, [key])
    plan = ReadPlan.of(loaded, files[key])
    assert len(plan.files) == 1
    return plan


def _publish(platform: Platform, table: TableId, days) -> float:
    """Stage a few rows for each day and publish them; returns the seconds of the publication."""
    loaded = platform.lake.ensure(table, _SCHEMA, ("day",))
    attempt = new_attempt(uuid.uuid4().hex)
    keys = tuple(map(_day, days))
    rows = pa.table(
        {
            "day": pa.array([date.fromisoformat(key) for key in keys for _ in range(3)]),
            "shop": ["a", "b", "c"] * len(keys),
            "sold": list(range(3 * len(keys))),
        }
    )
    staged = stage_arrow(rows, plain_layout(loaded, attempt, platform.storage))
    base = versions(files_by_partition(loaded, keys))
    write = StagedWrite(TableSlice(table, keys, base), attempt, attempt, staged)
    return seconds(lambda: publish(platform.lake, platform.builds, write))
