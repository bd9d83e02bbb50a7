"""Planning on an object store: one partition of a table with very many files, and with few."""

from datetime import date, timedelta

from pyiceberg.manifest import DataFile, DataFileContent, FileFormat, clear_manifest_cache
from pyiceberg.typedef import Record
from pyspark.sql import types as T

from benchmarks.measuring import Measurement, interleaved, of_pairs, seconds
from benchmarks.store import stored_home
from benchmarks.workload import Workload
from data_platform.build.platform import Platform
from data_platform.lake import file_io
from data_platform.lake.catalog import Lake
from data_platform.lake.files import files_by_partition, stored
from data_platform.lake.reads import ReadPlan
from data_platform.lake.writing.commit import replace_partitions
from data_platform.settings.model import Settings
from data_platform.tables.identity import TableId

_FIRST = date(1700, 1, 1)
_PAIRS = 15
_BYTES = 100_000
_SCHEMA = T.StructType(
    [T.StructField("day", T.DateType(), False), T.StructField("sold", T.LongType())]
)


def s3_planning(load: Workload) -> list[Measurement]:
    """From the catalog to the files of one partition, each time as in a new process, without cached
    metadata. The files exist only in the metadata; planning opens none."""
    many, few = (2_000, 100) if load.quick else (100_000, 1_000)
    with stored_home(load) as home:
        lake = Platform(home.settings).lake
        tables = {count: TableId("silver", "bench", f"files_{count}") for count in (many, few)}
        for count, table in tables.items():
            _publish(lake, table, count)

        def requests(count: int) -> int:
            before = len(home.log())
            _planned(home.settings, tables[count], count)
            return len(home.log()) - before

        def planned(count: int) -> float:
            return seconds(lambda: _planned(home.settings, tables[count], count))

        note = f"{requests(many)} requests against {requests(few)}"
        pairs = interleaved(
            lambda: planned(many), lambda: planned(few), pairs=load.pairs(_PAIRS), warm=True
        )
    name = f"planning 1 partition among {many:,} files on versitygw / among {few:,}"
    return [of_pairs("s3_planning", name, pairs, bound="at most", goal=3.0, note=note)]


def _day(number: int) -> date:
    return _FIRST + timedelta(days=number)


def _planned(settings: Settings, table: TableId, count: int) -> None:
    file_io.forget()
    clear_manifest_cache()
    key = _day(count // 2).isoformat()
    loaded = Platform(settings).lake.load(table)
    plan = ReadPlan.of(loaded, files_by_partition(loaded, [key])[key])
    assert len(plan.files) == 1


def _publish(lake: Lake, table: TableId, count: int) -> None:
    """One commit with a file for each of this many days."""
    loaded = lake.ensure(table, _SCHEMA, ("day",))
    days = [_day(number) for number in range(count)]
    files = [
        DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=f"{loaded.location()}/data/attempt/{day}.parquet",
            file_format=FileFormat.PARQUET,
            partition=Record(stored(day)),
            record_count=1_000,
            file_size_in_bytes=_BYTES,
            spec_id=loaded.spec().spec_id,
        )
        for day in days
    ]
    keys = [day.isoformat() for day in days]
    replace_partitions(loaded, keys=keys, add=files, base={}, properties={})
