"""A lake in a directory, written without Spark: what most tests of the lake work on."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pyarrow as pa
from pyspark.sql import types as T

from data_platform.lake.builds import Builds
from data_platform.lake.catalog import Lake, LakeTable
from data_platform.lake.files import files_by_partition, partitioning_of, versions
from data_platform.lake.rejected import REJECTED_BY, REJECTED_LAYERS
from data_platform.lake.writing.layout import Layout
from data_platform.lake.writing.publish import Published, StagedWrite, publish
from data_platform.lake.writing.staging import new_attempt, part, stage_arrow, with_empty_partitions
from data_platform.storage.files import Storage
from data_platform.tables.identity import TableId, TableSlice
from data_platform.tables.outcomes import DATA, DUPLICATES, OUTCOME, QUARANTINE
from data_platform_tests.support.cloud import REGION
from data_platform_tests.support.places import Place

SALES = TableId.parse("silver/shop/sales")
DAY = T.StructField("day", T.DateType(), False)
SCHEMA = T.StructType([DAY, T.StructField("n", T.LongType(), True)])
REASONS = T.StructField("_reasons", T.ArrayType(T.StringType()), True)
ATTEMPT = T.StructField("_attempt", T.StringType(), False)

MONDAY, TUESDAY, WEDNESDAY = (f"2011-03-0{n}" for n in (7, 8, 9))


def days(numbers: Mapping[str, Iterable[int]], outcome: int | None = None) -> pa.Table:
    """`{"2011-03-07": [1, 2]}` as rows of day and n (and `_outcome`)."""
    flat = [(dt.date.fromisoformat(day), n) for day, ns in numbers.items() for n in ns]
    columns = {
        "day": pa.array([day for day, _ in flat], pa.date32()),
        "n": pa.array([n for _, n in flat], pa.int64()),
    }
    if outcome is not None:
        columns[OUTCOME] = pa.array([outcome] * len(flat), pa.int32())
        columns["_reasons"] = pa.array(["n.positive"] * len(flat), pa.string())
    return pa.table(columns)


@dataclass(frozen=True)
class LakeHome:
    """Where a lake lives: its tables in `folder` or `elsewhere`, catalog and register in `folder`
    or in the database at a URL."""

    folder: Path
    elsewhere: Place | None = None
    database: str = ""

    @cached_property
    def place(self) -> Place:
        return self.elsewhere or Place.directory(self.folder)

    @cached_property
    def storage(self) -> Storage:
        return self.place.storage

    @cached_property
    def lake(self) -> Lake:
        catalog = {"type": "sql", "uri": self.database or f"sqlite:///{self.folder}/catalog.db"}
        return Lake(catalog | self.place.catalog, f"{self.place.root}/warehouse")

    def again(self) -> "LakeHome":
        """The same one, opened by somebody else."""
        return replace(self)

    @cached_property
    def builds(self) -> Builds:
        return Builds(self.database or f"sqlite:///{self.folder}/ledger.db")

    def make(
        self,
        table: TableId = SALES,
        schema: T.StructType = SCHEMA,
        partition_by: Sequence[str] = ("day",),
        properties: Mapping[str, str] | None = None,
    ) -> LakeTable:
        return self.lake.ensure(table, schema, partition_by, properties)

    def make_rejecting(self, table: TableId = SALES) -> None:
        """The table with its quarantine and its duplicates."""
        self.make(table)
        for layer in REJECTED_LAYERS.values():
            schema = T.StructType([*SCHEMA.fields, REASONS, ATTEMPT])
            self.make(table.sibling(layer), schema, properties={REJECTED_BY: str(table)})

    def stage(
        self,
        data: pa.Table,
        keys: Iterable[str],
        *,
        table: TableId = SALES,
        held_back: Mapping[str, str] | None = None,
        run: str = "run00001",
        storage: Storage | None = None,
    ) -> StagedWrite:
        """Written, on top of what is published now, and not published yet."""
        loaded, attempt, keys = self.lake.load(table), new_attempt(run), tuple(keys)
        parts = {DATA: part(loaded, attempt)}
        for outcome in (QUARANTINE, DUPLICATES):
            beside = table.sibling(REJECTED_LAYERS[outcome])
            if OUTCOME in data.schema.names and self.lake.exists(beside):
                parts[outcome] = part(self.lake.load(beside), attempt)
        layout = Layout(partitioning_of(loaded), attempt, parts, storage or self.storage)
        staged = with_empty_partitions(stage_arrow(data, layout), loaded, layout, keys)
        slice_ = TableSlice(table, keys, versions(files_by_partition(loaded, keys)))
        return StagedWrite(slice_, attempt, run, staged, held_back=held_back or {})

    def publish(self, write: StagedWrite) -> Mapping[str, Published]:
        return publish(self.lake, self.builds, write).partitions

    def write(self, numbers: Mapping[str, Iterable[int]], **options) -> StagedWrite:
        """Replace the named days by these numbers."""
        write = self.stage(days(numbers), numbers, **options)
        self.publish(write)
        return write

    def judge(
        self,
        good: Mapping[str, Iterable[int]],
        bad: Mapping[str, Iterable[int]] | None = None,
        repeated: Mapping[str, Iterable[int]] | None = None,
        **options,
    ) -> StagedWrite:
        """Replace days by their good numbers, with those rejected."""
        outcomes = ((good, DATA), (bad or {}, QUARANTINE), (repeated or {}, DUPLICATES))
        data = pa.concat_tables([days(numbers, outcome) for numbers, outcome in outcomes])
        write = self.stage(data, sorted({*good, *(bad or {}), *(repeated or {})}), **options)
        self.publish(write)
        return write

    def numbers(self, table: TableId = SALES, snapshot: int | None = None) -> dict[str, list[int]]:
        """What a reader sees, by day."""
        found: dict[str, list[int]] = {}
        for row in self.lake.load(table).scan(snapshot_id=snapshot).to_arrow().to_pylist():
            found.setdefault(row["day"].isoformat(), []).append(row["n"])
        return {day: sorted(numbers) for day, numbers in sorted(found.items())}

    def rejected(self, layer: str) -> dict[str, list[int]]:
        return self.numbers(SALES.sibling(layer))

    def snapshots(self, table: TableId = SALES) -> list[int]:
        """Oldest first."""
        return [s.snapshot_id for s in self.lake.load(table).snapshots()]


@dataclass(frozen=True)
class GlueHome(LakeHome):
    """A lake whose catalog is Glue; its tables are in a directory."""

    @cached_property
    def lake(self) -> Lake:
        properties = {"type": "glue", "glue.region": REGION}
        return Lake(properties, f"{self.place.root}/warehouse")


def remove_manifests(lake: Lake, table: TableId) -> None:
    """So that whoever would read one again fails."""
    loaded = lake.load(table)
    snapshot = loaded.current_snapshot()
    assert snapshot
    for manifest in snapshot.manifests(loaded.io):
        loaded.io.delete(manifest.manifest_path)
