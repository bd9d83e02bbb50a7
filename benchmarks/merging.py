"""Merging a delta into a table by key, as the platform does it, against Iceberg's MERGE INTO."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandera.pyspark as pandera
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from benchmarks.iceberg_merge import MODES, IcebergMerge, digest
from benchmarks.measuring import Measurement, interleaved, of_pairs, seconds
from benchmarks.workload import Workload, remove
from data_platform.assets import gold
from data_platform.build.merged import build_merged
from data_platform.build.planning import plan
from data_platform.build.platform import Platform
from data_platform.contracts.columns import column
from data_platform.contracts.declare import contract
from data_platform.contracts.schema import schema_of
from data_platform.engine.session import start_session
from data_platform.lake.files import files_by_partition
from data_platform.lake.reads import ReadPlan
from data_platform.lake.writing.publish import StagedWrite, publish
from data_platform.lake.writing.staging import new_attempt, plain_layout, stage_arrow
from data_platform.tables.identity import WHOLE_TABLE, TableId, TableSlice
from tools.jars import CACHE

# pyright: reportInvalidTypeForm=false

_PAIRS = 5
_FIRST = date(2020, 1, 1)
_CHANGES = TableId.parse("silver/bench/client_changes")


@contract(
    table="gold/bench/clients",
    merge_on=("client",),
    latest=("changed",),
    arrival=False,  # the changes are not landed rows
    owner="team:bench",
    version="1",
)
class Client(pandera.DataFrameModel):
    """One row per client."""

    client: T.LongType = column(ge=0)
    changed: T.LongType = column()
    name: T.StringType = column(nullable=True)
    city: T.StringType = column(nullable=True)
    street: T.StringType = column(nullable=True)
    balance: T.DoubleType = column(nullable=True)


@gold(contract=Client, partitions=None)
def clients(client_changes: DataFrame) -> DataFrame:
    """One row per client."""
    return client_changes


def merge(load: Workload) -> list[Measurement]:
    """A delta of 1 % of the keys, spread over all of them, and one of 100 %; a tenth of the first
    has new keys. Both sides merge the same deltas, and must have the same rows at the end."""
    jar = next((CACHE / "readers").glob("iceberg-spark-runtime-*.jar"), None)
    if jar is None:
        raise FileNotFoundError(f"no iceberg-spark-runtime in {CACHE / 'readers'}: make services")
    keys = 100_000 if load.quick else 2_000_000
    found = []
    for share in (0.01, 1.0):
        for mode in MODES:
            found.append(_against(load, jar, mode, keys, share))
    return found


def _against(load: Workload, jar: Path, mode: str, keys: int, share: float) -> Measurement:
    home = load.home(files=[])
    ours, theirs = Ours(Platform(home), start_session(home)), IcebergMerge(home, jar)
    try:
        whole, *deltas = (
            _written(home.home, _rows(np.arange(keys), 0) if n == 0 else _delta(n, keys, share))
            for n in range(load.pairs(_PAIRS) + 2)  # the table, and a pair to warm up
        )
        ours.land(0, whole)
        ours.merge()
        theirs.load(whole)
        own_deltas, their_deltas = enumerate(deltas, 1), iter(deltas)

        def own() -> float:
            ours.land(*next(own_deltas))
            return seconds(ours.merge)

        pairs = interleaved(
            own,
            lambda: theirs.merge(mode, next(their_deltas)),
            pairs=load.pairs(_PAIRS),
            warm=True,
        )
        if (held := ours.digest()) != theirs.digest(mode):
            raise RuntimeError(f"the tables differ: {held} here, {theirs.digest(mode)} there")
    finally:
        theirs.close()
        remove(home.home)
    name = f"merging {share:.0%} of {keys:,} keys / Iceberg's MERGE INTO, {mode}"
    return of_pairs("merge", name, pairs, note=f"both hold {held.split()[0]} rows, the same ones")


class Ours:
    """The table built by the platform: planned, read, judged, staged and committed."""

    def __init__(self, platform: Platform, spark: SparkSession) -> None:
        self._platform, self._spark = platform, spark

    def land(self, day: int, path: Path) -> None:
        """A day of changes, published as a silver table's partition."""
        lake = self._platform.lake
        types = schema_of(Client)
        schema = T.StructType([T.StructField("day", T.DateType(), False), *types.fields])
        table = lake.ensure(_CHANGES, schema, ("day",))
        moment = _FIRST + timedelta(days=day)
        rows = pq.read_table(path)
        rows = rows.append_column("day", pa.repeat(pa.scalar(moment), rows.num_rows))
        attempt = new_attempt("bench000")
        staged = stage_arrow(rows, plain_layout(table, attempt, self._platform.storage))
        slice_ = TableSlice(_CHANGES, (moment.isoformat(),), {})
        publish(lake, self._platform.builds, StagedWrite(slice_, attempt, attempt, staged))

    def merge(self) -> None:
        planned = plan(clients, self._platform, [WHOLE_TABLE], only_stale=True)
        result = build_merged(clients, planned, self._platform, self._spark, "bench000")
        if result.write.held_back:
            raise RuntimeError(f"held back: {result.write.held_back}")
        publish(self._platform.lake, self._platform.builds, result.write)

    def digest(self) -> str:
        table = self._platform.lake.load(clients.id)
        files = files_by_partition(table, [WHOLE_TABLE])[WHOLE_TABLE]
        return digest(ReadPlan.of(table, files).dataframe(self._spark, self._platform.storage))


def _delta(number: int, keys: int, share: float) -> pa.Table:
    """One change for each of the keys; a tenth of a small delta has new keys."""
    random = np.random.default_rng(number)
    count = int(keys * share)
    if share == 1:
        return _rows(random.permutation(keys), number)
    known = random.choice(keys, count - count // 10, replace=False)
    new = keys + number * count + np.arange(count // 10)
    return _rows(np.concatenate([known, new]), number)


def _rows(clients: np.ndarray, changed: int) -> pa.Table:
    random = np.random.default_rng(changed)
    count = len(clients)
    return pa.table(
        {
            "client": pa.array(clients.astype("int64")),
            "changed": pa.array(np.full(count, changed, "int64")),
            "name": pa.array([f"client {n}" for n in clients]),
            "city": pa.array([f"city {n}" for n in random.integers(0, 1000, count)]),
            "street": pa.array([f"street {n}" for n in random.integers(0, 10**9, count)]),
            "balance": pa.array(random.normal(0, 1000, count)),
        }
    )


def _written(folder: Path, rows: pa.Table) -> Path:
    path = folder / f"{rows['changed'][0]}.parquet"
    pq.write_table(rows, path, compression="zstd")
    return path
