"""Bronze against DuckDB: the same files to the same Parquet on as many threads."""

import datetime as dt
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import local

import duckdb

from benchmarks.measuring import Measurement, interleaved, of_pairs, seconds
from benchmarks.workload import Workload, remove
from data_platform.assets import BronzeTable
from data_platform.build.bronze import build_bronze
from data_platform.build.planning import plan
from data_platform.build.platform import Platform
from data_platform.definitions import declared
from data_platform.domains.retail.landing import COLUMNS
from data_platform.engine.session import start_session
from data_platform.lake.writing.publish import StagedWrite
from data_platform.landing.arrivals.listing import OVERLAP_DAYS, tick
from data_platform.tables.outcomes import DATA

_PAIRS = 9
_CSV = (
    "read_csv(?, header = true, all_varchar = true, delim = ',', quote = '\"', escape = '\"', "
    "allow_quoted_nulls = false)"  # as in bronze: a quoted field is a text, even if empty
)


def bronze(load: Workload) -> list[Measurement]:
    """The whole step except its commit (ledger, plan, parse, checks) against DuckDB."""
    settings = load.home()
    platform, spark = Platform(settings), start_session(settings)
    (table,) = (table for table in declared().tables if isinstance(table, BronzeTable))
    now = dt.datetime.now(dt.UTC)
    tick(platform.bucket, [table.source], platform.ledger, now, overlap_days=OVERLAP_DAYS)
    threads = settings.spark.cores or 1

    def ours() -> float:
        return seconds(lambda: built(table, platform, spark))

    pairs = interleaved(ours, lambda: _duckdb(load, threads), pairs=load.pairs(_PAIRS), warm=True)
    note = f"{load.text}, {threads} threads; {faithful(built(table, platform, spark), load)}"
    remove(settings.home)
    name = "rate of bronze, with row numbers / DuckDB's without"
    return [of_pairs("bronze", name, pairs, bound="at least", goal=0.8, note=note, rate=True)]


def built(table: BronzeTable, platform: Platform, spark) -> StagedWrite:
    """The staged write, which is not published, so that each call starts from the same state."""
    assert table.partitions is not None
    planned = plan(table, platform, table.partitions.get_partition_keys(), only_stale=False)
    return build_bronze(table, planned, platform, spark, uuid.uuid4().hex).write


def _duckdb(load: Workload, threads: int) -> float:
    """One file per day, with one COPY per landed file: faster than a COPY with PARTITION_BY, which
    sorts the rows of all files."""
    target = load.folder()
    connection = duckdb.connect(config={"threads": threads})
    cursors = local()

    def copy(path: Path) -> None:
        if not hasattr(cursors, "own"):
            cursors.own = connection.cursor()
        out = target / f"{path.stem}.parquet"
        cursors.own.execute(
            f"COPY (SELECT DATE '{path.stem[:10]}' AS day, *, '{path.name}' AS _source_object "
            f"FROM {_CSV}) TO '{out}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)",
            [str(path)],
        )

    def work() -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(copy, load.files))

    total = seconds(work)
    connection.close()
    remove(target)
    return total


def faithful(write: StagedWrite, load: Workload) -> str:
    """Compares every received value with DuckDB's reading of the files, as multisets of rows."""
    files = [file.path.removeprefix("file://") for file in write.staged.files[DATA] if file.rows]
    names = ", ".join(f'coalesce("{name}", chr(0))' for name in COLUMNS)
    digest = f"count(*), sum(hash({names})::HUGEINT)"
    landed = [str(path) for path in load.files]
    with duckdb.connect() as connection:
        ours = connection.execute(f"SELECT {digest} FROM read_parquet(?)", [files]).fetchone()
        theirs = connection.execute(f"SELECT {digest} FROM {_CSV}", [landed]).fetchone()
    assert ours is not None and theirs is not None
    if ours != theirs:
        raise AssertionError(f"bronze holds {ours} (rows, digest), DuckDB reads {theirs}")
    return f"{ours[0]:,} rows alike"
